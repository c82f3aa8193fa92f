"""The chart on a real API server, with the lab's kubelets and real daemons; a package, so that its lab ends with it."""
