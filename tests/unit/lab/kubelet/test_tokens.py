"""Tokens: bound to the pod, replaced in time, kept while nobody answers."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.lab.kubelet.pods import Document, pod

from mooring_kube.errors import Forbidden, Unreachable
from mooring_lab.kubelet import tokens
from mooring_lab.kubelet.payload import TokenWish
from mooring_lab.kubelet.tokens import Token, Tokens

WISH = TokenWish("", 3600)


class FakeClient:
    """Gives token-1, token-2, ..., or raises what it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Document]] = []
        self.error: Exception | None = None

    def request(self, method: str, path: str, *, body: Document) -> Document:
        self.asked.append((method, path, body))
        if self.error:
            raise self.error
        return {"status": {"token": f"token-{len(self.asked)}", "expirationTimestamp": "2023-11-14T23:13:20Z"}}


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the clock, to seconds after the first token was issued."""

    def set_clock(seconds: float) -> None:
        monkeypatch.setattr(tokens.time, "time", lambda: 1_700_000_000.0 + seconds)

    monkeypatch.setattr(tokens.random, "uniform", lambda low, _high: low)
    set_clock(0)
    return set_clock


def test_a_token_is_stale_after_four_fifths_of_its_life_or_a_day() -> None:
    token = Token("x", 0.0, 1000.0)
    assert not token.stale(800.0)
    assert token.stale(801.0)
    assert token.stale(795.0, jitter_s=10.0)
    year = Token("x", 0.0, 365 * 86400.0)
    assert not year.stale(86400.0)
    assert year.stale(86401.0)


def test_it_is_asked_for_the_pod(client: Any, at: Callable[[float], None]) -> None:
    assert Tokens(client).get(pod(serviceAccountName="web"), TokenWish("vault", 600)) == "token-1"
    ((method, path, body),) = client.asked
    assert (method, path) == ("POST", "/api/v1/namespaces/shop/serviceaccounts/web/token")
    assert body["spec"] == {
        "audiences": ["vault"],
        "expirationSeconds": 600,
        "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "web", "uid": "u-1"},
    }
    assert at


def test_it_is_replaced_in_time(client: Any, at: Callable[[float], None]) -> None:
    held = Tokens(client)
    assert held.get(pod(), WISH) == "token-1"
    at(2880)
    assert held.get(pod(), WISH) == "token-1"
    at(2881)
    assert held.get(pod(), WISH) == "token-2"


def test_an_old_one_is_better_than_none_until_it_expires(client: Any, at: Callable[[float], None]) -> None:
    held = Tokens(client)
    held.get(pod(), WISH)
    client.error = Unreachable("no")
    at(3599)
    assert held.get(pod(), WISH) == "token-1"
    at(3600)
    with pytest.raises(Unreachable):
        held.get(pod(), WISH)


def test_none_at_all_is_an_error(client: Any, at: Callable[[float], None]) -> None:
    client.error = Forbidden(403, "Forbidden", "no")
    with pytest.raises(Forbidden):
        Tokens(client).get(pod(), WISH)
    assert at
