"""Metrics from a recorded answer of the daemon, as Prometheus reads them."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from tests.scraped import written_again

from mooring_node.agent.metrics import render
from mooring_node.vrrp.lateness import BOUNDS_NS

MEMBER = {
    "name": "web-0",
    "advertsSent": 7,
    "releasesSent": 1,
    "advertsReceived": 5,
    "advertsForeign": 3,
    "sendErrors": 2,
    "announcements": 44,
    "refused": [
        {"reason": "WrongPassword", "source": "10.0.0.9", "count": 3},
        {"reason": "WrongPassword", "source": "10.0.0.8", "count": 4},
        {"reason": "TooShort", "source": "unknown", "count": 1},
    ],
}
ANSWER: dict[str, Any] = {
    "groups": [
        {
            "name": "web-0",
            "virtualIP": None,
            "state": "Active",
            "priority": 150,
            "transitions": 3,
            "heldAddresses": ["10.0.0.100/24", "10.0.0.101/24"],
            "activeHeard": True,
            "members": [MEMBER],
        }
    ],
    "vrrp": {
        "lateness": {"counts": [5, 0, 1, 0, 0, 0, 0, 2], "totalNs": 3_500_000_000, "worstNs": 1},
        "scheduling": "nice",
        "realTimeWanted": True,
        "foreignRouters": [{}, {}],
        "maintenance": True,
        "refused": [{"reason": "UnknownVirtualRouter", "source": "10.0.0.9", "count": 6}],
    },
    "agent": {
        "version": "0.1.0",
        "configuration": {"generation": 4, "ageSeconds": 17, "problems": ["a", "b"]},
        "conflictsTotal": 9,
    },
}


def scrape(answer: dict[str, Any]) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = render(answer).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_family_has_its_value() -> None:
    found = scrape(ANSWER)
    group = (("group", "web-0"), ("virtual_ip", ""))
    instance = (*group, ("vrrp_instance", "web-0"))
    expected = {
        ("mooring_vrrp_up", ()): 1,
        ("mooring_vrrp_state", group): 2,
        ("mooring_vrrp_active_heard", group): 1,
        ("mooring_vrrp_priority", group): 150,
        ("mooring_vrrp_transitions_total", group): 3,
        ("mooring_addresses_held", group): 2,
        ("mooring_vrrp_adverts_sent_total", instance): 7,
        ("mooring_vrrp_releases_sent_total", instance): 1,
        ("mooring_vrrp_adverts_received_total", instance): 5,
        ("mooring_vrrp_adverts_foreign_total", instance): 3,
        ("mooring_vrrp_send_errors_total", instance): 2,
        ("mooring_announcements_sent_total", instance): 44,
        ("mooring_vrrp_adverts_refused_total", _refused(group, "web-0", "WrongPassword")): 7,
        ("mooring_vrrp_adverts_refused_total", _refused(group, "web-0", "TooShort")): 1,
        (
            "mooring_vrrp_adverts_refused_total",
            _refused((("group", ""), ("virtual_ip", "")), "", "UnknownVirtualRouter"),
        ): 6,
        ("mooring_vrrp_scheduling", ()): 1,
        ("mooring_foreign_routers", ()): 2,
        ("mooring_maintenance", ()): 1,
        ("mooring_configuration_generation", ()): 4,
        ("mooring_configuration_age_seconds", ()): 17,
        ("mooring_configuration_problems", ()): 2,
        ("mooring_address_conflicts_total", ()): 9,
        ("mooring_node_info", (("node_name", ""), ("version", "0.1.0"))): 1,
    }
    assert {key: found.get(key) for key in expected} == expected
    # Sources are not labels: whoever invents addresses must not make time series.
    assert not any(name == "source" for _, labels in found for name, _ in labels)


@pytest.mark.parametrize(
    ("scheduling", "wanted", "value"),
    [("real-time", True, 2), ("nice", True, 1), ("normal", True, 0), ("normal", False, 3)],
)
def test_normal_scheduling_that_was_wanted_is_none_that_was_refused(scheduling: str, wanted: bool, value: int) -> None:
    """MooringRealTimeRefused asks for less than 2."""
    vrrp = ANSWER["vrrp"] | {"scheduling": scheduling, "realTimeWanted": wanted}
    assert scrape(ANSWER | {"vrrp": vrrp})["mooring_vrrp_scheduling", ()] == value


def _refused(group: tuple[tuple[str, str], ...], instance: str, reason: str) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((*group, ("vrrp_instance", instance), ("reason", reason))))


def test_the_way_to_the_api_is_told_where_there_is_one() -> None:
    assert not any(
        name.startswith(("mooring_api", "mooring_status", "mooring_nodeconfig")) for name, _ in scrape(ANSWER)
    )
    answer = copy.deepcopy(ANSWER)
    answer["agent"]["api"] = {
        "node": "lb-1",
        "generation": 8,
        "observedGeneration": 7,
        "nodeConfig": {"connected": True},
        "secrets": {"connected": False},
        "watchRestarts": 5,
        "statusWrites": {"written": 3, "conflict": 1, "failed": 2},
        "credentials": [{"name": "web", "versions": ["1"]}, {"name": "mail", "versions": []}],
    }
    found = scrape(answer)
    expected = {
        ("mooring_api_connected", (("watch", "nodeconfig"),)): 1,
        ("mooring_api_connected", (("watch", "secrets"),)): 0,
        ("mooring_api_watch_restarts_total", ()): 5,
        ("mooring_status_writes_total", (("result", "written"),)): 3,
        ("mooring_status_writes_total", (("result", "conflict"),)): 1,
        ("mooring_status_writes_total", (("result", "failed"),)): 2,
        ("mooring_nodeconfig_present", ()): 1,
        ("mooring_nodeconfig_generation", ()): 8,
        ("mooring_nodeconfig_observed_generation", ()): 7,
        ("mooring_credentials_missing", ()): 1,
        ("mooring_node_info", (("node_name", "lb-1"), ("version", "0.1.0"))): 1,
    }
    assert {key: found.get(key) for key in expected} == expected
    answer["agent"]["api"] |= {"generation": None, "observedGeneration": None}
    gone = scrape(answer)
    assert (gone["mooring_nodeconfig_present", ()], gone["mooring_nodeconfig_observed_generation", ()]) == (0, 0)


def test_lateness_is_a_cumulative_histogram() -> None:
    found = scrape(ANSWER)
    buckets = {dict(labels)["le"]: value for (name, labels), value in found.items() if name.endswith("seconds_bucket")}
    assert len(buckets) == len(BOUNDS_NS) + 1
    assert (buckets["0.001"], buckets["0.01"], buckets["1.0"], buckets["+Inf"]) == (5, 6, 6, 8)
    assert found["mooring_vrrp_lateness_seconds_sum", ()] == 3.5
    assert found["mooring_vrrp_lateness_seconds_count", ()] == 8


@pytest.mark.parametrize("silent", [{}, {"groups": [], "vrrp": {}, "agent": {}}, ANSWER | {"vrrp": {}, "groups": []}])
def test_a_dead_vrrp_process_is_seen(silent: dict[str, Any]) -> None:
    found = scrape(silent)
    assert found["mooring_vrrp_up", ()] == 0
    assert not any(name == "mooring_vrrp_state" for name, _ in found)


@given(
    st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from('"\\\n{},=#')),
    st.integers(0, 2**64) | st.sampled_from((1e22, 0.1, 999_999, 10**6, 10**7)),
)
def test_no_name_and_no_number_breaks_the_format(wild: str, number: float) -> None:
    answer = copy.deepcopy(ANSWER)
    answer["groups"][0]["name"] = wild
    answer["groups"][0]["members"][0] |= {"name": wild, "advertsSent": number}
    found = scrape(answer)
    assert found["mooring_vrrp_state", (("group", wild), ("virtual_ip", ""))] == 2
    instance = (("group", wild), ("virtual_ip", ""), ("vrrp_instance", wild))
    assert found["mooring_vrrp_adverts_sent_total", instance] == float(number)
    page = render(answer).decode()
    assert page == written_again(page), "byte for byte as Prometheus' own library has it"


@pytest.mark.parametrize(("state", "number"), [("Initialize", 0), ("Backup", 1), ("Active", 2), ("Fault", 3)])
def test_states_are_numbers(state: str, number: int) -> None:
    answer = copy.deepcopy(ANSWER)
    answer["groups"][0]["state"] = state
    assert scrape(answer)["mooring_vrrp_state", (("group", "web-0"), ("virtual_ip", ""))] == number
