"""The machine against the rules of VRRP: each case is a configuration, timed events, and the trace that follows.

The clock is virtual: between two events the machine is ticked at its own deadlines, to the nanosecond. A
trace has a line for each step that changes the state or has effects, and there is nothing beyond it.
"""

from collections.abc import Iterator
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from mooring_node.vrrp import states
from mooring_node.vrrp.machine import step
from mooring_node.vrrp.states import Event, Heard, Pace, Reconfigured, Router, Settings, Tick
from mooring_node.vrrp.timing import deadline

CASES = Path(__file__).parent
UNITS_NS = {"ms": 1_000_000, "s": 1_000_000_000}
RULES = range(17, 32)

Line = tuple[int, str, str]


def nanoseconds(text: str) -> int:
    unit = "ms" if text.endswith("ms") else "s"
    value = Decimal(text.removesuffix(unit)) * UNITS_NS[unit]
    assert value == int(value), f"{text} is no whole number of nanoseconds"
    return int(value)


def settings_of(raw: dict[str, Any], version: int) -> Settings:
    """Names as in Settings, but for durations, which are written with their unit."""
    accepted = tuple(Pace(each["version"], nanoseconds(each["interval"])) for each in raw.get("accepted", ()))
    raw = {name: value for name, value in raw.items() if name != "accepted"}
    known = {each.name for each in fields(Settings)}
    values = {f"{name}_ns" if f"{name}_ns" in known else name: value for name, value in raw.items()}
    values = {name: nanoseconds(value) if name.endswith("_ns") else value for name, value in values.items()}
    return Settings(version=version, accepted=accepted, **values)


def event_of(name: str, arguments: dict[str, Any], settings: Settings) -> Event:
    if name == "Heard":
        told = arguments.get("interval")
        interval_ns = nanoseconds(told) if told else settings.interval_ns
        pace = Pace(arguments.get("version", settings.version), interval_ns)
        return Heard(arguments["priority"], pace, arguments.get("wins_tie", False))
    if name == "Priority":
        return Reconfigured(replace(settings, **arguments))
    event: Event = getattr(states, name)(**arguments)
    return event


def play(settings: Settings, events: list[list[Any]], until_ns: int) -> list[Line]:
    """The trace of a router from Initialize until `until_ns`, both ends included; what is heard goes before timers."""
    router, trace = Router(settings), list[Line]()

    def feed(event: Event, now: int) -> None:
        nonlocal router
        before = type(router.state)
        router, effects = step(router, event, now)
        if type(router.state) is not before or effects:
            trace.append((now, type(router.state).__name__, " ".join(effect.name for effect in effects)))

    def tick_until(end: int) -> None:
        """Up to `end`, exclusive."""
        while (due := deadline(router)) is not None and due < end:
            feed(Tick(), due)

    for at, name, *arguments in events:
        now = nanoseconds(at)
        tick_until(now)
        feed(event_of(name, arguments[0] if arguments else {}, settings), now)
    tick_until(until_ns + 1)
    return trace


def cases() -> Iterator[Any]:
    for path in sorted(CASES.glob("*.yaml")):
        for raw in yaml.safe_load(path.read_text()):
            for version in raw.get("versions") or [raw["settings"].pop("version")]:
                yield pytest.param(raw, version, id=f"rule {raw['rule']}, version {version}: {raw['case']}")


@pytest.mark.parametrize(("case", "version"), list(cases()))
def test_rule(case: dict[str, Any], version: int) -> None:
    expected = [(nanoseconds(at), state, effects[0] if effects else "") for at, state, *effects in case["trace"]]
    until_ns = nanoseconds(case["until"]) if "until" in case else expected[-1][0]
    assert play(settings_of(case["settings"], version), case["events"], until_ns) == expected


def test_every_rule_has_cases_for_both_versions() -> None:
    seen: dict[int, set[int]] = {rule: set() for rule in RULES}
    for each in cases():
        case, version = each.values
        seen[case["rule"]].add(version)
    assert seen == {rule: {2, 3} for rule in RULES}
