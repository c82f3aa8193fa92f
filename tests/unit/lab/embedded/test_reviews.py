"""Tokens: their time, whose key they are signed with, and what they are bound to."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mooring_lab.api.embedded import reviews
from mooring_lab.api.embedded.errors import StatusError

from .conftest import Harbour

KEY = b"k" * 32
START = datetime(2026, 1, 1, tzinfo=UTC)


def _token(harbour: Harbour, seconds: int = 600, **bound: str) -> str:
    reference = {"boundObjectRef": bound} if bound else {}
    asked = {"spec": {"expirationSeconds": seconds, **reference}}
    reply = reviews.token_request(harbour.registry, KEY, "default", "a", asked, START)
    assert reply["status"]["expirationTimestamp"] == "2026-01-01T00:10:00Z" or seconds != 600
    token: str = reply["status"]["token"]
    return token


def _user(harbour: Harbour, token: str, after_s: float = 0.0, key: bytes = KEY) -> Any:
    return reviews.user(harbour.registry, key, token, None, START + timedelta(seconds=after_s))


@pytest.fixture
def harbour(harbour: Harbour) -> Harbour:
    harbour.create("serviceaccounts", {"metadata": {"name": "a"}})
    return harbour


def test_a_token_ends_with_its_time(harbour: Harbour) -> None:
    token = _token(harbour)
    assert _user(harbour, token, 599.9)["username"] == "system:serviceaccount:default:a"
    assert _user(harbour, token, 600.0) is None


def test_nobody_signs_for_us(harbour: Harbour) -> None:
    token = _token(harbour)
    head, body, signature = token.split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    assert _user(harbour, token, key=b"x" * 32) is None
    for forged in (
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        f"{head}.{body}.{signature[:-1]}",
        "..",
        "\u00e4.b.c",
    ):
        assert _user(harbour, forged) is None


def test_a_token_ends_with_its_secret(harbour: Harbour) -> None:
    harbour.create("secrets", {"metadata": {"name": "s"}})
    token = _token(harbour, kind="Secret", name="s")
    assert _user(harbour, token) is not None
    harbour.delete("secrets", "s")
    assert _user(harbour, token) is None


def test_a_certificate_names_its_user_and_group() -> None:
    peer = {"subject": ((("organizationName", "system:masters"),), (("commonName", "admin"),))}
    found = reviews.user(None, KEY, "", peer, START)  # type: ignore[arg-type]
    assert found == {"username": "admin", "groups": ["system:masters", "system:authenticated"]}
    assert reviews.user(None, KEY, "", None, START) is None  # type: ignore[arg-type]


def test_a_token_of_less_than_ten_minutes_is_refused(harbour: Harbour) -> None:
    with pytest.raises(StatusError) as refused:
        _token(harbour, seconds=599)
    assert refused.value.code == 422
