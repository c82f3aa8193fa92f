"""What two processes say, and whether a rolling update may go on."""

from typing import Any

import pytest

from mooring_node.supervisor.readiness import Readiness

VRRP = {"ready": "vrrp", "id": 7, "runs": 3, "waits": ""}
AGENT = {"ready": "agent", "id": 7, "nothing": False, "waits": ""}


def told(*messages: dict[str, Any], asked: tuple[str, ...] = ("vrrp", "agent")) -> tuple[str, bool]:
    words: list[str] = []
    question = Readiness(7, 100, words.append, asked)
    for each in messages:
        question.take(each)
    complete = question.complete
    question.finish({})
    return words[0], complete


@pytest.mark.parametrize(
    ("messages", "words"),
    [
        ((VRRP, AGENT), ""),
        # An agent that is being replaced holds nobody up.
        ((VRRP,), ""),
        ((VRRP | {"waits": "web is not started"}, AGENT), "web is not started"),
        ((VRRP, AGENT | {"waits": "the checks"}), "the checks"),
        ((AGENT,), "the VRRP process does not answer"),
        ((VRRP | {"runs": 0}, AGENT | {"waits": "no configuration"}), "no configuration"),
        ((VRRP | {"runs": 0}, AGENT), "no configuration runs yet"),
        ((VRRP | {"runs": 0},), "no configuration runs, and the agent does not answer"),
        # The server has said that there is nothing for this node.
        ((VRRP | {"runs": 0}, AGENT | {"nothing": True}), ""),
        # An answer to an earlier question.
        ((VRRP | {"id": 6}, AGENT), "the VRRP process does not answer"),
    ],
)
def test_what_is_waited_for(messages: tuple[dict[str, Any], ...], words: str) -> None:
    assert told(*messages)[0] == words


def test_both_are_waited_for() -> None:
    assert told(VRRP, AGENT)[1]
    assert not told(VRRP)[1]


def test_without_vrrp_the_agent_alone_is_asked() -> None:
    assert told(AGENT, asked=("agent",)) == ("", True)
    assert told(AGENT | {"waits": "the checks"}, asked=("agent",)) == ("the checks", True)
    assert told(asked=("agent",)) == ("the agent does not answer", False)
