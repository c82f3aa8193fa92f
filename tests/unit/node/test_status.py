"""What a person reads on the node."""

import json
from pathlib import Path
from typing import Any

import pytest

from mooring_node import status
from mooring_node.status import TOLD_FOR_S, TWO_CLAIM
from mooring_node.vrrp.faults import FaultReason
from mooring_node.vrrp.refusals import Refusal

IN_USE = FaultReason.ADDRESS_IN_USE
PASSWORD = Refusal.WRONG_PASSWORD


def group(name: str, state: str, held: list[str], **more: Any) -> dict[str, Any]:
    member = {"name": name, "virtualRouterID": 66, "refused": []}
    plain = {
        "name": name,
        "state": state,
        "detail": "",
        "forSeconds": 42,
        "priority": 100,
        "faults": [],
        "remedies": [],
        "lastHeard": None,
        "heldAddresses": held,
        "members": [member],
    }
    return plain | more


CLAIM = {"mac": "02:00:00:00:00:09", "address": "10.0.0.100", "interface": "eth0", "count": 2, "secondsAgo": 125.0}
ASTRAY = {
    "interface": "eth0",
    "virtualRouterID": 7,
    "source": "10.0.0.28",
    "instances": ["web-0 (66)"],
    "moreInstances": 2,
    "count": 4,
    "secondsAgo": 0.3,
}
FAULTED = {
    "groups": [
        group(
            "web-0", "Active", ["10.0.0.100/24"], lastHeard={"source": "10.0.0.28", "priority": 80, "secondsAgo": 3.24}
        ),
        group(
            "web-1",
            "Fault",
            [],
            forSeconds=7200,
            faults=[str(IN_USE)],
            remedies=[IN_USE.remedy],
            members=[
                {
                    "name": "web-1",
                    "virtualRouterID": 88,
                    "refused": [
                        {"reason": "WrongPassword", "source": "10.0.0.9", "count": 3, "secondsAgo": 2.0},
                        {"reason": "TTLTooLow", "source": "10.0.0.9", "count": 7, "secondsAgo": TOLD_FOR_S + 1},
                    ],
                }
            ],
        ),
    ],
    "agent": {
        "configuration": {
            "file": "/etc/mooring/node.yaml",
            "generation": 4,
            "problems": ["/etc/mooring/node.yaml: NodeConfig lb-1: wrong"],
        },
        "conflicts": [CLAIM, CLAIM | {"address": "10.0.0.101", "secondsAgo": TOLD_FOR_S + 1}],
    },
    "vrrp": {"scheduling": "nice", "realTimeWanted": True, "lateness": {"worstNs": 1_234_567}, "astray": [ASTRAY]},
    "silent": [],
    "maintenance": False,
    "processes": [
        {"name": "vrrp", "pid": 11, "restarts": 2, "lastExit": "signal 9", "forSeconds": 90},
        {"name": "agent", "pid": 12, "restarts": 0, "lastExit": "", "forSeconds": 86400},
    ],
    "transitions": [
        {"time": f"2026-11-21T04:00:{second:02}.000Z", "group": "web-1", "before": "Backup", "after": "Fault"}
        | {"reason": "AddressInUse"}
        for second in range(11)
    ],
}

TEXT = f"""\
GROUP  STATE   FOR  VRID  PRIORITY  HELD  LAST HEARD
web-0  Active  42s  66    100       1     10.0.0.28 (80) 3.2 s ago
web-1  Fault   2h   88    100       0     nobody

! web-1: AddressInUse: {IN_USE.remedy}
! web-1: 3 adverts from 10.0.0.9 refused, the last 2.0 s ago: WrongPassword: {PASSWORD.meaning}; {PASSWORD.remedy}
! 4 adverts from 10.0.0.28, a peer of web-0 (66) and 2 more, came on eth0 with virtual router ID 7, \
the last 0.3 s ago: UnknownVirtualRouter: no instance here has it; give both nodes the same
! 02:00:00:00:00:09 claimed 10.0.0.100 on eth0 2 times while it was held here, the last 2m ago: {TWO_CLAIM}
! /etc/mooring/node.yaml: NodeConfig lb-1: wrong
! real-time priority was refused: grant CAP_SYS_NICE

Configuration 4 from /etc/mooring/node.yaml, maintenance off
  vrrp: pid 11, up 1m, started again 2 times (signal 9)
  agent: pid 12, up 1d
  latest wake-up of the VRRP loop: 1.2 ms

Last transitions:
""" + "\n".join(f"  2026-11-21T04:00:{second:02}.000Z  web-1  Backup -> Fault  AddressInUse" for second in range(1, 11))


