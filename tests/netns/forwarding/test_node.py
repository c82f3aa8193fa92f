"""What Forwarding sets on a node, mends and takes away, with the kernel of this machine."""

import asyncio
import errno
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from mooring_node.balance.config import (
    BackendAddressConfig,
    BackendConfig,
    BalanceConfig,
    PortGuardConfig,
    ServerConfig,
    Way,
)
from mooring_node.forwarding.ledger import Entries, ForwardingLedger
from mooring_node.forwarding.node import Forwarding
from mooring_node.forwarding.undo import undo_all
from mooring_node.ipvs.table import Method
from mooring_node.kernel.addresses import RTM_DELADDR, RTM_NEWADDR
from mooring_node.kernel.exchange import Failure
from mooring_node.kernel.links import RTM_SETLINK
from mooring_node.kernel.netlink import Batch, parse
from mooring_node.kernel.rtnetlink import Rtnetlink

pytestmark = [pytest.mark.netns, pytest.mark.usefixtures("node")]

Ip = Callable[..., None]
WEB = ServerConfig(
    name="shop/web:80",
    addresses=("10.0.0.100", "fd00::100"),
    port=80,
    other_directors=("02:00:00:00:00:01",),
    backends=(BackendConfig("10.0.0.2", 80, way=Way(Method.DIRECT_ROUTE)),),
)
ADDRESSES = (BackendAddressConfig("10.0.0.100", ("eth0",)), BackendAddressConfig("fd00::100", ("eth0",)))
GUARD = PortGuardConfig(("10.0.0.100", "fd00::100"), enforce=True, ports=((6, 80), (17, 53)))
EVERYTHING = BalanceConfig(1, (WEB,), ADDRESSES, (GUARD,))
NOTHING = BalanceConfig(2)


