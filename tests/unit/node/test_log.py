"""The daemon's log lines, and what becomes of lines that are none of the log's."""

import json
import re
import sys
import traceback

import pytest

from mooring_node.log import Log, Stray, Subject, catch_strays, of_configuration, of_group, of_server


@pytest.mark.parametrize(
    ("about", "fields"),
    [
        (None, {"kind": "Node", "name": "lb-1"}),
        (of_group("web-0", "web"), {"kind": "VirtualIP", "name": "web", "group": "web-0"}),
        (of_group("web-0"), {"kind": "Group", "name": "web-0", "group": "web-0"}),
        (
            of_server("shop/web:https-v4", "IPv4", "10.9.0.1:8443"),
            {
                "kind": "VirtualServer",
                "name": "shop/web",
                "server": "shop/web:https-v4",
                "family": "IPv4",
                "backend": "10.9.0.1:8443",
            },
        ),
        (of_configuration("lb-1"), {"kind": "NodeConfig", "name": "lb-1"}),
        (of_configuration("lb-1", "web-0"), {"kind": "NodeConfig", "name": "lb-1", "instance": "web-0"}),
    ],
)
def test_a_line_of_json_says_what_it_is_about(
    about: Subject | None, fields: dict[str, str], capfd: pytest.CaptureFixture[str]
) -> None:
    Log(as_json=True, node="lb-1").write("warning", 'so "it" is\nin two lines', about)
    (line,) = capfd.readouterr().err.splitlines()
    found = json.loads(line)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("time"))
    common = {"level": "warning", "component": "node", "node": "lb-1", "message": 'so "it" is\nin two lines'}
    assert found == common | fields


def test_a_line_of_text_is_for_people(capfd: pytest.CaptureFixture[str]) -> None:
    log = Log(as_json=False, node="lb-1")
    log.write("info", "Backup -> Active", of_group("web-0", "web"))
    log.write("info", "BackendDown 10.9.0.1:8443", of_server("shop/web:https", "IPv4"))
    log.write("info", "stopping", of_configuration("lb-1"))
    lines = [line.split(" ", 1)[1] for line in capfd.readouterr().err.splitlines()]
    assert lines == [
        "info web-0: Backup -> Active",
        "info shop/web:https IPv4: BackendDown 10.9.0.1:8443",
        "info stopping",
    ]


def test_without_a_name_the_host_has_one(capfd: pytest.CaptureFixture[str]) -> None:
    Log(as_json=True).write("info", "here")
    assert json.loads(capfd.readouterr().err)["name"]


def test_what_others_print_takes_the_same_form(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    log = Log(as_json=True, node="lb-1")
    catch_strays(log)
    catch_strays(log)
    assert isinstance(sys.stderr, Stray)
    assert not isinstance(sys.stderr.real, Stray), "once is enough"
    try:
        raise RuntimeError("oh")
    except RuntimeError:
        traceback.print_exc()
    print("a library", "speaks", file=sys.stderr)
    log.write("info", "and on")
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    messages = [line["message"] for line in lines]
    assert "RuntimeError: oh" in messages
    assert "a library speaks" in messages
    assert lines[0]["level"] == "error"
    assert lines[-1]["message"] == "and on"
    assert all((line["kind"], line["name"]) == ("Node", "lb-1") for line in lines)


def test_text_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    catch_strays(Log(as_json=False))
    assert not isinstance(sys.stderr, Stray)
