#!/bin/bash
# The shell that the runner's scripts come to. What they make, a job's container may write to, whatever its user is.
umask 0000
exec /bin/bash
