"""Tests of the lab's stand-ins, by independent clients, on loopback. They need what the package registries give."""
