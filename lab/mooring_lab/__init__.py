"""A bare-metal cluster in network namespaces: nodes, clients and faults."""
