"""The daemon's state as a person reads it at three in the morning."""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mooring_node import status_servers
from mooring_node.agent.transitions import read_groups, read_transitions
from mooring_node.log import timestamp
from mooring_node.vrrp.refusals import Refusal

SHOWN_TRANSITIONS = 10
#: What was refused or claimed longer ago is past: above the longest interval that there is, so that what goes on stays.
TOLD_FOR_S = 300.0
TWO_CLAIM = (
    "two holders, or another device has this address; find who has this MAC: a member that does not hear this node"
    " must, and any other machine has to give the address up"
)
_REFUSALS = {str(each): each for each in Refusal}


def transitions(path: Path) -> list[dict[str, str]]:
    """The last transitions, oldest first."""
    return [asdict(each) for each in read_transitions(path)]


def last_states(path: Path) -> list[dict[str, str]]:
    """What the groups were when the VRRP process last told of them; those that were given up are left out."""
    return [
        {"group": name, "state": each.state, "since": timestamp(each.since_s)}
        for name, each in read_groups(path).items()
        if each.state != "Initialize"
    ]


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
    if not groups and "vrrp" in reply["silent"]:
        return _groups_of_the_silent(reply)
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
                f"{heard['source']} ({heard['priority']}) {_ago(heard)}" if heard else "nobody",
                group["detail"],
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _groups_of_the_silent(reply: dict[str, Any]) -> list[str]:
    """What is known of them from elsewhere: the file of transitions, and the leases on the board."""
    lines = [f"! groups are not known: {_silence(reply, 'vrrp')}"]
    leases = {each["group"]: each["seconds"] for each in reply.get("leases", ())}
    for each in reply.get("lastStates", ()):
        left = leases.get(each["group"])
        held = f"; the kernel drops its addresses in {left} s, unless it goes on" if left is not None else ""
        lines.append(f"  {each['group']} was {each['state']}, since {each['since']}{held}")
    return lines


def _silence(reply: dict[str, Any], name: str) -> str:
    """Why a process that was asked did not answer, and what becomes of it."""
    process: dict[str, Any] = next((each for each in reply["processes"] if each["name"] == name), {})
    if reply.get("stopping"):
        return f"the {name} process does not answer: the daemon is ending"
    if not process.get("pid"):
        return f"the {name} process does not run ({process.get('lastExit') or 'not yet'}); it is started again"
    words, idle, stall = f"the {name} process (pid {process['pid']})", process["idleSeconds"], process["stallSeconds"]
    if idle is None or idle < 1:
        return f"{words} did not answer in time, and goes on; ask again"
    if process.get("waitsInKernel"):
        return f"{words} has been silent for {idle} s; it waits in the kernel, for its network lock or a disk"
    return f"{words} has been silent for {idle} s; it is replaced after {stall} s"


def _wrong(reply: dict[str, Any]) -> list[str]:
    lines = []
    for group in reply["groups"]:
        for fault, remedy in zip(group["faults"], group["remedies"], strict=True):
            lines.append(f"! {group['name']}: {fault}: {remedy}")
        for member in group["members"]:
            lines += [
                f"! {member['name']}: {each['count']} adverts from {each['source']} refused, the last {_ago(each)}:"
                f" {_refusal(each['reason'])}"
                for each in _recent(member["refused"])
            ]
    lines += [_astray(each) for each in _recent(reply["vrrp"].get("astray", ()))]
    for each in _recent(reply["agent"].get("conflicts", ())):
        times = f"{each['count']} times while it was held here, the last {_ago(each)}"
        lines.append(f"! {each['mac']} claimed {each['address']} on {each['interface']} {times}: {TWO_CLAIM}")
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


def _recent(told: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in told if each["secondsAgo"] <= TOLD_FOR_S]


def _refusal(reason: str) -> str:
    """With what it means and what to do, as in the log and in docs/reference/refusals.md."""
    known = _REFUSALS.get(reason)
    return f"{reason}: {known.meaning}; {known.remedy}" if known else reason


def _astray(each: dict[str, Any]) -> str:
    """Only a peer's: strangers with IDs of their own are none of our business."""
    more = f" and {each['moreInstances']} more" if each["moreInstances"] else ""
    return (
        f"! {each['count']} adverts from {each['source']}, a peer of {', '.join(each['instances'])}{more}, came on"
        f" {each['interface']} with virtual router ID {each['virtualRouterID']}, the last {_ago(each)}:"
        f" {Refusal.UNKNOWN_VIRTUAL_ROUTER}: no instance here has it; give both nodes the same"
    )


def _wrong_with_processes(reply: dict[str, Any]) -> list[str]:
    lines = []
    if reply.get("apartSeconds"):
        left = _duration(reply["apartSeconds"])
        lines.append(f"! everything is handed over (hand-over); it takes part again in {left}, unless it is ended")
    # What keeps the groups from being known stands in their place.
    lines += [f"! {_silence(reply, name)}" for name in reply["silent"] if name != "vrrp" or reply["groups"]]
    vrrp = reply["vrrp"]
    if vrrp.get("realTimeWanted") and vrrp["scheduling"] != "real-time":
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
        lines.append(f"  {each['name']}: {_life(each, silent=each['name'] in reply['silent'])}{again}")
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


def _life(process: dict[str, Any], *, silent: bool) -> str:
    if not process["pid"]:
        return "does not run"
    quiet = f", silent for {process['idleSeconds']} s" if silent and process["idleSeconds"] is not None else ""
    return f"pid {process['pid']}, up {_duration(process['forSeconds'])}{quiet}"


def _ago(event: dict[str, Any]) -> str:
    """Tenths of a second where they count."""
    seconds = event["secondsAgo"]
    return f"{seconds:.1f} s ago" if seconds < 60 else f"{_duration(int(seconds))} ago"


def _duration(seconds: int) -> str:
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"