def test_a_faulted_node_tells_what_is_wrong_and_what_to_do() -> None:
    assert status.text(FAULTED) == TEXT


def test_a_silent_process_is_named_and_the_rest_is_told() -> None:
    vrrp, agent = FAULTED["processes"]  # type: ignore[misc]
    silent = FAULTED | {
        "groups": [],
        "vrrp": {},
        "agent": {},
        "silent": ["vrrp", "agent"],
        "processes": [
            vrrp | {"idleSeconds": 2.3, "stallSeconds": 3},  # type: ignore[operator]
            agent | {"idleSeconds": 0.4, "stallSeconds": 60},  # type: ignore[operator]
        ],
        "leases": [{"group": "web-0", "seconds": 4}],
        "lastStates": [
            {"group": "web-0", "state": "Active", "since": "2026-11-21T04:00:00.000Z"},
            {"group": "web-1", "state": "Backup", "since": "2026-11-21T04:00:01.000Z"},
        ],
    }
    lines = status.text(silent).splitlines()
    assert lines[:3] == [
        "! groups are not known: the vrrp process (pid 11) has been silent for 2.3 s; it is replaced after 3 s",
        "  web-0 was Active, since 2026-11-21T04:00:00.000Z; the kernel drops its addresses in 4 s, unless it goes on",
        "  web-1 was Backup, since 2026-11-21T04:00:01.000Z",
    ]
    assert "! the agent process (pid 12) did not answer in time, and goes on; ask again" in lines
    assert "  vrrp: pid 11, up 1m, silent for 2.3 s, started again 2 times (signal 9)" in lines
    assert "Configuration unknown, maintenance off" in lines
    assert not any("real-time" in line for line in lines)


def test_a_well_node_has_nothing_wrong() -> None:
    agent = {"configuration": {"file": "node.yaml", "generation": 1, "problems": []}, "conflicts": []}
    well = FAULTED | {
        "groups": FAULTED["groups"][:1],
        "agent": agent,
        "vrrp": {"scheduling": "real-time", "realTimeWanted": True},
    }  # type: ignore[index]
    assert "!" not in status.text(well)
    normal = {"scheduling": "normal", "realTimeWanted": False}
    assert "!" not in status.text(well | {"vrrp": normal}), "--real-time-priority 0 was refused nothing"


API = {
    "server": "https://10.96.0.1:443",
    "node": "lb-1",
    "absence": "",
    "generation": 7,
    "observedGeneration": 7,
    "nodeConfig": {"connected": True, "forSeconds": 300, "error": ""},
    "secrets": {"connected": True, "forSeconds": 300, "error": ""},
    "watchRestarts": 0,
    "statusWrites": {"written": 3, "conflict": 0, "failed": 0},
    "credentials": [{"name": "web", "current": "271", "versions": ["100", "271"]}, {"name": "mail", "versions": []}],
    "remarks": [],
}


def shown(api: dict[str, Any]) -> list[str]:
    agent = {"configuration": {"file": None, "generation": 4, "problems": []}, "conflicts": [], "api": API | api}
    return status.text(FAULTED | {"groups": [], "agent": agent, "vrrp": {}}).splitlines()


