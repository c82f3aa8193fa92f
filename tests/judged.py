"""A judge in the test's own process; what is asked and answered goes through the same lines as between two."""

from pathlib import Path
from typing import Any

from mooring_api.problems import InvalidObject
from mooring_node.agent.configuration import written
from mooring_node.agent.judging import Done
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
