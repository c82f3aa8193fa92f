"""The agent: configuration in, status and metrics out. Its loss changes nothing on the wire."""
