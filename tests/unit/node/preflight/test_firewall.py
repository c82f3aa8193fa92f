"""Rules in the words of nft's lists, and what becomes of an advert."""

from typing import Any

import pytest

from mooring_node.preflight.firewall import INCOMING, OUTGOING, Dropped, Ruleset
from mooring_node.preflight.packets import Packet

IN = Packet(4, "10.0.0.2", "10.0.0.1", incoming="eth0")
OUT = Packet(4, "10.0.0.1", "10.0.0.2", outgoing="eth0")
GROUP = Packet(6, None, "ff02::12", incoming="eth0")

ACCEPT, DROP = {"accept": None}, {"drop": None}


def match(left: Any, right: Any, op: str = "==") -> dict[str, Any]:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str, right: Any, op: str = "==") -> dict[str, Any]:
    return match({"meta": {"key": key}}, right, op)


def payload(protocol: str, field: str, right: Any, op: str = "==") -> dict[str, Any]:
    return match({"payload": {"protocol": protocol, "field": field}}, right, op)


def state(*names: str) -> dict[str, Any]:
    return match({"ct": {"key": "state"}}, list(names), "in")


def chain(name: str = "input", hook: str | None = "input", policy: str = "accept", prio: int = 0, **more: Any) -> Any:
    base = {"type": "filter", "hook": hook, "prio": prio, "policy": policy} if hook else {}
    return {"chain": {"family": "inet", "table": "t", "name": name, **base, **more}}


def rule(*statements: Any, of: str = "input") -> Any:
    return {"rule": {"family": "inet", "table": "t", "chain": of, "expr": list(statements)}}


def drops(*entries: Any, packet: Packet = IN) -> list[bool]:
    """Whether surely, for each place where it is or may be dropped."""
    hooks = INCOMING if packet.outgoing is None else OUTGOING
    return [each.surely for each in Ruleset(entries).drops(packet, hooks)]


def test_without_rules_all_pass() -> None:
    assert drops() == []
    assert drops(chain()) == []


def test_a_policy_drops_what_nobody_accepts_and_says_so() -> None:
    (found,) = Ruleset([chain(policy="drop")]).drops(IN, INCOMING)
    assert found == Dropped("the chain inet t input drops what no rule of it accepts", surely=True)
    assert drops(chain(policy="drop"), rule(meta("l4proto", "vrrp"), ACCEPT)) == []


PASSES = {
    "by number": (meta("l4proto", 112),),
    "by a set": (meta("l4proto", {"set": ["tcp", "vrrp"]}),),
    "by the header": (payload("ip", "protocol", "vrrp"),),
    "by all but others": (meta("l4proto", "tcp", "!="),),
    "by the sender": (payload("ip", "saddr", {"prefix": {"addr": "10.0.0.0", "len": 24}}),),
    "by a range": (payload("ip", "daddr", {"range": ["10.0.0.1", "10.0.0.9"]}),),
    "by a named set": (payload("ip", "saddr", "@peers"),),
    "by the interface": (meta("iifname", "eth0"), meta("nfproto", "ipv4")),
    "by its pattern": (meta("iifname", "eth*"),),
    "by its kind": (meta("pkttype", "host"),),
    "by the target's kind": (match({"fib": {"result": "type", "flags": ["daddr"]}}, "local"),),
    "by its state": (state("new", "established"),),
    "after a count": ({"counter": {"packets": 0, "bytes": 0}}, {"log": None}),
    "after a comment": ({"xt": {"type": "match", "name": "comment"}},),
}
MISSES = {
    "another protocol": (meta("l4proto", "tcp"),),
    "another header": (payload("tcp", "dport", 22),),
    "another family": (payload("ip6", "saddr", {"prefix": {"addr": "fe80::", "len": 10}}),),
    "another sender": (payload("ip", "saddr", "10.0.0.3"),),
    "all but this sender": (payload("ip", "saddr", "10.0.0.2", "!="),),
    "another interface": (meta("iifname", "lo"),),
    "established alone": (state("established", "related"),),
    "unknown, and another protocol": (meta("mark", 1), meta("l4proto", "tcp")),
}
UNKNOWN = {
    "a mark": (meta("mark", 1),),
    "a part of it": (match({"&": [{"meta": {"key": "mark"}}, 1]}, 1),),
    "a limit": ({"limit": {"rate": 1}},),
    "an extension": ({"xt": {"type": "match", "name": "recent"}},),
    "a comparison": (meta("l4proto", 100, ">"),),
    "a set that is not told": (payload("ip", "saddr", "@nowhere"),),
}