def tool(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def on_lo() -> set[str]:
    found = json.loads(tool("ip", "-json", "address", "show", "dev", "lo"))
    return {f"{each['local']}/{each['prefixlen']}" for link in found for each in link["addr_info"]}


def tables() -> str:
    return tool("nft", "list", "tables")


def arp(interface: str = "eth0") -> tuple[str, str]:
    folder = Path("/proc/sys/net/ipv4/conf", interface)
    return (folder / "arp_ignore").read_text().strip(), (folder / "arp_announce").read_text().strip()


class Log(list[str]):
    def __call__(self, level: str, message: str) -> None:
        self.append(f"{level}: {message}")


@pytest.fixture
def node(own_namespace: Ip) -> Ip:
    own_namespace("link", "add", "eth0", "type", "veth", "peer", "name", "peer0")
    own_namespace("link", "set", "eth0", "up")
    return own_namespace


@pytest.fixture
def log() -> Log:
    return Log()


async def serving(folder: Path, log: Log, config: BalanceConfig = EVERYTHING, *, program: str = "nft") -> Forwarding:
    forwarding = Forwarding(folder / "forwarding.json", log, program=program)
    await forwarding.configure(config)
    return forwarding


def test_everything_is_set_and_taken_away_again(tmp_path: Path, log: Log) -> None:
    before = on_lo(), arp(), tables()

    async def go() -> None:
        forwarding = Forwarding(tmp_path / "forwarding.json", log)
        problems = await forwarding.configure(EVERYTHING)
        assert [each.message for each in problems if "net.ipv4.vs" not in each.message] == []
        assert on_lo() - before[0] == {"10.0.0.100/32", "fd00::100/128"}
        assert arp() == ("1", "2")
        assert "table inet mooring" in tables()
        await forwarding.close()

    asyncio.run(go())
    assert (on_lo(), arp(), tables()) == before
    assert ForwardingLedger(tmp_path / "forwarding.json").read() == Entries()


class Steps(list[str]):
    """What is asked of the kernel, in order; `refuse` is an error for settings of interfaces."""

    NAMES: ClassVar = {RTM_SETLINK: "silent", RTM_NEWADDR: "add", RTM_DELADDR: "remove"}

    def __init__(self, monkeypatch: pytest.MonkeyPatch, refuse: int = 0) -> None:
        real = Rtnetlink.apply

        def apply(rtnetlink: Rtnetlink, batch: Batch) -> tuple[Failure, ...]:
            kinds = {each.kind for each in parse(batch.data)}
            self.extend(self.NAMES[kind] for kind in kinds)
            return (Failure(0, refuse),) if refuse and RTM_SETLINK in kinds else real(rtnetlink, batch)

        monkeypatch.setattr(Rtnetlink, "apply", apply)


def test_arp_is_silent_before_the_address_is_there_and_until_it_is_gone(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)

    async def go() -> None:
        forwarding = await serving(tmp_path, log)
        assert steps == ["silent", "silent", "add"]
        steps.clear()
        await forwarding.configure(NOTHING)
        assert steps == ["remove", "silent", "silent"]
        await forwarding.close()

    asyncio.run(go())


def test_where_arp_cannot_be_kept_silent_the_address_is_not_set(
    tmp_path: Path, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    Steps(monkeypatch, errno.EPERM)

    async def go() -> None:
        forwarding = Forwarding(tmp_path / "forwarding.json", log)
        problems = await forwarding.configure(EVERYTHING)
        assert any(each.path == "spec.backendAddresses[0].interfaces" for each in problems)
        assert "10.0.0.100/32" not in on_lo()
        assert "fd00::100/128" in on_lo()
        await forwarding.close()

    asyncio.run(go())


def test_what_is_not_wanted_any_more_goes_and_the_rest_stays(tmp_path: Path, log: Log) -> None:
    before = on_lo(), arp(), tables()

    async def go() -> None:
        forwarding = await serving(tmp_path, log)
        await forwarding.configure(replace(EVERYTHING, backend_addresses=ADDRESSES[1:]))
        assert on_lo() - before[0] == {"fd00::100/128"}
        assert arp() == before[1]
        await forwarding.configure(NOTHING)
        assert (on_lo(), arp(), tables()) == before
        await forwarding.close()

    asyncio.run(go())


def test_a_killed_process_is_taken_over_from_or_undone(tmp_path: Path, log: Log) -> None:
    before = on_lo(), arp(), tables()

    async def go() -> None:
        first = await serving(tmp_path, log)
        handle = tool("nft", "-a", "list", "tables")
        await first.close(undo=False)
        assert on_lo() != before[0]
        second = await serving(tmp_path, log)
        assert log == []
        assert on_lo() - before[0] == {"10.0.0.100/32", "fd00::100/128"}
        assert arp() == ("1", "2")
        assert "table inet mooring" in handle
        await second.close(undo=False)

    asyncio.run(go())
    assert undo_all(tmp_path / "forwarding.json") == ()
    assert (on_lo(), arp(), tables()) == before
    assert undo_all(tmp_path / "forwarding.json") == ()


def test_a_left_table_goes_though_nothing_is_wanted_and_no_ledger_names_it(tmp_path: Path, log: Log) -> None:
    tool("nft", "add", "table", "inet", "mooring")

    async def go() -> None:
        forwarding = await serving(tmp_path, log, NOTHING)
        assert tables() == ""
        await forwarding.close()

    asyncio.run(go())


def test_a_flushed_ruleset_is_found_and_mended_and_others_tables_stay(tmp_path: Path, log: Log) -> None:
    tool("nft", "add", "table", "ip", "his")

    async def go() -> None:
        forwarding = await serving(tmp_path, log)
        await forwarding.turn()
        assert log == []
        tool("nft", "flush", "ruleset")
        tool("nft", "add", "table", "ip", "his")
        await forwarding.turn()
        assert "removed by somebody else" in log[0]
        assert "table inet mooring" in tables()
        await forwarding.configure(NOTHING)
        assert tables() == "table ip his\n"
        await forwarding.close()

    asyncio.run(go())


def test_equal_rules_are_not_written_again(tmp_path: Path, log: Log) -> None:
    async def go() -> None:
        forwarding = await serving(tmp_path, log)
        before = tool("nft", "-a", "list", "table", "inet", "mooring").split("handle")[1]
        await forwarding.configure(replace(EVERYTHING, generation=7))
        await forwarding.turn()
        assert tool("nft", "-a", "list", "table", "inet", "mooring").split("handle")[1] == before
        await forwarding.close()

    asyncio.run(go())


def test_an_address_that_somebody_removed_comes_back(node: Ip, tmp_path: Path, log: Log) -> None:
    async def go() -> None:
        forwarding = await serving(tmp_path, log)
        node("address", "del", "10.0.0.100/32", "dev", "lo")
        await forwarding.turn()
        assert "10.0.0.100/32" in on_lo()
        await forwarding.close()

    asyncio.run(go())


def test_an_address_of_somebody_elses_is_told_and_stays(node: Ip, tmp_path: Path, log: Log) -> None:
    node("address", "add", "10.0.0.100/32", "dev", "lo")

    async def go() -> None:
        forwarding = await serving(tmp_path, log)
        await forwarding.turn()
        await forwarding.close()

    asyncio.run(go())
    assert log == ["info: 10.0.0.100 is on lo already, set by somebody else: it is used, and stays"]
    assert "10.0.0.100/32" in on_lo()
    assert "fd00::100/128" not in on_lo()


def test_an_interface_that_is_made_anew_is_silent_again(node: Ip, tmp_path: Path, log: Log) -> None:
    async def go() -> None:
        forwarding = await serving(tmp_path, log)
        node("link", "del", "eth0")
        node("link", "add", "eth0", "type", "veth", "peer", "name", "peer0")
        assert arp() == ("0", "0")
        await forwarding.turn()
        assert arp() == ("1", "2")
        await forwarding.close()

    asyncio.run(go())


def test_without_the_interface_the_address_is_not_set(node: Ip, tmp_path: Path, log: Log) -> None:
    config = BalanceConfig(1, (), (BackendAddressConfig("10.0.0.100", ("bond7",)), ADDRESSES[1]))

    async def go() -> None:
        forwarding = Forwarding(tmp_path / "forwarding.json", log)
        (problem,) = await forwarding.configure(config)
        assert problem.path == "spec.backendAddresses[0].interfaces"
        assert "bond7" in problem.message
        assert "10.0.0.100/32" not in on_lo()
        assert "fd00::100/128" in on_lo()
        node("link", "add", "bond7", "type", "bridge")
        assert await forwarding.turn() == ()
        assert "10.0.0.100/32" in on_lo()
        assert arp("bond7") == ("1", "2")
        await forwarding.close()

    asyncio.run(go())


def test_a_stricter_setting_of_the_administrators_stays(tmp_path: Path, log: Log) -> None:
    Path("/proc/sys/net/ipv4/conf/eth0/arp_ignore").write_text("2")

    async def go() -> None:
        forwarding = await serving(tmp_path, log)
        assert arp() == ("2", "2")
        await forwarding.close()

    asyncio.run(go())
    assert arp() == ("2", "0")


def test_a_missing_nft_is_a_problem_with_the_remedy(tmp_path: Path, log: Log) -> None:
    async def go() -> None:
        forwarding = Forwarding(tmp_path / "forwarding.json", log, program="/nowhere/nft")
        problems = [each.message for each in await forwarding.configure(EVERYTHING)]
        assert any("no such program" in each and "install nftables" in each for each in problems)
        assert "10.0.0.100/32" in on_lo()
        await forwarding.close()

    asyncio.run(go())


def test_what_nft_refuses_is_told_in_its_words_and_nothing_of_it_is_set(tmp_path: Path, log: Log) -> None:
    wrong = replace(EVERYTHING, port_guards=(PortGuardConfig(("10.0.0.256",), enforce=True),))

    async def go() -> None:
        forwarding = Forwarding(tmp_path / "forwarding.json", log)
        problems = [each.message for each in await forwarding.configure(wrong)]
        assert any("10.0.0.256" in each and "nft could not" in each for each in problems)
        assert tables() == ""
        problems = [each.message for each in await forwarding.configure(EVERYTHING)]
        assert not any("nft could not" in each for each in problems)
        await forwarding.close()

    asyncio.run(go())
