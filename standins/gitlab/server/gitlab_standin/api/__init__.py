"""REST API v4: one module per resource, each adding its routes to `routing.ROUTES`."""
