"""A measurement as people see it: one row for each address, time from left to right. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from mooring_lab.probe import UNANSWERED, Recording

#: In a cell: somebody's requests were lost; nothing was sent.
LOST, UNSEEN = ".", " "


@dataclass(frozen=True, slots=True)
class Row:
    """One address: a character for each span of time; the position in `names`, counted from 1, says who answered."""

    address: str
    cells: str


def rows(recording: Recording, macs: Sequence[str], width: int) -> tuple[Row, ...]:
    """The whole recording in `width` cells; a cell in which any request was lost is LOST.

    `macs` are the nodes that get a digit; whoever else answered is "?".
    """
    if not recording.sent:
        return tuple(Row(address, UNSEEN * width) for address in recording.addresses)
    digits = [str(macs.index(mac) + 1) if mac in macs else "?" for mac in recording.holders]
    first = recording.sent[0]
    span = recording.sent[-1] - first + 1
    made = []
    for address, answers in zip(recording.addresses, recording.answers, strict=True):
        cells = [UNSEEN] * width
        for time, answer in zip(recording.sent, answers, strict=True):
            at = (time - first) * width // span
            if answer == UNANSWERED:
                cells[at] = LOST
            elif cells[at] != LOST:
                cells[at] = digits[answer]
        made.append(Row(address, "".join(cells)))
    return tuple(made)
