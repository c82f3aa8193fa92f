"""All that a node's kernel shows of its network, so that what was left behind is seen, whatever it is."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from mooring_lab import namespace
from mooring_lab.node import Node

#: What kubelet and the containers' keepers are called; they are no traces of ours.
_OF_THE_LAB = ("mooring_lab.kubelet",)
#: They count what passes, so they differ by themselves.
_COUNTERS = ("nf_conntrack_count", "/route/", "stable_secret", "/tcp_mem", "/udp_mem")
#: How long an address or a route still lives, and when a link was plugged in.
_TICKING = {"valid_life_time", "preferred_life_time", "expires", "used"}

Traces = Mapping[str, frozenset[str]]


def traces(node: Node) -> Traces:
    """Kind of thing to the things of this kind that are there, each as a line."""
    asked: dict[str, Callable[[], Iterable[str]]] = {
        "addresses": lambda: _addresses(_json(node, "ip", "-json", "address")),
        "links": lambda: _lines(_json(node, "ip", "-json", "-details", "link")),
        "routes": lambda: _lines(_json(node, "ip", "-json", "route", "show", "table", "all")),
        "routes of IPv6": lambda: _lines(_json(node, "ip", "-json", "-6", "route", "show", "table", "all")),
        "rules": lambda: _lines(_json(node, "ip", "-json", "rule")),
        "rules of IPv6": lambda: _lines(_json(node, "ip", "-json", "-6", "rule")),
        "multicast groups": lambda: _groups(_json(node, "ip", "-json", "maddress")),
        "queueing": lambda: _lines(_json(node, "tc", "-json", "qdisc")),
        "nftables": lambda: _ruleset(_json(node, "nft", "--json", "list", "ruleset")),
        "settings": lambda: _settings(node),
        "IPVS": lambda: node.exec("sh", "-c", "cat /proc/net/ip_vs 2>/dev/null").stdout.splitlines(),
        "processes": lambda: _processes(node),
    }
    return {kind: frozenset(read()) for kind, read in asked.items()}


def left_behind(before: Traces, after: Traces) -> dict[str, list[str]]:
    """What differs, by kind: `+` has come, `-` has gone. A setting whose module came meanwhile is none."""
    found = {}
    for kind in before:
        come, gone = after[kind] - before[kind], before[kind] - after[kind]
        if kind == "settings":
            known = {line.partition("=")[0] for line in before[kind]}
            come = frozenset(line for line in come if line.partition("=")[0] in known)
        if come or gone:
            found[kind] = [*(f"+ {line}" for line in sorted(come)), *(f"- {line}" for line in sorted(gone))]
    return found


def _json(node: Node, *command: str) -> list[dict[str, Any]]:
    done = node.exec(*command)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    document = json.loads(done.stdout or "[]")
    listed: list[dict[str, Any]] = document["nftables"] if isinstance(document, dict) else document
    return listed


def _lines(items: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    return (json.dumps({k: v for k, v in item.items() if k not in _TICKING}, sort_keys=True) for item in items)


def _addresses(links: Iterable[dict[str, Any]]) -> Iterable[str]:
    for link in links:
        yield from _lines({"dev": link["ifname"], **each} for each in link.get("addr_info") or ())


def _groups(links: Iterable[dict[str, Any]]) -> Iterable[str]:
    for link in links:
        yield from _lines({"dev": link["ifname"], **each} for each in link.get("maddr") or ())


def _ruleset(items: Iterable[dict[str, Any]]) -> Iterable[str]:
    return _lines(item for item in items if "metainfo" not in item)


def _settings(node: Node) -> Iterable[str]:
    shown = node.exec("sh", "-c", "cd /proc/sys/net && grep -r . . 2>/dev/null").stdout
    for line in shown.splitlines():
        name, _, value = line.partition(":")
        if not any(word in name for word in _COUNTERS):
            yield f"{name}={value}"


def _processes(node: Node) -> Iterable[str]:
    for each in namespace.members(node.namespace):
        try:
            words = Path(f"/proc/{each.pid}/cmdline").read_text().replace("\0", " ").strip()
        except OSError:
            continue  # it has ended meanwhile
        if not any(name in words for name in _OF_THE_LAB):
            yield f"{each.pid} {words}"
