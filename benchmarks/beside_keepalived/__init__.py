"""Mooring and keepalived under the same load, in turns, in one run."""
