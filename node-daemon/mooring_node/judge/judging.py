"""From a NodeConfig as it was written to what can be run of it. Pure."""

from mooring_api.problems import Problem, Severity
from mooring_node.judge.balance import compile_balance
from mooring_node.judge.groups import compile_groups, keys_of
from mooring_node.judge.holder import without_vain_waits
from mooring_node.judge.messages import Judgement, Question
from mooring_node.judge.reading import read_text


def judge(question: Question) -> Judgement:
    """Everything that is wrong with it, and what is not: nothing is raised for what somebody wrote."""
    reading = read_text(question.text, question.where, question.source)
    if reading.config is None:
        return Judgement(reading.problems)
    spec, node, problems = reading.config.spec, reading.config.metadata.name, reading.problems
    if question.checks_only and spec.instances:
        spec = spec.model_copy(update={"instances": ()})
        message = "are not run: this daemon was started with --checks-only"
        problems = (*problems, Problem(f"NodeConfig {node}", "spec.instances", message, Severity.WARNING))
    groups, refused = compile_groups(spec.instances, question.facts, node)
    balance, unbalanced = compile_balance(spec, question.facts, node)
    balance, vain = without_vain_waits(balance, spec.instances, node)
    return Judgement(
        problems=(*problems, *refused, *unbalanced, *vain),
        usable=True,
        node=node,
        groups=groups,
        keys=keys_of(spec.instances),
        balance=balance,
        places=tuple((field, name, number) for (field, name), number in reading.places.items()),
    )
