"""Judges in the test's own process: one that answers at once, and one that a test lets answer.

What is asked and answered goes through the same lines as between two processes.
"""

from pathlib import Path
from typing import Any

from mooring_api.problems import InvalidObject
from mooring_node.agent.configuration import written
from mooring_node.agent.judging import Done, failed
from mooring_node.judge.facts import NO_FACTS, NodeFacts
from mooring_node.judge.judging import judge
from mooring_node.judge.messages import Judgement, Question, from_answer, from_line, to_answer, to_line
from mooring_node.judge.source import text_of


def answered(question: Question) -> Judgement:
    return from_answer(to_answer(judge(from_line(to_line(question)))))


def judged(document: Any, facts: NodeFacts = NO_FACTS, node: str = "lb-1") -> Judgement:
    """Of an object of the API."""
    return answered(Question(written(document), "api", f"NodeConfig {node}", facts))


def judged_file(path: Path, facts: NodeFacts = NO_FACTS) -> Judgement:
    try:
        return answered(Question(text_of(path), "file", str(path), facts))
    except InvalidObject as error:
        return Judgement(error.problems)


class JudgeHere:
    """Answers at once."""

    busy = False

    def ask(self, question: Question, done: Done) -> None:
        done(answered(question))

    async def stop(self) -> None:
        pass


class JudgeHeld:
    """Answers when the test says so, the oldest question first; it forgets none."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Question, Done]] = []

    @property
    def busy(self) -> bool:
        return bool(self.waiting)

    def ask(self, question: Question, done: Done) -> None:
        self.waiting.append((question, done))

    def answer(self) -> None:
        question, done = self.waiting.pop(0)
        done(answered(question))

    def fail(self) -> None:
        question, done = self.waiting.pop(0)
        done(failed(question.where, "it was killed"))

    async def stop(self) -> None:
        pass
