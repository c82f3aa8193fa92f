"""Has the kernel given the table that is wanted, says once that the first one stands, notes what it lacks (shell)."""

from collections.abc import Callable, Mapping

from mooring_node.balance.config import BalanceConfig
from mooring_node.balance.handing import Handing
from mooring_node.balance.parts import Owners, Tables
from mooring_node.balance.wishes import Wishes
from mooring_node.ipvs.table import Table

LONGEST_WHY = 200


class TableKeeper:
    """`stands` is told that all of the first table that can be set is set, again until it says that it was heard.

    `noted`: what a predecessor found `lacking`.
    """

    def __init__(self, tables: Tables, stands: Callable[[], bool], noted: object) -> None:
        self.lacking: Mapping[str, str] = dict(noted) if isinstance(noted, dict) else {}
        """Servers that the kernel does not have, of those that are tracked; until it was tried, the predecessor's."""
        self._tables = tables
        self._stands = stands
        self._handing = Handing()
        self._due_ns = 0
        self._said = False

    @property
    def wishes(self) -> Wishes:
        """For rules: who makes them begins and meets these."""
        return self._handing.wishes

    def configured(self, table: Table, now: int) -> None:
        """A configuration wants this table, and rules for it."""
        self._handing.configured(table, now)

    def turn(self, table: Table, config: BalanceConfig, owners: Owners, now: int) -> bool:
        """Do a piece of what is to be done for the table that backends want: whether others are lacking since."""
        if not self._handing.begun(now):
            return False
        given = self._handing.next(table, now)
        if given is not None:
            self._tables.want(given, config.sync)
        if given is None and now < self._due_ns:
            return False
        self._due_ns = self._tables.turn(now)
        if self._due_ns > now and not self._said:
            # All that can be set is set: from now on addresses may come.
            self._said = self._stands()
        lacking = self._tables.lacking(owners) if config.tracked else {}
        before, self.lacking = self.lacking, {name: why[:LONGEST_WHY] for name, why in lacking.items()}
        return self.lacking != before

    def due_ns(self, now: int) -> int:
        """When `turn` has something to do."""
        return self._handing.due_ns(self._due_ns, now)
