"""What a node's need costs the daemon, and what the daemon costs a node."""
