"""kopf is told to watch some kinds and to do nothing else."""

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kopf

from mooring_kube.connection import Connection
from mooring_operator.cluster.handlers import Patience, connection_info, kopf_settings, registry


def test_the_token_is_read_from_its_file_each_time(tmp_path: Path) -> None:
    file = tmp_path / "token"
    connection = Connection("https://10.0.0.1:6443", "PEM", token_file=file, namespace="mooring-system")
    for token in ("one", "two"):
        file.write_text(f"{token}\n")
        info = connection_info(connection)
        assert (info.server, info.token, info.ca_data) == ("https://10.0.0.1:6443", token, "PEM")


def test_a_client_certificate_goes_to_kopf() -> None:
    info = connection_info(Connection("https://x", "CA", client_certificate="CERT", client_key="KEY"))
    assert (info.certificate_data, info.private_key_data, info.token) == ("CERT", "KEY", None)


def test_its_patience_has_no_end_and_begins_anew_each_time() -> None:
    patience = Patience(longest_s=15.0)
    for _ in range(2):
        pauses = list(itertools.islice(patience, 100))
        assert pauses[0] <= 0.5
        assert 7.5 <= pauses[-1] <= 15.0


def test_kopf_writes_nothing_and_looks_for_no_kinds_of_its_own() -> None:
    settings = kopf_settings()
    assert not settings.posting.enabled
    assert settings.peering.standalone
    assert settings.scanning.disabled
    assert "kopf" not in settings.persistence.finalizer


def test_events_are_handed_on_as_they_come() -> None:
    heard: list[tuple[str | None, Mapping[str, Any]]] = []
    made = registry(lambda type_, document: heard.append((type_, document)), Connection("https://x"))
    handlers = made._watching.get_all_handlers()
    assert {handler.selector.plural for handler in handlers if handler.selector} == {
        "virtualips",
        "virtualservers",
        "nodeconfigs",
        "nodes",
        "namespaces",
    }
    body = {"kind": "Node", "metadata": {"name": "a"}}
    result = asyncio.run(handlers[0].fn(event={"type": "ADDED", "object": body}, name="a", body={}))  # type: ignore[arg-type]
    # A result would be written into the object's status.
    assert result is None
    assert heard == [("ADDED", body)]
    assert isinstance(made, kopf.OperatorRegistry)
