"""VirtualServers: who may use which address and port, over which backends, and what each node runs of it."""
