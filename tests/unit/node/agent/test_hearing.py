"""Whether the API server is heard: said once for each change of what somebody must do."""

import pytest

from mooring_kube.errors import (
    Forbidden,
    KubeError,
    NotFound,
    ServerError,
    StaleConnection,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from mooring_node.agent.hearing import LONGEST_TEXT, Hearing, explain
from mooring_node.units import SECOND_NS

FORBIDDEN = Forbidden(403, "Forbidden", 'cannot list resource "secrets" in API group "" in the namespace "m"')


def test_it_tells_since_when_and_for_how_long_it_was_away() -> None:
    hearing = Hearing(0)
    assert hearing.up(SECOND_NS)
    assert hearing.gap_ns == 0
    assert not hearing.up(2 * SECOND_NS)
    assert hearing.down(5 * SECOND_NS, Unreachable("refused"))
    assert hearing.about(9 * SECOND_NS) == {"connected": False, "forSeconds": 4, "error": "not reachable: refused"}
    assert hearing.up(12 * SECOND_NS)
    assert hearing.gap_ns == 7 * SECOND_NS
    assert hearing.about(20 * SECOND_NS) == {"connected": True, "forSeconds": 8, "error": ""}


def test_attempts_are_no_news_and_what_somebody_must_mend_is() -> None:
    hearing = Hearing(0)
    attempts: list[tuple[KubeError, bool]] = [
        (Unreachable("refused"), True),
        (StaleConnection("closed"), False),
        (Unreachable("timed out"), False),
        (ServerError(503, "ServiceUnavailable", "starting"), False),
        (TooManyRequests(429, "TooManyRequests", "later"), False),
        (FORBIDDEN, True),
        (FORBIDDEN, False),
        (Unauthorized(401, "Unauthorized", "Unauthorized"), True),
        (NotFound(404, "NotFound", "no such resource"), True),
        (Unreachable("refused"), True),
    ]
    assert [hearing.down(number, error) for number, (error, _) in enumerate(attempts)] == [news for _, news in attempts]


def test_where_secrets_go_by_a_broken_message_is_not_shown() -> None:
    hearing = Hearing(0, discreet=True)
    hearing.down(1, Unreachable("the watch sent what is no event: b'C4n4ry!'"))
    assert (hearing.error, hearing.refused) == ("not reachable", False)
    hearing.down(2, FORBIDDEN)
    assert "grant this right" in hearing.error
    assert hearing.refused
    hearing.up(3)
    assert not hearing.refused


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FORBIDDEN, 'cannot list resource "secrets" in API group "" in the namespace "m"; grant this right'),
        (Unauthorized(401, "Unauthorized", "Unauthorized"), "the token is not known or has expired"),
        (Unreachable("10.0.0.1:6443: timed out"), "not reachable: 10.0.0.1:6443: timed out"),
        (ServerError(500, "", "etcdserver: no leader"), "500: etcdserver: no leader"),
    ],
)
def test_an_error_says_what_is_wrong_and_what_to_do(error: KubeError, words: str) -> None:
    assert words in explain(error)


def test_an_error_of_any_length_is_one_line() -> None:
    assert len(explain(ServerError(500, "x", "long " * 10_000))) <= LONGEST_TEXT
