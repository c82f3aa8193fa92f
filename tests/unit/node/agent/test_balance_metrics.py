"""Metrics of what is balanced, as Prometheus reads them."""

import copy
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from mooring_node.agent import balance_metrics
from mooring_node.agent.metric_names import NodeMetric
from mooring_node.agent.metrics import render
from mooring_node.balance.answer import Load

SERVICE = ("shop/web:https", "10.0.0.100:443/TCP")
ANSWER: dict[str, Any] = {
    "vrrp": {},
    "groups": [],
    "agent": {
        "version": "1",
        "configuration": {"generation": 1, "ageSeconds": 1, "problems": []},
        "conflictsTotal": 0,
        "balance": {"wanted": True, "runs": 5, "problems": ["a"], "moreProblems": 2},
    },
    "servers": [
        {"name": SERVICE[0], "family": "IPv4", "quorum": True, "sorry": False, "up": 2, "down": 1, "draining": 3}
    ],
    "loads": [
        Load(*SERVICE, "", 0, 0, 0, 0, 2**63, 20, 30, 40, 50, 1, 2, 3, 4, 5),
        Load(*SERVICE, "10.9.0.1:8443", 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20),
    ],
    "checks": {
        "targets": 3,
        "probes": {
            "boundsSeconds": [0.001, 0.01],
            "durations": {"tcp": {"counts": [4, 2, 1], "totalSeconds": 1.5}},
            "failures": [{"kind": "tcp", "reason": "Timeout", "count": 6}],
            "withheld": 9,
            "lateness": {"counts": [1, 0, 0], "totalSeconds": 0.25},
        },
        "ipvs": {"writes": 44, "refused": {"MissingModule": 2}, "drift": 3},
        "portGuard": [{"address": "10.0.0.100", "mode": "refused", "packets": 70, "bytes": 71}],
    },
}


def scrape(answer: dict[str, Any]) -> dict[str, float]:
    """Values by the text of the sample, as in a file."""
    text = render(answer).decode()
    return {
        sample.name + "".join(f" {value}" for _, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_everything_has_its_metric() -> None:
    found = scrape(ANSWER)
    service = "10.0.0.100:443/TCP"
    expected = {
        "mooring_checks_up": 1,
        "mooring_balance_generation": 5,
        "mooring_balance_problems": 3,
        "mooring_server_quorum IPv4 shop/web:https": 1,
        "mooring_server_sorry IPv4 shop/web:https": 0,
        "mooring_server_backends IPv4 shop/web:https up": 2,
        "mooring_server_backends IPv4 shop/web:https down": 1,
        "mooring_server_backends IPv4 shop/web:https draining": 3,
        f"mooring_ipvs_service_connections_total shop/web:https {service}": 2**63,
        f"mooring_ipvs_service_packets_total in shop/web:https {service}": 20,
        f"mooring_ipvs_service_packets_total out shop/web:https {service}": 30,
        f"mooring_ipvs_service_bytes_total in shop/web:https {service}": 40,
        f"mooring_ipvs_service_bytes_total out shop/web:https {service}": 50,
        f"mooring_ipvs_service_connection_rate shop/web:https {service}": 1,
        f"mooring_ipvs_service_packet_rate out shop/web:https {service}": 3,
        f"mooring_ipvs_service_byte_rate in shop/web:https {service}": 4,
        f"mooring_ipvs_backend_connections_total 10.9.0.1:8443 shop/web:https {service}": 11,
        f"mooring_ipvs_backend_bytes_total 10.9.0.1:8443 out shop/web:https {service}": 15,
        f"mooring_ipvs_backend_byte_rate 10.9.0.1:8443 out shop/web:https {service}": 20,
        f"mooring_ipvs_backend_weight 10.9.0.1:8443 shop/web:https {service}": 7,
        f"mooring_ipvs_backend_open_connections 10.9.0.1:8443 shop/web:https {service} active": 8,
        f"mooring_ipvs_backend_open_connections 10.9.0.1:8443 shop/web:https {service} inactive": 9,
        f"mooring_ipvs_backend_open_connections 10.9.0.1:8443 shop/web:https {service} persistent": 10,
        "mooring_check_targets": 3,
        "mooring_check_duration_seconds_bucket tcp 0.001": 4,
        "mooring_check_duration_seconds_bucket tcp 0.01": 6,
        "mooring_check_duration_seconds_bucket tcp +Inf": 7,
        "mooring_check_duration_seconds_sum tcp": 1.5,
        "mooring_check_failures_total tcp Timeout": 6,
        "mooring_check_results_withheld_total": 9,
        "mooring_check_lateness_seconds_count": 1,
        "mooring_ipvs_writes_total": 44,
        "mooring_ipvs_drift_total": 3,
        "mooring_ipvs_refused MissingModule": 2,
        "mooring_port_guard_packets_total 10.0.0.100 refused": 70,
        "mooring_port_guard_bytes_total 10.0.0.100 refused": 71,
    }
    sorted_found = {_key(name): value for name, value in found.items()}
    assert {name: sorted_found.get(_key(name)) for name in expected} == expected


def _key(text: str) -> tuple[str, ...]:
    name, *labels = text.split(" ")
    return (name, *sorted(labels))


def test_where_nothing_is_balanced_there_is_nothing_to_say() -> None:
    answer = copy.deepcopy(ANSWER)
    answer["agent"]["balance"]["wanted"] = False
    assert not any(name.startswith(("mooring_ipvs", "mooring_check", "mooring_server")) for name in scrape(answer))


def test_a_checks_process_that_is_silent_leaves_what_it_told() -> None:
    answer = copy.deepcopy(ANSWER) | {"checks": {}, "loads": []}
    answer["agent"]["balance"]["runs"] = None
    found = scrape(answer)
    assert found["mooring_checks_up"] == 0
    assert found["mooring_balance_generation"] == 0
    assert found["mooring_server_quorum IPv4 shop/web:https"] == 1
    assert not any(name.startswith("mooring_check_") for name in found)


def test_a_crowd_of_backends_is_bounded() -> None:
    loads = [Load("a", "s", f"10.9.{n // 250}.{n % 250}:1") for n in range(balance_metrics.MOST_LOADS + 9)]
    families = {each.row: each for each in balance_metrics.families(ANSWER | {"loads": loads})}
    assert len(families[NodeMetric.WEIGHT.value].lines) == balance_metrics.MOST_LOADS


def test_without_a_vrrp_process_nobody_misses_it() -> None:
    answer = copy.deepcopy(ANSWER)
    assert scrape(answer)["mooring_vrrp_up"] == 0
    answer["agent"]["checksOnly"] = True
    assert "mooring_vrrp_up" not in scrape(answer)
