"""What people are told of their VirtualServers: pure."""
