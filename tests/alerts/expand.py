"""From cases in shorthand to a file of `promtool test rules`."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Case = dict[str, Any]

FILES = sorted((Path(__file__).parent / "cases").glob("*.yaml"))

_NODE_JOB, _OPERATOR_JOB = "mooring-system/mooring-node", "mooring-system/mooring-operator"


class _Target(NamedTuple):
    job: str
    address: str
    node: str

    @property
    def labels(self) -> str:
        return f'job="{self.job}",instance="{self.address}",node="{self.node}"'


TARGETS = {
    "N1": _Target(_NODE_JOB, "10.0.0.1:9650", "n1"),
    "N2": _Target(_NODE_JOB, "10.0.0.2:9650", "n2"),
    "N3": _Target(_NODE_JOB, "10.0.0.3:9650", "n3"),
    "O1": _Target(_OPERATOR_JOB, "10.1.0.1:9651", "n1"),
    "O2": _Target(_OPERATOR_JOB, "10.1.0.2:9651", "n2"),
}
SHORTHAND = {
    **{name: target.labels for name, target in TARGETS.items()},
    "G": 'virtual_ip="web",group="web-0"',
    "S": 'server="shop/web:https",family="IPv4"',
}
#: What is there in every case, unless the case says otherwise: a healthy cluster.
LONG = "1x700"
HEALTHY = {
    **{f"up{{{name}}}": LONG for name in ("N1", "N2", "N3", "O1")},
    **{f"mooring_node_info{{{name}}}": LONG for name in ("N1", "N2", "N3")},
    "mooring_operator_leader{O1}": LONG,
}
#: The labels by which an alert says what it is about.
TOLD = (
    "alertname",
    "cluster",
    "virtual_ip",
    "group",
    "vrrp_instance",
    "reason",
    "node",
    "server",
    "family",
    "kind",
    "object",
    "trouble",
    "verb",
)
FIRING = f'group by ({", ".join(TOLD)}) (ALERTS{{alertstate="firing"}})'


def cases_in(file: Path) -> list[Case]:
    return _read(file.read_text(encoding="utf-8"))


def cases_below(alert: str) -> list[Case]:
    """Those that stand below a heading with the alert's name."""
    text = "".join(file.read_text(encoding="utf-8") for file in FILES)
    headings = re.split(r"^# --- ", text, flags=re.MULTILINE)[1:]
    own = [part.partition("\n") for part in headings]
    return [case for names, _, rest in own if alert in names.split(", ") for case in _read(rest)]


def _read(text: str) -> list[Case]:
    found: list[Case] = yaml.load(text, yaml.BaseLoader)  # `0x9` is no number
    return found


def labels_of(series: str) -> tuple[str, dict[str, str]]:
    """`name{G,N1,more="x"}` as its name and labels."""
    name, _, inside = series.rstrip("}").partition("{")
    whole = ",".join(SHORTHAND.get(part, part) for part in inside.split(",") if part)
    return name, dict(re.findall(r'(\w+)="([^"]*)"', whole))


def _text(name: str, labels: dict[str, str]) -> str:
    inside = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return f"{name}{{{inside}}}" if inside else name


def _values(shorthand: str) -> str:
    """`0x9` as older promtools read it."""
    return re.sub(r"(?<![\w+.])(-?\d+)x(\d+)", r"\1+0x\2", str(shorthand))


def _alert(text: str) -> dict[str, Any]:
    name, labels = labels_of(text)
    told = {label: value for label, value in labels.items() if label in TOLD}
    return {"labels": _text("", {**told, "alertname": name}), "value": 1}


def _healthy(clusters: list[str]) -> dict[str, str]:
    """By series; `""` is a cluster without the label."""
    found = {}
    for cluster in clusters:
        for key, values in HEALTHY.items():
            name, labels = labels_of(key)
            found[_text(name, {**labels, "cluster": cluster} if cluster else labels)] = values
    return found


def expand(cases: list[Case], rules: Path) -> dict[str, Any]:
    """One promtool file of all cases, with what is firing at each moment, exactly.

    All have the same time between two scrapes, and two looks at the rules: `each` of the first, or half a minute.
    """
    (each,) = {case.get("each", "30s") for case in cases}
    tests = []
    for case in cases:
        series = _healthy(case.get("clusters", [""]))
        series |= {_text(*labels_of(key)): values for key, values in case["series"].items()}
        checks = [
            {"expr": FIRING, "eval_time": moment, "exp_samples": [_alert(each) for each in alerts]}
            for moment, alerts in case["at"].items()
        ]
        tests.append(
            {
                "name": case["case"],
                "interval": each,
                "input_series": [{"series": key, "values": _values(values)} for key, values in series.items()],
                "promql_expr_test": checks,
            }
        )
    return {"rule_files": [str(rules)], "evaluation_interval": each, "tests": tests}
