"""Everything that touches the API server, and what is known from it."""
