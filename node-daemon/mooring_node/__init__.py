"""The node daemon: speaks VRRP, holds the addresses of its NodeConfig, and gives them back."""
