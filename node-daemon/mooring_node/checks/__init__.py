"""Health checks: what is asked of a backend, when, and what a reply is worth."""
