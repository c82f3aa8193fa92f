"""The file of what is ours: written whole, for one boot and one network, and read without trust."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.node.ipvs.tables import DNS, MARK, WEB, WEB6

from mooring_node.ipvs import owned
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.sync import both_roles


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ipvs.json"


def test_what_is_written_is_read_back(path: Path) -> None:
    assert Owned(path).services == frozenset()
    first = Owned(path)
    first.write(services=[WEB, WEB6, MARK])
    first.write(daemons=both_roles("eth0", 3))
    again = Owned(path)
    assert (again.services, again.daemons) == ({WEB, WEB6, MARK}, set(both_roles("eth0", 3)))
    assert (again.services, again.daemons) == (first.services, first.daemons)


def test_what_changes_nothing_is_not_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Owned(path)
    found.write(services=[WEB])
    monkeypatch.setattr(owned, "write_atomically", lambda *_: pytest.fail("written"))
    found.write(services=[WEB])
    found.write(daemons=())
    found.write()


def test_a_write_that_fails_changes_nothing_here_either(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Owned(path)
    found.write(services=[WEB])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(owned, "write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        found.write(services=[DNS])
    assert found.services == {WEB}


@pytest.mark.parametrize("name", ["boot", "network"])
def test_after_a_boot_and_in_another_network_nothing_is_ours(path: Path, name: str) -> None:
    Owned(path).write(services=[WEB], daemons=both_roles("eth0"))
    content = json.loads(path.read_text())
    assert content["network"] == os.readlink("/proc/self/ns/net")
    path.write_text(json.dumps({**content, name: "another"}))
    found = Owned(path)
    assert (found.services, found.daemons) == (frozenset(), frozenset())


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=6),
        st.dictionaries(st.sampled_from(("role", "interface", "sync_id", "x")), inner, max_size=4),
    ),
    max_leaves=10,
)


@given(JSON, JSON)
def test_a_damaged_file_is_read_without_an_error(
    tmp_path_factory: pytest.TempPathFactory, services: object, daemons: object
) -> None:
    path = tmp_path_factory.mktemp("owned") / "ipvs.json"
    Owned(path).write(services=[WEB])
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "services": services, "daemons": daemons}))
    Owned(path)
    path.write_text(json.dumps(services))
    Owned(path)
    path.write_text("{")
    assert Owned(path).services == frozenset()
