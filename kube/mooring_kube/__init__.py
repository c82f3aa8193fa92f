"""A lean client of the Kubernetes API server, on the standard library alone."""
