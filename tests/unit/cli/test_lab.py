"""How `mooring lab` reads what is typed."""

import argparse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mooring_api.duration import Duration
from mooring_cli import lab
from mooring_lab import store
from mooring_lab.rights import LabError


def read(*words: str) -> argparse.Namespace:
    root = argparse.ArgumentParser()
    lab.register(root.add_subparsers(required=True))
    return root.parse_args(["lab", *words])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("up",), {"name": "default", "nodes": 2, "clients": 1, "keepalived": []}),
        (("up", "--keepalived", "lb-2", "--nodes", "3"), {"nodes": 3, "keepalived": ["lb-2"]}),
        (("exec", "lb-1", "ls", "-l"), {"machine": "lb-1", "command": ["ls", "-l"]}),
        (("fault", "link", "lb-1", "--silent"), {"fault": "link", "node": "lb-1", "silent": True}),
        (("fault", "one-way", "lb-1"), {"direction": "from"}),
        (("fault", "loss", "lb-1", "30"), {"percent": 30, "direction": "both"}),
        (("fault", "kill", "lb-1", "vrrp"), {"process": "vrrp"}),
        (("fault", "stop", "lb-1", "5s"), {"duration": Duration.of(s=5), "process": None}),
        (("fault", "node", "lb-1", "--name", "mine"), {"name": "mine"}),
        (("fault", "--name", "mine", "node", "lb-1"), {"name": "mine"}),
        (("heal", "lb-1", "--name", "mine"), {"name": "mine", "node": "lb-1"}),
    ],
)
def test_what_is_typed_is_understood(words: tuple[str, ...], expected: dict[str, Any]) -> None:
    found = vars(read(*words))
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    "words",
    [
        ("fault", "one-way", "lb-1", "--direction", "both"),
        ("fault", "stop", "lb-1", "soon"),
        ("fault", "loss", "lb-1"),
        ("apply",),
    ],
)
def test_what_makes_no_sense_is_wrong_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read(*words)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("option", [("--name", "demo"), ("--name=demo",)])
def test_whose_option_it_is_is_said(
    option: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What follows belongs to another program; as an option of ours it names no lab that is there."""
    monkeypatch.setattr(lab, "require", lambda: None)
    options = read("exec", "lb-1", *option, "--", "ps")
    assert options.run(options) == 1
    assert "--name belongs before what is run: mooring lab" in capsys.readouterr().err


def test_missing_rights_come_before_everything_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse() -> None:
        raise LabError("needs CAP_NET_ADMIN")

    monkeypatch.setattr(lab, "require", refuse)
    for words in (("up",), ("down",), ("status",), ("heal", "lb-1")):
        options = read(*words)
        assert options.run(options) == 1
        assert "needs CAP_NET_ADMIN" in capsys.readouterr().err


def test_who_means_another_lab_is_told_which_are_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(lab, "require", lambda: None)
    monkeypatch.setattr(lab, "remove", lambda _: None)
    monkeypatch.setattr(store, "ROOT", tmp_path)
    for words, status, said in (("status", 1, "mooring lab up\n"), ("down", 0, "")):
        options = read(words)
        assert options.run(options) == status
        assert capsys.readouterr().err.endswith(said)
    (tmp_path / "demo").mkdir()
    for words, status in (("status", 1), ("down", 0)):
        options = read(words)
        assert options.run(options) == status
        error = capsys.readouterr().err
        assert "demo" in error
        assert "--name" in error


@pytest.mark.parametrize(("servers", "ipvs", "told"), [(1, False, True), (1, True, False), (0, False, False)])
def test_servers_on_a_kernel_that_does_not_balance_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], servers: int, ipvs: bool, told: bool
) -> None:
    class Built:
        machines = ()
        has_api = False

        def __init__(self, *_: Any, servers: int, **__: Any) -> None:
            machine = SimpleNamespace(name="server-1")
            self.servers = [SimpleNamespace(name="server-1", machine=machine)] * servers

        def up(self) -> "Built":
            return self

    monkeypatch.setattr(lab, "require", lambda: None)
    monkeypatch.setattr(lab, "Lab", Built)
    monkeypatch.setattr(lab, "has_ipvs", lambda: ipvs)
    options = read("up", "--servers", str(servers))
    assert options.run(options) == 0
    assert (lab.NO_IPVS in capsys.readouterr().err) is told
