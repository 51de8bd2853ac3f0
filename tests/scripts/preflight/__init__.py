"""The preflight: its own scripts, and its connections, against real sshds of this computer."""
