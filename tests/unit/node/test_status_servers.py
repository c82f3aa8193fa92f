"""Virtual servers as a person reads them on the node."""

from typing import Any

from mooring_node import status
from mooring_node.status_servers import SHOWN_BACKENDS, SHOWN_SERVERS, summary, table, wrong

WELL: dict[str, Any] = {"name": "shop/ok:http", "family": "IPv6", "quorum": True, "sorry": False} | {
    "up": 12,
    "down": 0,
    "draining": 0,
}
LOST: dict[str, Any] = {"name": "shop/db:sql", "family": "IPv4", "quorum": False, "sorry": True} | {
    "up": 0,
    "down": 2,
    "draining": 1,
    "backends": [
        {"address": "10.9.0.2", "port": 5432, "host": "db-0", "state": "Down", "reason": "Connection refused"}
        | {"sinceTime": "2026-11-21T03:01:02Z"},
        {"address": "fd00::3", "port": 5432, "state": "Down"},
        {"address": "10.9.0.4", "port": 0, "state": "Draining", "sinceTime": "2026-11-21T03:00:00Z"},
        {"address": "10.9.0.5", "port": 5432, "state": "Up"},
    ],
}


def balance(*listed: dict[str, Any], **more: Any) -> dict[str, Any]:
    plain = {
        "wanted": True,
        "generation": 4,
        "runs": 4,
        "servers": len(listed),
        "well": sum(each is WELL for each in listed),
        "listed": list(listed),
        "problems": [],
        "moreProblems": 0,
        "kubeProxy": None,
    }
    return plain | more


def test_what_is_down_and_why_and_since_when() -> None:
    assert table(balance(LOST, WELL)) == [
        "VIRTUAL SERVER  FAMILY  QUORUM  UP  DOWN  DRAINING",
        "shop/db:sql     IPv4    NO      0   2     1         the sorry server answers",
        "    10.9.0.2:5432 (db-0) down since 2026-11-21T03:01:02Z: Connection refused",
        "    [fd00::3]:5432 down",
        "    10.9.0.4 draining since 2026-11-21T03:00:00Z",
        "shop/ok:http    IPv6    yes     12  0     0",
    ]


def test_a_quorum_is_told_with_its_weights_and_one_out_of_reach_in_words() -> None:
    said = balance(
        LOST | {"weights": {"up": 3, "needed": 4, "all": 5, "backends": 5}},
        LOST | {"weights": {"up": 3, "needed": 4, "all": 3, "backends": 3}},
        LOST | {"weights": {"up": 0, "needed": 1, "all": 0, "backends": 0}},
    )
    assert "  NO (3 of 4)  " in table(said)[1]
    out_of_reach = "! shop/db:sql IPv4: quorum.up needs 4, all 3 backends together have 3: lower quorum.up"
    assert list(wrong(said)) == [out_of_reach]


def test_two_hundred_servers_are_a_page() -> None:
    many = LOST | {"down": 60, "draining": 0, "backends": [LOST["backends"][0]] * 60}
    lines = table(balance(many, *[WELL] * 99, servers=200, well=190))
    assert len(lines) <= SHOWN_SERVERS + SHOWN_BACKENDS + 3
    assert f"    and {60 - SHOWN_BACKENDS} more that are not up" in lines
    assert lines[-1] == f"and {200 - SHOWN_SERVERS} more, {190 - (SHOWN_SERVERS - 1)} of them well"


def test_what_is_wrong_says_what_to_do() -> None:
    said = balance(
        WELL,
        problems=["shop/x: ip_vs_mh is missing"],
        moreProblems=3,
        kubeProxy={"mode": "IPVS", "removesServices": True, "answersArp": True},
    )
    lines = list(wrong(said))
    assert lines[0] == "! shop/x: ip_vs_mh is missing"
    assert lines[1] == "! and 3 more of what is balanced; the log has them"
    assert "ipvs.excludeCIDRs" in lines[2]
    assert "ipvs.strictARP" in lines[3]
    assert summary(said) == ["  balancing 4: 1 of 1 virtual servers are well; kube-proxy is in IPVS mode"]
    assert summary(said | {"runs": 3})[0].startswith("  balancing 4 (3 runs): ")
    assert summary(said | {"runs": None})[0].startswith("  balancing 4 (none runs yet): ")


def test_where_nothing_is_balanced_nothing_is_said() -> None:
    for nothing in ({}, balance(wanted=False)):
        assert (table(nothing), list(wrong(nothing)), summary(nothing)) == ([], [], [])
    assert table(balance()) == ["Virtual servers are configured; nothing is known of them yet."]


def test_it_stands_between_groups_and_what_is_wrong() -> None:
    agent = {"configuration": {"file": "x", "generation": 1}, "balance": balance(LOST), "checksOnly": True}
    reply = {"groups": [], "agent": agent, "vrrp": {}, "silent": [], "maintenance": False, "processes": []}
    lines = status.text(reply | {"transitions": []}).splitlines()
    assert lines[0] == "No VRRP is spoken (--checks-only)."
    assert lines[2].startswith("VIRTUAL SERVER")
    assert "  balancing 4: 0 of 1 virtual servers are well" in lines
