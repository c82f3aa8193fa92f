"""What a scrape says, beside what the tables of metrics promise."""

import subprocess
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from mooring_api.metric import MetricName, MetricType

#: What a target of Prometheus is labelled with, also by ServiceMonitor and PodMonitor.
TARGET_LABELS = {"container", "endpoint", "instance", "job", "namespace", "node", "pod", "service"}
_OF_HISTOGRAMS = ("_bucket", "_count", "_sum")


def text_of(collector: Collector) -> str:
    """The page of one collector."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    return generate_latest(registry).decode()


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
