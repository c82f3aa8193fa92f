"""The cases know each alert's bounds: change a little of it, and one of the alert's own cases goes wrong."""

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.alerts.expand import FILES, Case, cases_below, cases_in, expand
from tests.alerts.mutants import Mutant, mutants_of

RULES = Path(__file__).parents[2] / "charts" / "mooring" / "files" / "alerts.yaml"
ALERTS: list[dict[str, Any]] = [
    rule for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"] for rule in group["rules"]
]

_ONE_SERIES = "one series in each sum: it takes away what other labels a target has"
_NO_HOLDER = "where the operator knows no holder of a family, the third witness tells of it"
_SAME = "all that are left have the same value"
#: What changes nothing that can be seen, and why.
EQUAL: Mapping[str, Mapping[str, str]] = {
    "MooringNoHolder": {"min -> max": _NO_HOLDER, "1 -> 0": _NO_HOLDER},
    "MooringForeignHolder": {'kind="VirtualIP" -> nothing': "nothing else has a condition Held"},
    "MooringTwoHolders": {"max -> min": _SAME},
    "MooringLate": {
        "sum -> max": _ONE_SERIES,
        "sum -> max (2)": _ONE_SERIES,
        "> -> >=": "no number of pauses is stretched to the very bound at a usual interval of scrapes",
    },
    "MooringAdvertsRefused": {"sum -> max": _ONE_SERIES},
    "MooringSendErrors": {"sum -> max": _ONE_SERIES},
    "MooringServerNotReady": {'kind="VirtualServer" -> nothing': "nothing else has a condition Ready"},
    "MooringBackendsDown": {"sum -> max": _ONE_SERIES},
    "MooringOperatorNoLeader": {"sum -> max": "of zeros and ones both are 0 together"},
    "MooringOperatorTwoLeaders": {"max -> min": "of one process, read by two jobs; both read the same"},
}


def own_cases(alert: str) -> list[Case]:
    """What stands below its heading, and what else tells of it; only what this alert must say."""
    found = {case["case"]: case for case in cases_below(alert)}
    for case in (each for file in FILES for each in cases_in(file)):
        if any(text.partition("{")[0] == alert for alerts in case["at"].values() for text in alerts):
            found[case["case"]] = case
    return [
        {**case, "at": {at: [text for text in alerts if text.partition("{")[0] == alert] for at, alerts in moments}}
        for case in found.values()
        for moments in [case["at"].items()]
    ]


def survivors(promtool: str, folder: Path, mutants: list[Mutant], cases: list[Case]) -> list[Mutant]:
    """Those for which no case goes wrong. All in one run of promtool: each bears its number as a label."""
    if not mutants or not cases:
        return mutants
    rules = [{**each.rule, "labels": {"mutant": str(number)}} for number, each in enumerate(mutants)]
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "mutants", "rules": rules}]}), encoding="utf-8")
    whole = expand(cases, file)
    for test in whole["tests"]:
        test["promql_expr_test"] = [
            {**check, "expr": check["expr"].replace('="firing"', f'="firing",mutant="{number}"')}
            for number in range(len(mutants))
            for check in test["promql_expr_test"]
        ]
    tests = folder / "tests.yaml"
    tests.write_text(yaml.safe_dump(whole), encoding="utf-8")
    run = subprocess.run(
        [promtool, "test", "rules", str(tests)], capture_output=True, text=True, timeout=300, check=False
    )
    said = run.stdout + run.stderr
    killed = {int(number) for number in re.findall(r"mutant=\W*(\d+)", said)}
    assert (run.returncode != 0) == bool(killed), f"promtool could not judge them: {said[-2000:]}"
    return [each for number, each in enumerate(mutants) if number not in killed]


def test_everything_that_is_written_is_changed() -> None:
    rule = {"alert": "A", "expr": 'max by (a, b) (increase(m{x="1", y="2"}[2h])) >= 0.5 or absent(n) == 3', "for": "5m"}
    assert [each.what for each in mutants_of(rule)] == [
        "max -> min",
        *("a, b -> b", "a, b -> a"),
        "increase -> delta",
        *('x="1" -> nothing', 'y="2" -> nothing'),
        *("2h -> 110m", "2h -> 130m"),
        ">= -> >",
        *("0.5 -> 0.4", "0.5 -> 0.6"),
        "or -> and",
        "== -> !=",
        *("3 -> 2", "3 -> 4"),
        *("for: 5m -> 4m", "for: 5m -> 6m"),
    ]
    assert mutants_of(rule)[4].rule["expr"].startswith('max by (a, b) (increase(m{y="2"}[2h]))')
    assert [each.rule["for"] for each in mutants_of(rule)[-2:]] == ["4m", "6m"]
    assert [each.what for each in mutants_of({"alert": "A", "expr": "m"})] == ["for: 0m -> 1m"]


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_each_small_change_is_seen(alert: dict[str, Any], require_tool: Callable[[str], str], tmp_path: Path) -> None:
    name, promtool = alert["alert"], require_tool("promtool")
    rule = {key: alert[key] for key in ("alert", "expr", "for") if key in alert}
    cases = own_cases(name)
    left = [Mutant("as it is", rule), *mutants_of(rule)]
    for some in ([each for each in cases if "each" not in each], [each for each in cases if "each" in each]):
        left = survivors(promtool, tmp_path, left, some)
    assert sorted(each.what for each in left) == sorted(["as it is", *EQUAL.get(name, {})])
