"""Questions to the VRRP process: each answer goes to who asked, in the order of the messages."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from mooring_node.agent import questions
from mooring_node.agent.questions import Questions
from mooring_node.balance.answer import Load, parts
from mooring_node.channel import Channel


class Bench:
    def __init__(self) -> None:
        here, self.vrrp = Channel.pair()
        there, self.checks = Channel.pair()
        self._ends = (here, there, self.vrrp, self.checks)
        self.questions = Questions({"vrrp": here, "checks": there}, lambda: {"version": "1"})
        self.answers: list[dict[str, Any]] = []

    def asked(self) -> list[int]:
        return [message["id"] for message in self.vrrp.receive()]

    def close(self) -> None:
        for end in self._ends:
            end.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


def test_an_answer_is_told_before_the_next_message_is_read(bench: Bench) -> None:
    async def test() -> None:
        bench.questions.ask(bench.answers.append, "vrrp")
        (number,) = bench.asked()
        bench.questions.hear({"part": [{"name": "web"}], "id": number})
        assert bench.answers == []
        bench.questions.hear({"end": {"generation": 3}, "id": number})
        (answer,) = bench.answers
        assert (answer["groups"], answer["vrrp"], answer["silent"]) == ([{"name": "web"}], {"generation": 3}, [])
        assert answer["agent"] == {"version": "1"}
        # Twice, and late.
        bench.questions.hear({"end": {"generation": 4}, "id": number})
        assert len(bench.answers) == 1

    asyncio.run(test())


def test_answers_to_a_predecessor_are_nobody_s(bench: Bench) -> None:
    async def test() -> None:
        bench.questions.ask(bench.answers.append, "vrrp")
        for number in range(10):
            bench.questions.hear({"end": {}, "id": number})
        assert bench.answers == []

    asyncio.run(test())


def test_who_is_not_answered_is_told_so_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "PATIENCE_S", 0.0)

    async def test() -> None:
        bench.questions.ask(bench.answers.append, "vrrp")
        bench.questions.expire()
        (answer,) = bench.answers
        assert (answer["vrrp"], answer["groups"], answer["silent"]) == ({}, [], ["vrrp"])

    asyncio.run(test())


def test_rows_of_the_checks_process_come_in_parts(bench: Bench) -> None:
    async def test() -> None:
        bench.questions.ask(bench.answers.append, "vrrp", "checks")
        (number,) = bench.asked()
        assert [message["id"] for message in bench.checks.receive()] == [number]
        loads = [Load("web", "10.0.0.1:80/TCP", f"10.9.0.{last}:80", active=last) for last in range(200)]
        bench.questions.hear({"end": {"generation": 3}, "id": number})
        for message in parts(loads, {"generation": 9}, number):
            assert bench.answers == []
            bench.questions.hear(json.loads(json.dumps(message)))
        (answer,) = bench.answers
        assert answer["loads"] == loads
        assert (answer["checks"], answer["vrrp"], answer["silent"]) == ({"generation": 9}, {"generation": 3}, [])

    asyncio.run(test())


def test_who_is_not_asked_is_not_missed(bench: Bench) -> None:
    async def test() -> None:
        bench.questions.ask(bench.answers.append)
        (answer,) = bench.answers
        assert (answer["silent"], answer["agent"]) == ([], {"version": "1"})

    asyncio.run(test())
