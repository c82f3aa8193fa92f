"""When the first configuration runs: with the agent, with the tables, and without either."""

import pytest

from mooring_node.vrrp.beginning import TABLES_PATIENCE_NS, Beginning

NOW = 1_000


@pytest.fixture
def beginning() -> Beginning:
    beginning = Beginning()
    beginning.wait(NOW + 3)
    return beginning


def test_nothing_is_balanced(beginning: Beginning) -> None:
    assert beginning.asked(NOW, balances=False)


def test_tables_that_are_set_first(beginning: Beginning) -> None:
    assert not beginning.settled()
    assert beginning.asked(NOW, balances=True)


def test_tables_that_are_set_later(beginning: Beginning) -> None:
    assert not beginning.asked(NOW, balances=True)
    assert not beginning.due(NOW + 3)  # The agent has come: only the tables are waited for.
    assert beginning.settled()


def test_tables_that_are_never_set(beginning: Beginning) -> None:
    assert not beginning.asked(NOW, balances=True)
    assert not beginning.asked(NOW + TABLES_PATIENCE_NS - 1, balances=True)  # Asking again does not begin anew.
    assert not beginning.due(NOW + TABLES_PATIENCE_NS - 1)
    assert beginning.due(NOW + TABLES_PATIENCE_NS)


def test_an_agent_that_never_comes(beginning: Beginning) -> None:
    assert not beginning.due(NOW + 2)
    assert beginning.due(NOW + 3)


def test_what_runs_is_changed_at_once(beginning: Beginning) -> None:
    beginning.over()
    assert beginning.asked(NOW, balances=True)
    assert not beginning.settled()
    assert not beginning.due(NOW + 100)
