"""The operator: from the user's objects to one NodeConfig for each node."""
