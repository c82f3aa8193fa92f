"""What people are told of their objects, from what the nodes report: pure."""
