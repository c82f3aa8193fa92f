"""What the agent asks its judge and what it is told: plain values, each a line of JSON. Pure."""

import json
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Literal

from mooring_api.problems import Problem
from mooring_node.balance.config import BalanceConfig
from mooring_node.judge.facts import NO_FACTS, NodeFacts
from mooring_node.records import from_plain, to_plain
from mooring_node.vrrp.config import GroupConfig

NOTHING_BALANCED = BalanceConfig(generation=0)


@dataclass(frozen=True, slots=True)
class Question:
    """A NodeConfig as it was written, and by what it is to be judged."""

    text: str = field(repr=False)
    """YAML of a file, which may hold passwords; JSON of an object of the API."""
    source: Literal["file", "api"]
    where: str
    """What it is called where it does not say itself: the file's path, or `NodeConfig NAME`."""
    facts: NodeFacts = NO_FACTS
    checks_only: bool = False
    """Its instances are not run here."""


@dataclass(frozen=True, slots=True)
class KeyPlace:
    """Where a password is lacking in the groups of a Judgement, and which state of which Secret has it."""

    instance: str
    secret: str
    version: str | None = None
    """None: the state that is in use."""
    form: int | None = None
    """Which of the forms that the instance also accepts; None: its own."""

    @property
    def path(self) -> str:
        """The field that names the key, without the number of its instance."""
        prefix = "" if self.form is None else f"alsoAccept[{self.form}]."
        return f"spec.instances[].{prefix}authentication.{'secretRef' if self.version is None else 'keyVersion'}"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What of a NodeConfig can be run, and everything that is wrong with it."""

    problems: tuple[Problem, ...] = ()
    usable: bool = False
    """Whether anything of it can be: if not, what runs goes on."""
    node: str = ""
    """The NodeConfig's name."""
    groups: tuple[GroupConfig, ...] = ()
    """Without the passwords that stand in Secrets."""
    keys: tuple[KeyPlace, ...] = ()
    """Where those belong, also of instances that stand in no group because of something else."""
    balance: BalanceConfig = NOTHING_BALANCED
    """As generation 0, tracking nothing."""
    places: tuple[tuple[str, str, int], ...] = ()
    """Of each entry its list, its name, and its number in the list as it was written."""
    failed: bool = False
    """There was no judgement: the judge did not come to one. Nothing is known of the NodeConfig."""


def to_line(question: Question) -> bytes:
    """One line; the newline ends it."""
    facts = question.facts
    plain = {
        "text": question.text,
        "source": question.source,
        "where": question.where,
        "subnets": [(interface, str(subnet)) for interface, subnet in facts.subnets],
        "defaultInterfaces": facts.default_interfaces,
        "checksOnly": question.checks_only,
    }
    return json.dumps(plain).encode() + b"\n"


def from_line(line: bytes) -> Question:
    """What `to_line` wrote; ValueError when it is anything else."""
    try:
        plain = json.loads(line)
        subnets = tuple((str(interface), ip_network(subnet)) for interface, subnet in plain["subnets"])
        defaults = tuple((int(family), str(interface)) for family, interface in plain["defaultInterfaces"])
        facts = NodeFacts(subnets, defaults)
        return Question(plain["text"], plain["source"], plain["where"], facts, plain["checksOnly"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a question: {error!r}") from error


def to_answer(judgement: Judgement) -> bytes:
    """One line; the newline ends it."""
    return json.dumps(to_plain(judgement)).encode() + b"\n"


def from_answer(line: bytes) -> Judgement:
    """What `to_answer` wrote; ValueError when it is anything else."""
    return from_plain(Judgement, json.loads(line))
