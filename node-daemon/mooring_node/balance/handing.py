"""Which table the kernel is to have at a moment. Pure; times are nanoseconds of CLOCK_BOOTTIME.

What packets need beside the table comes before what lets them through: a configuration's table waits for its rules.
Not for ever, since a program of nftables may hang; and what is found of backends meanwhile does not wait: see
`desired.following`.
"""

from mooring_node.balance.desired import following
from mooring_node.balance.wishes import Wishes
from mooring_node.ipvs.table import Table
from mooring_node.units import SECOND_NS

#: A table waits so long for the rules that its packets need.
RULES_PATIENCE_NS = 2 * SECOND_NS


class Handing:
    """The table that the kernel was given last, and what comes next."""

    def __init__(self) -> None:
        self.wishes = Wishes()
        """For rules: who makes them begins and meets these."""
        self._given: Table | None = None
        self._held: Table | None = None
        self._arranged: Table = {}
        """While rules are waited for: what the kernel had when the configuration came, and what that one wants."""
        self._seen: tuple[bool, Table] | None = None
        """Of what `_given` was made."""

    def configured(self, table: Table, now_ns: int) -> None:
        """A configuration wants this table, and rules for it."""
        self.wishes.wish(now_ns)
        self._held, self._arranged = self._given, table

    @property
    def until_ns(self) -> int:
        """When the table goes to the kernel, whatever has become of the rules; 0: they are there."""
        since_ns = self.wishes.since_ns
        return 0 if since_ns is None else since_ns + RULES_PATIENCE_NS

    def begun(self, now_ns: int) -> bool:
        """Whether the kernel may be told anything: it may have more than we know of, so the first word is the whole."""
        return self._held is not None or now_ns >= self.until_ns

    def next(self, table: Table, now_ns: int) -> Table | None:
        """What the kernel is to be given, where backends want `table`; None: what it was given last."""
        waits = now_ns < self.until_ns
        if self._seen is not None and self._seen[0] is waits and self._seen[1] is table:
            return None
        self._seen = (waits, table)
        given = following(self._held or {}, self._arranged, table) if waits else table
        if given is self._given:
            return None
        self._given = given
        return given

    def due_ns(self, tables_due_ns: int, now_ns: int) -> int:
        """When there is something to do for the table, where what stands asks for `tables_due_ns`."""
        until_ns = self.until_ns
        if self._given is None:
            tables_due_ns = max(tables_due_ns, until_ns)
        return min(tables_due_ns, until_ns) if until_ns > now_ns else tables_due_ns
