"""Which release this is. Pure.

The build reads it here, and so do all programs: to look for it among the installed packages costs a daemon 0.6 MiB.
"""

VERSION = "0.1.0"
