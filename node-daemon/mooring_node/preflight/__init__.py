"""What on a node would keep a daemon from its work: facts are read, judged, and named with the remedy."""
