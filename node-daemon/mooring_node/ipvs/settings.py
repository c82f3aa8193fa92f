"""The kernel's settings of IPVS in this network namespace (net.ipv4.vs.*), and which of them hinder (shell)."""

from collections.abc import Mapping
from pathlib import Path

FOLDER = Path("/proc/sys/net/ipv4/vs")

#: What bears on connection sync; linux/Documentation/networking/ipvs-sysctl.rst describes each.
SYNC_SETTINGS = (
    "backup_only",
    "sync_persist_mode",
    "sync_ports",
    "sync_qlen_max",
    "sync_refresh_period",
    "sync_retries",
    "sync_sock_size",
    "sync_threshold",
    "sync_version",
)


def read_settings(names: tuple[str, ...] = SYNC_SETTINGS, folder: Path = FOLDER) -> dict[str, str]:
    """The settings that there are, as the kernel writes them, by name."""
    found = {}
    for name in names:
        try:
            found[name] = " ".join((folder / name).read_text().split())
        except OSError:
            continue
    return found


def hindrances(settings: Mapping[str, str]) -> tuple[str, ...]:
    """What of the settings keeps connections from being synced, in words for people; empty when all is well."""
    found = []
    if settings.get("backup_only", "0") != "0":
        found.append(
            "net.ipv4.vs.backup_only is on: a node that takes in others' connections balances none itself; set it to 0"
        )
    if settings.get("sync_version", "1") == "0":
        found.append("net.ipv4.vs.sync_version is 0: IPv6 and marks are not synced; set it to 1")
    if settings.get("sync_persist_mode", "0") != "0":
        found.append(
            "net.ipv4.vs.sync_persist_mode is on: of persistent services no connections are synced; set it to 0"
        )
    return tuple(found)
