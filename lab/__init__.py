"""The lab: local machines with real services, so that stack `dev` runs for real on one computer."""
