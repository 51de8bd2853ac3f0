"""The charts: what Helm says of them, what it renders, and whether a cluster would take that."""
