"""Names, lists and foreign words in messages: stable, and short enough for a table or an event."""

from collections.abc import Iterable

from mooring_api.virtualip import GroupStatus

#: So many names are written out.
NAMED = 5
#: So much is taken of a sentence that somebody else wrote.
FOREIGN_LENGTH = 300
#: A whole message; the API server would take 32 KiB.
MESSAGE_LENGTH = 1500


def listed(parts: Iterable[str], separator: str = ", ", most: int = NAMED) -> str:
    """The parts in their order, and how many more there are beyond `most`."""
    found = list(dict.fromkeys(parts))
    more = [f"and {len(found) - most} more"] if len(found) > most else []
    return separator.join(found[:most] + more)


def clipped(text: str, most: int = MESSAGE_LENGTH) -> str:
    """The text on one line, cut with an ellipsis where it is longer than `most`."""
    line = " ".join(text.split())
    return line if len(line) <= most else line[: most - 3].rstrip() + "..."


def called(group: GroupStatus) -> str:
    """A group in a sentence; the families of one sync group go together, so they have one name."""
    return group.name.removesuffix(f"-{group.family.lower()}")
