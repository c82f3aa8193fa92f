"""The daemon's way to the Linux kernel: pre-built netlink messages, prepared packet bursts, process settings.

`netlink`, `addresses`, `links` are pure (bytes in, values out); `rtnetlink`, `burst`, `process` call the
kernel.
"""
