"""Unit tests of the lab's own code: what needs no machine."""
