"""The embedded server says what was recorded of the real one: the same requests, the same replies."""

import json
from collections.abc import Iterator

import pytest
from tests.cluster import conversations

from mooring_lab.api.embedded_api import EmbeddedApi


@pytest.fixture(scope="module")
def send(tmp_path_factory: pytest.TempPathFactory) -> Iterator[conversations.Send]:
    api = EmbeddedApi(tmp_path_factory.mktemp("api"))
    api.start()
    try:
        found = conversations.over_tls(api.url, api.ca, api.folder / "pki/admin.pem")
        conversations.install(found)
        yield found
    finally:
        api.stop()


@pytest.mark.parametrize("name", conversations.names())
def test_it_says_what_the_real_server_said(send: conversations.Send, name: str) -> None:
    expected = json.loads(conversations.recorded(name).read_text())
    replies = conversations.hold(name, send)
    assert len(replies) == len(expected)
    for reply, wanted in zip(replies, expected, strict=True):
        assert reply == wanted
