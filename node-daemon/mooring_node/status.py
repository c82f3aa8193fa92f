"""The daemon's state as a person reads it at three in the morning."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mooring_node import status_servers
from mooring_node.agent.transitions import read_transitions

SHOWN_TRANSITIONS = 10


def transitions(path: Path) -> list[dict[str, str]]:
    """The last transitions, oldest first."""
    return [asdict(each) for each in read_transitions(path)]


def text(reply: dict[str, Any]) -> str:
    """What holds, what is wrong and what to do, in this order."""
    balance = reply["agent"].get("balance") or {}
    servers = status_servers.table(balance)
    lines = [
        *_groups(reply),
        "",
        *([*servers, ""] if servers else []),
        *_wrong(reply),
        *_processes(reply),
        "",
        "Last transitions:",
    ]
    for each in reply["transitions"][-SHOWN_TRANSITIONS:]:
        lines.append(f"  {each['time']}  {each['group']}  {each['before']} -> {each['after']}  {each['reason']}")
    return "\n".join(lines)


def _groups(reply: dict[str, Any]) -> list[str]:
    groups = reply["groups"]
    if reply["agent"].get("checksOnly"):
        return ["No VRRP is spoken (--checks-only)."]
    if not groups:
        return ["No groups are configured."]
    rows = [("GROUP", "STATE", "FOR", "VRID", "PRIORITY", "HELD", "LAST HEARD", "")]
    for group in groups:
        heard = group["lastHeard"]
        vrids = sorted({str(member["virtualRouterID"]) for member in group["members"]})
        rows.append(
            (
                group["name"],
                group["state"],
                _duration(group["forSeconds"]),
                ",".join(vrids),
                str(group["priority"]),
                str(len(group["heldAddresses"])),
                f"{heard['source']} ({heard['priority']})" if heard else "nobody",
                group["detail"],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _wrong(reply: dict[str, Any]) -> list[str]:
    lines = []
    for group in reply["groups"]:
        for fault, remedy in zip(group["faults"], group["remedies"], strict=True):
            lines.append(f"! {group['name']}: {fault}: {remedy}")
        for member in group["members"]:
            for each in member["refused"]:
                lines.append(
                    f"! {member['name']}: {each['count']} adverts from {each['source']} refused: {each['reason']}"
                )
    for each in reply["agent"].get("conflicts", []):
        times = f"{each['count']} times while it was held here"
        lines.append(f"! {each['mac']} claimed {each['address']} on {each['interface']} {times}")
    configuration = reply["agent"].get("configuration", {})
    for problem in configuration.get("problems", []):
        lines.append(f"! {problem}")
    if configuration.get("moreProblems"):
        lines.append(f"! and {configuration['moreProblems']} more; the log has them")
    lines += status_servers.wrong(reply["agent"].get("balance") or {})
    lines += _wrong_with_api(reply["agent"].get("api") or {})
    lines += [f"! {found}" for found in reply["agent"].get("preflight", [])]
    lines += _wrong_with_processes(reply)
    return [*lines, ""] if lines else lines


def _wrong_with_processes(reply: dict[str, Any]) -> list[str]:
    lines = []
    if reply.get("apartSeconds"):
        left = _duration(reply["apartSeconds"])
        lines.append(f"! everything is handed over (hand-over); it takes part again in {left}, unless it is ended")
    lines += [f"! the {name} process did not answer in time" for name in reply["silent"]]
    if reply["vrrp"].get("scheduling", "real-time") != "real-time":
        lines.append("! real-time priority was refused: grant CAP_SYS_NICE")
    return lines


def _wrong_with_api(api: dict[str, Any]) -> list[str]:
    if not api:
        return []
    lines = [f"! {remark}" for remark in api["remarks"]]
    heard = api["nodeConfig"]
    if not heard["connected"]:
        why = f": {heard['error']}" if heard["error"] else ""
        lines.append(f"! the API server is not heard{why}; what runs goes on")
    elif api["absence"]:
        lines.append(f"! NodeConfig {api['node']} {api['absence']}; what runs goes on")
    return lines


def _processes(reply: dict[str, Any]) -> list[str]:
    lines = [f"Configuration {_configuration(reply['agent'])}, maintenance {'on' if reply['maintenance'] else 'off'}"]
    lines += _api(reply["agent"].get("api") or {})
    lines += status_servers.summary(reply["agent"].get("balance") or {})
    for each in reply["processes"]:
        again = f", started again {each['restarts']} times ({each['lastExit']})" if each["restarts"] else ""
        lines.append(f"  {each['name']}: pid {each['pid']}, up {_duration(each['forSeconds'])}{again}")
    worst = reply["vrrp"].get("lateness", {}).get("worstNs")
    if worst is not None:
        lines.append(f"  latest wake-up of the VRRP loop: {worst / 1e6:.1f} ms")
    return lines


def _configuration(agent: dict[str, Any]) -> str:
    """Its number and where it comes from."""
    configuration = agent.get("configuration", {})
    number, file, api = configuration.get("generation", "unknown"), configuration.get("file"), agent.get("api")
    judging = "; another is being judged" if configuration.get("judging") else ""
    if api is None:
        return f"{number} from {file}{judging}" if file else f"{number}{judging}"
    written, runs = api["generation"], api["observedGeneration"]
    generation = "last good one" if written is None else f"generation {written}"
    waits = "" if written is None or written == runs else f" (generation {runs} runs)" if runs else " (not confirmed)"
    return f"{number} from NodeConfig {api['node']}, {generation}{waits}{judging}"


def _api(api: dict[str, Any]) -> list[str]:
    """The way to the API server and the keys, which are told of by name."""
    if not api:
        return []
    heard = api["nodeConfig"]
    since = _duration(heard["forSeconds"])
    lines = [f"  API server {api['server'] or 'unknown'}: {'heard' if heard['connected'] else 'not heard'} for {since}"]
    for each in api["credentials"]:
        kept = ", ".join(each["versions"]) or "none"
        lines.append(f"  key {each['name']}: states {kept}")
    return lines


def _duration(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
