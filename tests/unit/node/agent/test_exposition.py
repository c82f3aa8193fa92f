"""The pages are, byte for byte, those of Prometheus' own library."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from tests.scraped import text_of_families

from mooring_api.metric import MetricName, MetricType
from mooring_node.agent.exposition import CONTENT_TYPE, Family, Histogram, number, page

NAMES = {
    MetricType.GAUGE: "mooring_held",
    MetricType.COUNTER: "mooring_sent_total",
    MetricType.INFO: "mooring_node_info",
    MetricType.HISTOGRAM: "mooring_wait_seconds",
}
EDGES = (0, 1, -1, 0.1, -0.1, 999_999, 1e6, 1_234_567, -1_234_567, 1e15, 1e16, 1e22, -1e22, 2**53 + 1, 2**64, 10**30)
#: What a page can hold: half of a surrogate pair has no bytes.
texts = st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from('"\\\n{},=#%\r\t é'))
values = st.sampled_from(EDGES) | st.integers(-(2**70), 2**70) | st.floats() | st.booleans()
labels_of = st.lists(st.sampled_from(("server", "virtual_service", "backend", "a", "zone")), unique=True, max_size=4)


def row(kind: MetricType, meaning: str, labels: Sequence[str]) -> MetricName:
    return MetricName(NAMES[kind], kind, "things", meaning, tuple(labels))


@given(st.data(), st.sampled_from((MetricType.GAUGE, MetricType.COUNTER)), texts, labels_of)
def test_gauges_and_counters(data: st.DataObject, kind: MetricType, meaning: str, labels: list[str]) -> None:
    samples = data.draw(st.lists(st.tuples(st.tuples(*(texts for _ in labels)), values), max_size=4))
    theirs: GaugeMetricFamily | CounterMetricFamily
    if kind is MetricType.GAUGE:
        theirs = GaugeMetricFamily(NAMES[kind], meaning, labels=labels)
    else:
        theirs = CounterMetricFamily(NAMES[kind], meaning, labels=labels)
    ours = Family(row(kind, meaning, labels))
    for said, value in samples:
        theirs.add_metric(said, value)
        ours.add(said, value)
    assert page([ours]) == text_of_families([theirs]).encode()


@given(texts, st.dictionaries(st.sampled_from(("version", "node_name", "kernel")), texts))
def test_info(meaning: str, said: dict[str, str]) -> None:
    ours = Family(row(MetricType.INFO, meaning, list(said)))
    ours.add(list(said.values()), 1)
    theirs = InfoMetricFamily("mooring_node", meaning, value=said)
    assert page([ours]) == text_of_families([theirs]).encode()


@given(
    st.data(),
    texts,
    # A label may stand before and behind `le`.
    st.sampled_from(((), ("kind",), ("zone",), ("zone", "kind"))),
    st.lists(st.floats(0, 1e9), unique=True, max_size=4).map(sorted),
)
def test_histograms(data: st.DataObject, meaning: str, labels: tuple[str, ...], bounds: list[float]) -> None:
    theirs = HistogramMetricFamily(NAMES[MetricType.HISTOGRAM], meaning, labels=labels)
    ours = Histogram(row(MetricType.HISTOGRAM, meaning, labels))
    counts_of = st.lists(st.integers(0, 2**64), min_size=len(bounds) + 1, max_size=len(bounds) + 1)
    for said, counts, total in data.draw(
        st.lists(st.tuples(st.tuples(*(texts for _ in labels)), counts_of, st.floats(0)), max_size=3)
    ):
        until = [sum(counts[: place + 1]) for place in range(len(counts))]
        names = [*(str(bound) for bound in bounds), "+Inf"]
        theirs.add_metric(said, list(zip(names, until, strict=True)), total)
        ours.add(said, bounds, counts, total)
    assert page([ours]) == text_of_families([theirs]).encode()


@pytest.mark.parametrize("value", [*EDGES, math.inf, -math.inf, math.nan, 5e-324, 123456.75, 1234567.75, True])
def test_a_number_is_read_as_it_was_meant(value: float) -> None:
    theirs = GaugeMetricFamily("mooring_held", "Held", value=value)
    assert f"mooring_held {number(value)}\n" in text_of_families([theirs])
    assert float(number(value)) == float(value) or math.isnan(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0.0"), (1, "1.0"), (1e6, "1e+06"), (1_234_567, "1.234567e+06"), (-1e6, "-1000000.0"), (math.inf, "+Inf")],
)
def test_numbers_as_go_writes_them(value: float, text: str) -> None:
    assert number(value) == text


def test_families_stand_as_they_are_given() -> None:
    families: list[Family | Histogram] = []
    theirs: list[Metric] = []
    for name in ("mooring_b", "mooring_a"):
        family = Family(MetricName(name, MetricType.GAUGE, "things", "Held"))
        family.add((), 2)
        families.append(family)
        theirs.append(GaugeMetricFamily(name, "Held", value=2))
    assert page(families) == text_of_families(theirs).encode()
    assert page([]) == b""


def test_each_label_has_a_value() -> None:
    family = Family(row(MetricType.GAUGE, "Held", ("server", "backend")))
    for wrong in (("a",), ("a", "b", "c")):
        with pytest.raises(AssertionError):
            family.add(wrong, 1)
    assert family.lines == []


def test_the_type_of_the_content() -> None:
    assert CONTENT_TYPE == CONTENT_TYPE_PLAIN_0_0_4
