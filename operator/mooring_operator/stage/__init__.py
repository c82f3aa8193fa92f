"""What of a plan may be written now: pure."""
