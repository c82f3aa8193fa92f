"""The control plane measured on a real API server: how long, how many requests, how much memory."""
