"""IPVS: the table that is wanted, the one that the kernel has, and the way from one to the other."""
