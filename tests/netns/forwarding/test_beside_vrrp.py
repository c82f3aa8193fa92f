"""An address on lo beside the same one that VRRP holds: neither takes the other's for its own."""

import asyncio
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from socket import AF_INET, AF_INET6

import pytest

from mooring_node.balance.config import BackendAddressConfig, BalanceConfig
from mooring_node.forwarding.node import Forwarding
from mooring_node.forwarding.undo import undo_all
from mooring_node.kernel.addresses import LeasedAddress, add_batch, delete_batch, renew_batch
from mooring_node.kernel.rtnetlink import AddressGone, Monitor, Rtnetlink
from mooring_node.ledger import LedgerAddress, undo_addresses
from mooring_node.vrrp.network import Network

pytestmark = pytest.mark.netns

VIPS = {AF_INET: ("10.0.0.100", bytes((10, 0, 0, 100)), 24), AF_INET6: ("fd00::100", b"\xfd" + bytes(13) + b"\1\0", 64)}
LEASE_S = 60


def having(address: str) -> set[str]:
    """The interfaces that have an address, as `name/prefix`."""
    done = subprocess.run(["ip", "-json", "address"], capture_output=True, text=True, check=True)
    return {
        f"{link['ifname']}/{each['prefixlen']}"
        for link in json.loads(done.stdout)
        for each in link["addr_info"]
        if each.get("local") == address
    }


@pytest.mark.parametrize("family", [AF_INET, AF_INET6])
@pytest.mark.parametrize("first", ["lo", "eth0"])
def test_each_has_its_own(own_namespace: Callable[..., None], tmp_path: Path, family: int, first: str) -> None:
    own_namespace("link", "add", "eth0", "type", "veth", "peer", "name", "peer0")
    for name in ("eth0", "peer0"):
        own_namespace("link", "set", name, "up")
    address, packed, prefix = VIPS[family]
    config = BalanceConfig(1, (), (BackendAddressConfig(address, ("eth0",)),))
    path = tmp_path / "forwarding.json"

    async def go() -> None:
        with Rtnetlink() as rtnetlink:
            index = next(link.index for link in rtnetlink.links() if link.name == "eth0")
            held = [LeasedAddress(index, family, packed, prefix)]
            forwarding = Forwarding(path, lambda level, message: pytest.fail(f"{level}: {message}"))
            if first == "eth0":
                assert rtnetlink.apply(add_batch(held, LEASE_S)) == ()
            assert await forwarding.configure(config) == ()
            if first == "lo":
                assert rtnetlink.apply(add_batch(held, LEASE_S)) == ()
            on_lo, on_eth0 = ({f"lo/{8 * len(packed)}"}, {f"eth0/{prefix}"})
            assert having(address) == on_lo | on_eth0
            # VRRP's view: its own is there, nobody else has it, and its renewals leave lo alone.
            network = Network(rtnetlink)
            assert packed not in network.foreign_addresses()
            assert rtnetlink.apply(renew_batch(held, LEASE_S)) == ()
            # It lets go: only its own goes, and it hears of its own alone.
            monitor = Monitor()
            assert rtnetlink.apply(delete_batch(held)) == ()
            gone = [each.address.key for each in monitor.read() if isinstance(each, AddressGone)]
            assert gone == [held[0].key]
            monitor.close()
            assert having(address) == on_lo
            await forwarding.turn()
            assert having(address) == on_lo
            # A crash of both: each undo takes its own.
            assert rtnetlink.apply(add_batch(held, LEASE_S)) == ()
            await forwarding.close(undo=False)
            everything = frozenset(
                LedgerAddress(name, address, bits) for name in ("lo", "eth0") for bits in (prefix, 8 * len(packed))
            )
            assert undo_addresses(rtnetlink, everything) == 1
            assert having(address) == on_lo
            assert rtnetlink.apply(add_batch(held, LEASE_S)) == ()
            assert undo_all(path) == ()
            assert having(address) == on_eth0

    asyncio.run(go())
