"""resourceVersions of the API server. Pure."""


def is_older(version: str, than: str) -> bool:
    """They grow, where they are numbers; of others nothing is known."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
