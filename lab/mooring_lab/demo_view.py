"""How the demo shows what it saw: colours and lines on a terminal, plain text elsewhere."""

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from mooring_lab.probe import Recording, analyse
from mooring_lab.status import LabStatus, console, in_order, ranges, table
from mooring_lab.timeline import LOST, rows

_COLOURS = ("cyan", "green", "magenta", "yellow")
#: With the columns before it, what a terminal of 80 has room for.
_WIDTH = 44


class View:
    """Prints; knows the nodes by their MAC addresses, in order."""

    def __init__(self, nodes: Sequence[tuple[str, str]]) -> None:
        self._out: Console = console()
        self._names = [name for name, _ in nodes]
        self._macs = [mac for _, mac in nodes]

    def say(self, text: str, *, plain: bool = False) -> None:
        """`plain`: square brackets are themselves, as in a command line."""
        self._out.print(text, markup=not plain)

    def typed(self, command: str) -> None:
        """A command, as its reader would type it."""
        self._out.print(Text(f"  $ {command}", style="bold"))

    def printed(self, text: str) -> None:
        """What a command printed."""
        for line in text.splitlines():
            self._out.print(Text(f"  {line}"))

    def step(self, text: str) -> None:
        self._out.print()
        self._out.print(f"[bold]{text}[/]")

    def held(self, status: LabStatus) -> None:
        self._out.print(table(status))
        for sentence in status.disagreements:
            self._out.print(f"[red]disagreement:[/] {sentence}")

    def measured(self, recording: Recording) -> None:
        """Each address with what the client lost, and the time line."""
        result = analyse(recording)
        made = Table(box=box.SIMPLE_HEAD)
        made.add_column("ADDRESS", no_wrap=True)
        made.add_column("LOST", justify="right", no_wrap=True)
        made.add_column("GONE FOR", justify="right", no_wrap=True)
        made.add_column("ANSWERED BY, FROM LEFT TO RIGHT", no_wrap=True)
        for row in rows(recording, self._macs, _WIDTH):
            seen = result[row.address]
            gone = f"{seen.longest_gap:.0f} ms" if seen.lost else "-"
            made.add_row(row.address, str(seen.lost), gone, self._cells(row.cells))
        self._out.print(made)
        legend = ", ".join(f"{number} {name}" for number, name in enumerate(self._names, 1))
        seconds = (recording.sent[-1] - recording.sent[0]) / 1e9 if recording.sent else 0.0
        self._out.print(
            f"  {legend}, {LOST} nobody; {seconds:.1f} s, {result.requests} packets to each address;"
            f" {result.skipped} more could not be sent in time (longest pause {result.longest_pause:.0f} ms)",
            style="dim",
        )

    def claim(self, text: str, seen: bool) -> None:
        mark = "[green]seen    [/]" if seen else "[bold red]NOT SEEN[/]"
        self._out.print(f"  {mark} {escape(text)}")

    def _cells(self, cells: str) -> Text:
        text = Text()
        for cell in cells:
            if cell.isdigit():
                text.append(cell, style=_COLOURS[(int(cell) - 1) % len(_COLOURS)])
            else:
                text.append(cell, style="bold red" if cell == LOST else "")
        return text


def shown(addresses: Sequence[str] | frozenset[str]) -> str:
    """`6: 10.0.0.100-105`."""
    return f"{len(addresses)}: {ranges(in_order(addresses))}" if addresses else "none"
