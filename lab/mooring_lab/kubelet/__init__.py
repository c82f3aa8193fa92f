"""A stand-in for kubelet: runs the pods of one lab node as their spec says, in that node's namespaces."""
