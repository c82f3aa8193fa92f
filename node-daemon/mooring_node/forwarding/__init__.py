"""What packets need beside IPVS: masquerading, marks, guarded ports, addresses on lo, tunnels."""