def test_with_an_api_it_tells_the_way_there_and_the_keys_by_name() -> None:
    lines = shown({})
    start = lines.index("Configuration 4 from NodeConfig lb-1, generation 7, maintenance off")
    assert lines[start + 1 : start + 4] == [
        "  API server https://10.96.0.1:443: heard for 5m",
        "  key web: states 100, 271",
        "  key mail: states none",
    ]
    assert not any(line.startswith("!") for line in lines)


def test_a_server_that_is_not_heard_is_wrong_and_harmless() -> None:
    lines = shown({"nodeConfig": {"connected": False, "forSeconds": 7200, "error": "not reachable: refused"}})
    assert "! the API server is not heard: not reachable: refused; what runs goes on" in lines
    assert "  API server https://10.96.0.1:443: not heard for 2h" in lines


def test_a_nodeconfig_that_is_not_there_is_told() -> None:
    lines = shown({"absence": "was deleted", "generation": None, "remarks": ["Secret a/b was deleted; create it"]})
    assert "! NodeConfig lb-1 was deleted; what runs goes on" in lines
    assert "! Secret a/b was deleted; create it" in lines
    assert "Configuration 4 from NodeConfig lb-1, last good one, maintenance off" in lines


@pytest.mark.parametrize(
    ("runs", "words"), [(6, "generation 7 (generation 6 runs)"), (None, "generation 7 (not confirmed)")]
)
def test_what_is_read_is_not_yet_run(runs: int | None, words: str) -> None:
    assert f"Configuration 4 from NodeConfig lb-1, {words}, maintenance off" in shown({"observedGeneration": runs})


def test_more_problems_than_fit_are_counted() -> None:
    configuration = {"file": "n", "generation": 4, "problems": ["a"], "moreProblems": 9}
    told = status.text(FAULTED | {"groups": [], "vrrp": {}, "agent": {"configuration": configuration}}).splitlines()
    assert told[told.index("! a") + 1] == "! and 9 more; the log has them"


def test_a_torn_file_of_transitions_tells_none(tmp_path: Path) -> None:
    path = tmp_path / "transitions.json"
    assert status.transitions(path) == []
    path.write_text('{"transitions": [{"time": 3}]}')
    assert status.transitions(path) == []
    path.write_text(json.dumps({"transitions": FAULTED["transitions"]}))
    assert status.transitions(path) == FAULTED["transitions"]


def test_one_that_waits_in_the_kernel_is_not_said_to_be_replaced() -> None:
    waits = {"name": "vrrp", "pid": 11, "restarts": 0, "lastExit": "", "forSeconds": 9, "idleSeconds": 7.5}
    waits |= {"stallSeconds": 3, "waitsInKernel": True}
    reply = FAULTED | {"groups": [], "vrrp": {}, "silent": ["vrrp"], "processes": [waits]}
    said = "the vrrp process (pid 11) has been silent for 7.5 s; it waits in the kernel, for its network lock or"
    assert said in status.text(reply).splitlines()[0]


def test_a_process_that_is_not_there_is_no_silent_one() -> None:
    dead = {"name": "vrrp", "pid": 0, "restarts": 3, "lastExit": "signal 11", "forSeconds": 9, "idleSeconds": None}
    reply = FAULTED | {"groups": [], "vrrp": {}, "silent": ["vrrp"], "processes": [dead]}
    lines = status.text(reply).splitlines()
    assert lines[0] == "! groups are not known: the vrrp process does not run (signal 11); it is started again"
    assert "  vrrp: does not run, started again 3 times (signal 11)" in lines
    ending = status.text(reply | {"stopping": True}).splitlines()
    assert ending[0] == "! groups are not known: the vrrp process does not answer: the daemon is ending"


def test_what_groups_were_last_is_in_the_file_of_transitions(tmp_path: Path) -> None:
    path = tmp_path / "transitions.json"
    known = {"since_s": 0.0, "reason": "", "transitions": 1}
    gone = {"web": known | {"state": "Active"}, "given-up": known | {"state": "Initialize"}}
    path.write_text(json.dumps({"transitions": [], "groups": gone}))
    assert status.last_states(path) == [{"group": "web", "state": "Active", "since": "1970-01-01T00:00:00.000Z"}]
