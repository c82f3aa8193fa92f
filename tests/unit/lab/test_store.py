"""lab.json, and what is said when it is not as it should be."""

from pathlib import Path

import pytest

from mooring_lab import store
from mooring_lab.layout import Layout
from mooring_lab.processes import Identity
from mooring_lab.rights import LabError
from mooring_lab.store import Record, Started, Store


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(store, "ROOT", tmp_path)
    return tmp_path


def record() -> Record:
    return Record(Layout.named("mine", ["lb-1", "lb-2"], ["client-1"]), ("mooring-node",), ("lb-2",))


@pytest.mark.usefixtures("folder")
def test_what_one_command_writes_the_next_one_reads() -> None:
    mine = Store("mine")
    mine.create(record())
    started = Started(Identity(4711, 99), ("mooring-node", "run"), "log")
    with mine.edit() as edited:
        edited.processes["lb-1"] = {"daemon": started}
    expected = record()
    expected.processes = {"lb-1": {"daemon": started}}
    assert Store("mine").load() == expected
    assert store.names() == ["mine"]
    assert mine.node_folder("lb-2").joinpath("state").is_dir()


@pytest.mark.usefixtures("folder")
def test_a_change_that_fails_is_not_written() -> None:
    mine = Store("mine")
    mine.create(record())

    def fail() -> None:
        with mine.edit() as edited:
            edited.processes["lb-1"] = {}
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert mine.load() == record()


@pytest.mark.usefixtures("folder")
def test_a_second_lab_of_the_name_names_the_remedy() -> None:
    Store("mine").create(record())
    with pytest.raises(LabError, match="mooring lab down --name mine"):
        Store("mine").create(record())


@pytest.mark.usefixtures("folder")
def test_a_lab_that_is_not_there_names_the_remedy() -> None:
    with pytest.raises(LabError, match="mooring lab up --name mine"):
        Store("mine").load()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "mine", "nodes": 3}'])
def test_a_damaged_file_names_the_remedy(folder: Path, text: str) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "lab.json").write_text(text)
    with pytest.raises(LabError, match="mooring lab down --name mine"):
        Store("mine").load()
