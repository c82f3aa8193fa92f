"""`mooring`: the command for people."""
