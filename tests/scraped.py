"""What a scrape says, beside what the tables of metrics promise."""

import subprocess
from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from mooring_api.metric import MetricName, MetricType

#: What a target of Prometheus is labelled with, also by ServiceMonitor and PodMonitor.
TARGET_LABELS = {"container", "endpoint", "instance", "job", "namespace", "node", "pod", "service"}
_OF_HISTOGRAMS = ("_bucket", "_count", "_sum")


class _Given(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Sequence[Metric]:
        return self._families


def text_of_families(families: Sequence[Metric]) -> str:
    """The page of them as Prometheus' own library writes it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Given(families))
    return generate_latest(registry).decode()


def written_again(page: str) -> str:
    """A page as Prometheus' own library writes what it has read there."""
    return text_of_families(list(text_string_to_metric_families(page)))


def series(text: str) -> dict[tuple[str, str], set[str]]:
    """Whole name and type to the labels that its samples have; of a histogram without `le`."""
    found: dict[tuple[str, str], set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            name = sample.name
            if family.type == "histogram":
                name = next(name.removesuffix(end) for end in _OF_HISTOGRAMS if name.endswith(end))
            found.setdefault((name, family.type), set()).update(sample.labels.keys() - {"le"})
    return found


def promised(names: Iterable[MetricName]) -> dict[tuple[str, str], set[str]]:
    """The same of a table."""
    types = {MetricType.INFO: MetricType.GAUGE}
    return {(each.name, str(types.get(each.type, each.type))): set(each.labels) for each in names}


def lint(promtool: str, text: str) -> str:
    """What `promtool check metrics` has against a page; empty: nothing."""
    run = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    return (run.stdout + run.stderr).strip() or ("" if run.returncode == 0 else f"exit code {run.returncode}")
