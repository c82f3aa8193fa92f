"""TCP checks of thousands of backends: ours, and keepalived's in the same guest."""
