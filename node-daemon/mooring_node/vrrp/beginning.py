"""When the first configuration of a VRRP process runs (pure): an address must not come before what answers on it.

The agent asks for it. Where something is balanced here it waits until the checks process has set its tables, or has
found that it can't: a node that comes back takes its addresses within milliseconds of fast adverts, and clients that
met it without its tables would be reset. Neither process is waited for without end. Times in nanoseconds.
"""

from mooring_node.units import SECOND_NS

#: So long the tables are waited for.
TABLES_PATIENCE_NS = 5 * SECOND_NS


class Beginning:
    """What is waited for before the first configuration; over once one has run."""

    def __init__(self) -> None:
        self._over = False
        self._asked = False
        self._settled = False
        self._until_ns: int | None = None

    @property
    def begun(self) -> bool:
        """Whether a configuration was run, if there was one."""
        return self._over

    def wait(self, until_ns: int) -> None:
        """Until somebody asks, or until then."""
        self._until_ns = until_ns

    def asked(self, now_ns: int, *, balances: bool) -> bool:
        """A configuration is asked for: whether it is to run now."""
        if self._over or self._settled or not balances:
            return True
        if not self._asked:
            self._asked, self._until_ns = True, now_ns + TABLES_PATIENCE_NS
        return False

    def settled(self) -> bool:
        """The tables are as they are to be, or can't be: whether a configuration waited for that."""
        self._settled = True
        return self._asked and not self._over

    def due(self, now_ns: int) -> bool:
        """Whether the wait has lasted long enough."""
        return not self._over and self._until_ns is not None and now_ns >= self._until_ns

    def over(self) -> None:
        """A configuration runs."""
        self._over = True
