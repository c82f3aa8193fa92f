"""How long an IPVS table takes: ours beside keepalived's and ipvsadm's, each in a fresh boot of one guest kernel."""
