"""Virtual servers as a person reads them at three in the morning: what is wrong first, a page at most."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

#: Lines of servers; those that are well are only counted once these are full.
SHOWN_SERVERS = 40
#: Of one server, those that are not up.
SHOWN_BACKENDS = 5

_HEAD = ("VIRTUAL SERVER", "FAMILY", "QUORUM", "UP", "DOWN", "DRAINING", "")


def table(balance: Mapping[str, Any]) -> list[str]:
    """One line for each server, and below it who is not up; nothing where nothing is balanced."""
    if not balance.get("wanted"):
        return []
    listed = balance["listed"]
    shown = listed[:SHOWN_SERVERS]
    rows = [_HEAD, *(_row(report) for report in shown)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = []
    for number, row in enumerate(rows):
        lines.append("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        lines += _backends(shown[number - 1]) if number else []
    if not listed:
        return ["Virtual servers are configured; nothing is known of them yet."]
    more = balance["servers"] - len(shown)
    if more > 0:
        well = max(0, balance["well"] - sum(_is_well(report) for report in shown))
        lines.append(f"and {more} more, {well} of them well")
    return lines


def wrong(balance: Mapping[str, Any]) -> Iterator[str]:
    """What keeps something from being balanced, and what to do."""
    for problem in balance.get("problems", ()):
        yield f"! {problem}"
    if balance.get("moreProblems"):
        yield f"! and {balance['moreProblems']} more of what is balanced; the log has them"
    for report in filter(_unreachable, balance.get("listed", ())):
        weights = report["weights"]
        words = out_of_reach(weights["needed"], weights["backends"], weights["all"])
        yield f"! {report['name']} {report['family']}: {words}"
    proxy = balance.get("kubeProxy") or {}
    if proxy.get("removesServices"):
        yield (
            "! kube-proxy deleted IPVS services that are not its own; name the virtual addresses in its"
            " ipvs.excludeCIDRs"
        )
    if proxy.get("answersArp"):
        yield "! kube-proxy lets every interface answer ARP for its addresses; set its ipvs.strictARP: true"


def out_of_reach(needed: int, backends: int, weight: int) -> str:
    """A quorum that there never is, in words."""
    return f"quorum.up needs {needed}, all {backends} backends together have {weight}: lower quorum.up"


def summary(balance: Mapping[str, Any]) -> list[str]:
    """What runs, for the lines about the daemon."""
    if not balance.get("wanted"):
        return []
    proxy = balance.get("kubeProxy")
    beside = f"; kube-proxy is in {proxy['mode']} mode" if proxy else ""
    runs = balance["runs"]
    taken = "" if runs == balance["generation"] else f" ({runs} runs)" if runs else " (none runs yet)"
    what = f"{balance['well']} of {balance['servers']} virtual servers are well"
    return [f"  balancing {balance['generation']}{taken}: {what}{beside}"]


def _is_well(report: Mapping[str, Any]) -> bool:
    return bool(report["quorum"]) and not report["down"] and not report["sorry"]


def _quorum(report: Mapping[str, Any]) -> str:
    if report["quorum"]:
        return "yes"
    weights = report.get("weights")
    return f"NO ({weights['up']} of {weights['needed']})" if weights else "NO"


def _unreachable(report: Mapping[str, Any]) -> bool:
    weights = report.get("weights") or {"all": 0, "needed": 0}
    return not report["quorum"] and bool(0 < weights["all"] < weights["needed"])


def _row(report: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        report["name"],
        report["family"],
        _quorum(report),
        str(report["up"]),
        str(report["down"]),
        str(report["draining"]),
        "the sorry server answers" if report["sorry"] else "",
    )


def _backends(report: Mapping[str, Any]) -> Iterator[str]:
    found: Sequence[Mapping[str, Any]] = [each for each in report.get("backends", ()) if each["state"] != "Up"]
    for each in found[:SHOWN_BACKENDS]:
        address = f"[{each['address']}]" if ":" in each["address"] else each["address"]
        where = f"{address}:{each['port']}" if each["port"] else address
        host = f" ({each['host']})" if each.get("host") else ""
        since = f" since {each['sinceTime']}" if each.get("sinceTime") else ""
        why = f": {each['reason']}" if each.get("reason") else ""
        yield f"    {where}{host} {each['state'].lower()}{since}{why}"
    more = report["down"] + report["draining"] - len(found[:SHOWN_BACKENDS])
    if more > 0:
        yield f"    and {more} more that are not up"
