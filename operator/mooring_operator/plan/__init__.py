"""What each node should run, from what is known of the cluster: pure."""
