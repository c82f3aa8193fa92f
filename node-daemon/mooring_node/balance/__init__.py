"""The checks process: from the configuration and what the checks say to the tables of the kernel."""
