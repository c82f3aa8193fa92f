"""VRRP: codec, state machine and announcements (pure), and the loop that runs them."""
