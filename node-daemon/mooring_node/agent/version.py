"""Which version of the daemon this is."""

from mooring_api.version import VERSION


def daemon_version() -> str:
    return VERSION
