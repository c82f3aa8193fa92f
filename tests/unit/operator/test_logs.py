"""The operator's log lines: what they are about, and that libraries' take the same form."""

import io
import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from mooring_operator import logs


class Written:
    """What has come to standard error since the log began; to be begun in the test itself, as pytest has one too."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def begin(self, form: str = "json") -> None:
        sys.stderr = self.stream
        logs.begin(form, "info", "op-1")

    def lines(self) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.stream.getvalue().splitlines()]
        assert all(entry.pop("time").endswith("Z") and entry.pop("component") == "operator" for entry in found)
        return found


@pytest.fixture
def log() -> Iterator[Written]:
    """Afterwards all is as it was."""
    root, kopfs = logging.getLogger(), logging.getLogger("kopf")
    before = root.handlers[:], root.level, kopfs.level, threading.excepthook, sys.stderr
    yield Written()
    root.handlers[:] = before[0]
    root.setLevel(before[1])
    kopfs.setLevel(before[2])
    threading.excepthook, sys.stderr = before[3:]


def test_a_line_names_its_object(log: Written) -> None:
    log.begin()
    own = logging.getLogger("mooring_operator.cluster.writer")
    own.info("create %s", "NodeConfig/n1", extra=logs.object_fields("NodeConfig", "n1"))
    own.debug("not this")
    assert log.lines() == [{"level": "info", "kind": "NodeConfig", "name": "n1", "message": "create NodeConfig/n1"}]


def test_a_line_about_no_object_is_about_the_process(log: Written) -> None:
    log.begin()
    logging.getLogger("mooring_operator.process").warning("careful")
    assert log.lines() == [{"level": "warning", "kind": "Operator", "name": "op-1", "message": "careful"}]


@pytest.mark.parametrize(
    ("reference", "name"), [({"kind": "VirtualServer", "namespace": "shop", "name": "web"}, "shop/web"),
                            ({"kind": "VirtualServer", "name": "web"}, "web")],
)  # fmt: skip
def test_kopfs_lines_are_as_ours(reference: dict[str, str], name: str, log: Written) -> None:
    """kopf.objects.ObjectLogger gives its records this attribute."""
    log.begin()
    logging.getLogger("kopf.objects").info("nor this")
    logging.getLogger("kopf.objects").error("failed", extra={"k8s_ref": reference})
    (entry,) = log.lines()
    assert (entry["kind"], entry["name"]) == ("VirtualServer", name)
    assert (entry["logger"], entry["message"]) == ("kopf.objects", "failed")


def test_a_traceback_is_one_line(log: Written) -> None:
    log.begin()
    try:
        raise RuntimeError("oh")
    except RuntimeError:
        logging.getLogger("mooring_operator.loop").exception("the plan failed")
    (entry,) = log.lines()
    assert entry["message"] == "the plan failed"
    assert entry["error"].endswith("RuntimeError: oh")


def test_kopfs_insides_are_left_out(log: Written) -> None:
    log.begin()
    try:
        raise RuntimeError("oh")
    except RuntimeError:
        logging.getLogger("kopf.reactor").exception("a watch broke")
    (entry,) = log.lines()
    assert "error" not in entry


def test_a_thread_that_fails_says_so_in_one_line(log: Written) -> None:
    log.begin()

    def fail() -> None:
        raise RuntimeError("oh")

    thread = threading.Thread(target=fail, name="reconcile")
    thread.start()
    thread.join()
    (entry,) = log.lines()
    assert (entry["level"], entry["kind"]) == ("error", "Operator")
    assert "reconcile" in entry["message"]
    assert "RuntimeError: oh" in entry["error"]


def test_what_is_printed_takes_the_same_form(log: Written) -> None:
    log.begin()
    print("a library", "speaks", file=sys.stderr)
    try:
        raise RuntimeError("oh")
    except RuntimeError:
        traceback.print_exc()
    found = log.lines()
    assert found[0] == {
        "level": "error",
        "kind": "Operator",
        "name": "op-1",
        "message": "a library speaks",
        "logger": "stderr",
    }
    assert found[-1]["message"] == "RuntimeError: oh"


def test_text_is_for_people(log: Written) -> None:
    log.begin("text")
    logging.getLogger("x").warning("%s", "careful")
    assert log.stream.getvalue().endswith("Z warning careful\n")
    assert sys.stderr is log.stream
