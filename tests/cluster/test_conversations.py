"""The real server still says what was recorded of it, so the embedded one is held to the truth."""

import json

import pytest
from tests.cluster import conversations
from tests.cluster.conversations import kinds

from mooring_lab.api.commands import certificates
from mooring_lab.api.real import RealApi

REMEDY = "record anew with: python -m tests.cluster.conversations"


@pytest.fixture(scope="session")
def send(real_api: RealApi) -> conversations.Send:
    return conversations.over_tls(real_api.url, real_api.ca, certificates(real_api.folder).admin)


@pytest.mark.parametrize("name", conversations.names())
def test_the_real_server_says_what_was_recorded(send: conversations.Send, name: str) -> None:
    expected = json.loads(conversations.recorded(name).read_text())
    replies = conversations.hold(name, send)
    assert len(replies) == len(expected), REMEDY
    for reply, wanted in zip(replies, expected, strict=True):
        assert reply == wanted, REMEDY


def test_the_embedded_server_knows_the_real_ones_kinds(send: conversations.Send) -> None:
    known = kinds.without_numbers(json.loads(kinds.FILE.read_text()))
    assert known == kinds.extract(send), f"{REMEDY} kinds"