@pytest.mark.parametrize("statements", PASSES.values(), ids=PASSES)
def test_what_matches_surely(statements: Any) -> None:
    peers = {"set": {"family": "inet", "table": "t", "name": "peers", "elem": ["10.0.0.2"]}}
    assert drops(peers, chain(policy="drop"), rule(*statements, ACCEPT)) == []
    assert drops(peers, chain(), rule(*statements, DROP)) == [True]


@pytest.mark.parametrize("statements", MISSES.values(), ids=MISSES)
def test_what_surely_does_not_match(statements: Any) -> None:
    assert drops(chain(policy="drop"), rule(*statements, ACCEPT)) == [True]
    assert drops(chain(), rule(*statements, DROP)) == []


@pytest.mark.parametrize("statements", UNKNOWN.values(), ids=UNKNOWN)
def test_what_cannot_be_told_leaves_both_ways_open(statements: Any) -> None:
    assert drops(chain(policy="drop"), rule(*statements, ACCEPT)) == [False]
    assert drops(chain(), rule(*statements, DROP)) == [False]
    assert drops(chain(), rule(*statements, ACCEPT), rule(DROP)) == [False]
    # What comes after an acceptance that is sure is not met.
    assert drops(chain(), rule(ACCEPT), rule(*statements, DROP)) == []


def test_chains_are_gone_into_and_come_back_from() -> None:
    others = chain("others", None)
    assert drops(chain(), others, rule({"jump": {"target": "others"}}), rule(DROP, of="others")) == [True]
    back = (rule({"jump": {"target": "others"}}), rule(ACCEPT), rule({"return": None}, of="others"))
    assert drops(chain(policy="drop"), others, *back) == []
    gone = (rule({"goto": {"target": "others"}}), rule(ACCEPT), rule({"return": None}, of="others"))
    assert drops(chain(policy="drop"), others, *gone) == [True]
    round_about = (rule({"jump": {"target": "others"}}), rule({"jump": {"target": "others"}}, of="others"))
    assert drops(chain(), others, *round_about) == []
    assert drops(chain(policy="drop"), rule({"jump": {"target": "nowhere"}})) == [True]


def test_verdicts_by_a_map() -> None:
    def mapped(*pairs: Any) -> Any:
        return rule({"vmap": {"key": {"ct": {"key": "state"}}, "data": {"set": list(pairs)}}})

    assert drops(chain(), mapped(["invalid", DROP], ["new", ACCEPT]), rule(DROP)) == []
    assert drops(chain(), mapped(["invalid", ACCEPT], ["new", DROP])) == [True]
    assert drops(chain(), mapped(["invalid", DROP]), rule(DROP)) == [True]


def test_what_is_not_tracked_is_not_new() -> None:
    raw = chain("raw", "prerouting", prio=-300)
    strict = (chain(policy="drop"), rule(state("new"), ACCEPT))
    assert drops(raw, *strict) == []
    assert drops(raw, rule({"notrack": None}, of="raw"), *strict) == [True]
    assert drops(raw, rule(meta("mark", 1), {"notrack": None}, of="raw"), *strict) == [False]


def test_hooks_are_passed_in_order_and_a_sure_end_is_the_end() -> None:
    early = chain("early", "prerouting", policy="drop", prio=-150)
    assert drops(early, chain(policy="drop")) == [True]
    assert drops(
        chain("a", policy="drop"), rule(meta("mark", 1), ACCEPT, of="a"), chain("b", policy="drop", prio=1)
    ) == [
        False,
        True,
    ]


def test_what_goes_out_passes_other_hooks() -> None:
    out = chain("output", "output", policy="drop")
    assert drops(out) == []
    assert drops(out, packet=OUT) == [True]
    assert drops(out, rule(meta("oifname", "eth0"), ACCEPT, of="output"), packet=OUT) == []


def test_multicast_has_no_known_sender() -> None:
    strict = chain(policy="drop")
    assert drops(strict, rule(payload("ip6", "saddr", "fe80::1"), ACCEPT), packet=GROUP) == [False]
    assert drops(strict, rule(payload("ip6", "daddr", "ff02::12"), ACCEPT), packet=GROUP) == []
    assert drops(strict, rule(meta("pkttype", "multicast"), ACCEPT), packet=GROUP) == []


def test_bridges_and_translation_are_none_of_its_business() -> None:
    assert drops(chain(family="bridge", policy="drop")) == []
    assert drops(chain(type="nat", policy="drop")) == []
