"""An API server in one Python process, for the demo and for tests that need no Go."""
