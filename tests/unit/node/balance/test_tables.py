"""What the kernel is given, what is said of it, and what it lacks."""

from collections.abc import Callable

import pytest

from mooring_node.balance.config import BalanceConfig, ServerConfig, SyncConfig
from mooring_node.balance.parts import Owners, Remark
from mooring_node.balance.tables import LONGEST_WHY, TableKeeper
from mooring_node.ipvs.table import Balanced, Service, ServiceKey, Table

CONFIG = BalanceConfig(1, tracked=("web",))
WEB = ServiceKey(4, 6, "192.0.2.1", 80)
TABLE: Table = {WEB: Balanced(Service("rr"), {})}


class Kernel:
    """It takes as many turns for a table as it is told to."""

    def __init__(self) -> None:
        self.given: list[Table] = []
        self.turns_left = 0
        self.lacks: dict[str, str] = {}

    def want(self, table: Table, _sync: SyncConfig | None) -> None:
        self.given.append(table)

    def turn(self, now_ns: int) -> int:
        self.turns_left -= 1
        return now_ns if self.turns_left > 0 else now_ns + 100

    def remarks(self, _owners: Owners) -> tuple[Remark, ...]:
        return ()

    def lacking(self, _owners: Owners) -> dict[str, str]:
        return self.lacks

    def release(self) -> tuple[str, ...]:
        return ()


def keeper(kernel: Kernel, stands: Callable[[], bool] = lambda: True, noted: object = None) -> TableKeeper:
    """One whose rules are there."""
    made = TableKeeper(kernel, stands, noted)
    made.configured(TABLE, 0)
    made.wishes.begin()
    made.wishes.met()
    return made


@pytest.mark.parametrize("deaf", [0, 2])
def test_that_the_first_table_stands_is_said_when_it_does_until_it_is_heard_and_never_again(deaf: int) -> None:
    kernel, said = Kernel(), [0]
    kernel.turns_left = 3

    def stands() -> bool:
        said[0] += 1
        return said[0] > deaf

    made = keeper(kernel, stands)
    for now in (1, 2):
        made.turn(TABLE, CONFIG, {}, now)
    assert said == [0]
    for now in range(3, 1000, 100):
        made.turn(TABLE, CONFIG, {}, now)
    assert said == [deaf + 1]
    assert kernel.given == [TABLE]


def test_before_its_rules_are_there_the_kernel_hears_nothing() -> None:
    kernel = Kernel()
    made = TableKeeper(kernel, lambda: pytest.fail("nothing stands"), None)
    made.configured(TABLE, 0)
    assert not made.turn(TABLE, CONFIG, {}, 1)
    assert kernel.given == []
    assert made.due_ns(1) > 1


def test_what_is_lacking_is_the_predecessors_word_until_it_was_tried_and_of_those_that_are_tracked() -> None:
    kernel = Kernel()
    made = keeper(kernel, noted={"web": "ip_vs is missing"})
    assert made.lacking == {"web": "ip_vs is missing"}
    kernel.lacks = {"web": "x" * 1000}
    assert made.turn(TABLE, CONFIG, {}, 1)
    assert made.lacking == {"web": "x" * LONGEST_WHY}
    assert not made.turn(TABLE, CONFIG, {}, 1000)
    assert made.turn(TABLE, BalanceConfig(2, (ServerConfig("web"),)), {}, 2000)
    assert made.lacking == {}


def test_a_note_that_is_none_lacks_nothing() -> None:
    assert TableKeeper(Kernel(), lambda: True, ["web"]).lacking == {}
