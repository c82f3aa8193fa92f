"""Which version of the daemon this is."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version


@cache
def daemon_version() -> str:
    try:
        return version("mooring")
    except PackageNotFoundError:
        return "unknown"
