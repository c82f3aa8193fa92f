"""A group's addresses in the kernel: taken with a lease, renewed, given back; every message built ahead."""

import errno
from collections.abc import Sequence, Set

from mooring_node.kernel.addresses import AddressKey, KernelAddress, LeasedAddress, add_batch, delete_batch, renew_batch
from mooring_node.kernel.netlink import Batch
from mooring_node.kernel.rtnetlink import Failure, Rtnetlink
from mooring_node.units import SECOND_NS
from mooring_node.vrrp.text import naming

#: Each renewal is seen by every netlink listener of the node, so a third of the lease, not oftener.
RENEWALS_IN_LEASE = 3
RETRIES_IN_LEASE = 10


class AddressInUse(Exception):  # noqa: N818 - it names what was found
    """Addresses that were there before us; nothing of the group is left behind."""

    def __init__(self, addresses: tuple[LeasedAddress, ...]) -> None:
        self.addresses = addresses
        self.named = naming(each.address for each in addresses)
        super().__init__(f"{self.named}: set on this node already")


class KernelRefused(Exception):  # noqa: N818 - it names what happened
    """The kernel refused an address for another reason; nothing of the group is left behind."""


class Holdings:
    """What one group may hold, and until when the kernel lets it."""

    def __init__(self, rtnetlink: Rtnetlink, lease_s: int) -> None:
        self._rtnetlink = rtnetlink
        self.lease_s = lease_s
        self.lease_end_ns = 0
        self.renew_at_ns = 0
        self.held: frozenset[AddressKey] = frozenset()
        self.addresses: tuple[LeasedAddress, ...] = ()
        self._build()

    def _build(self) -> None:
        self._add = add_batch(self.addresses, self.lease_s)
        self._renew = renew_batch(self.addresses, self.lease_s)
        self._delete = delete_batch(self.addresses)

    def _lease_runs_until(self, end_ns: int) -> None:
        self.lease_end_ns = end_ns
        self.renew_at_ns = end_ns - self.lease_s * SECOND_NS * (RENEWALS_IN_LEASE - 1) // RENEWALS_IN_LEASE

    def _apply(self, batch: Batch) -> tuple[Failure, ...]:
        """The kernel's refusals; an exchange that failed as a whole is one of them (its first message's)."""
        try:
            return self._rtnetlink.apply(batch)
        except OSError as error:
            return (Failure(0, error.errno or errno.EIO, str(error)),)

    def prepare(self, addresses: Sequence[LeasedAddress], lease_s: int) -> None:
        """Build the messages for another set of addresses; what is held stays held until `change` is called."""
        self.addresses = tuple(addresses)
        self.lease_s = lease_s
        self._build()

    def take(self, now_ns: int) -> None:
        """Add all addresses. AddressInUse or KernelRefused: none of ours is left."""
        failures = self._apply(self._add)
        if not failures:
            self.held = frozenset(address.key for address in self.addresses)
            self._lease_runs_until(now_ns + self.lease_s * SECOND_NS)
            return
        failed = {failure.index for failure in failures}
        ours = [address for index, address in enumerate(self.addresses) if index not in failed]
        self._apply(delete_batch(ours))
        self.held = frozenset()
        _raise(failures, self.addresses)

    def renew(self, now_ns: int) -> None:
        """Let the addresses live another lease, if they are held; call only while the last one runs.

        Where the kernel refuses, the lease is not longer for it: tried again soon, until it ends.
        """
        if not self.held:
            # The kernel would make anew what has been given up.
            return
        if self._apply(self._renew):
            self.renew_at_ns = now_ns + self.lease_s * SECOND_NS // RETRIES_IN_LEASE
            return
        self._lease_runs_until(now_ns + self.lease_s * SECOND_NS)

    def release(self) -> None:
        """Delete what is held; one that is gone already is as it should be."""
        prepared = frozenset(address.key for address in self.addresses)
        if self.held and self.held == prepared:
            self._apply(self._delete)
        elif self.held:
            self._apply(delete_batch([LeasedAddress(*key) for key in self.held]))
        self.held = frozenset()

    def adopt(self, lease_end_ns: int) -> None:
        """The addresses are there already, from our predecessor."""
        self.held = frozenset(address.key for address in self.addresses)
        self._lease_runs_until(lease_end_ns)

    def clear_away(self, left: Sequence[KernelAddress]) -> None:
        """Delete what a predecessor left, but what is held now."""
        stale = [address for address in left if address.key not in self.held]
        if stale:
            self._apply(delete_batch(stale))

    def forget(self, addresses: Set[bytes]) -> None:
        """These are somebody else's now: not ours to delete."""
        self.held = frozenset(key for key in self.held if key[2] not in addresses)

    def keep(self) -> None:
        """Leave the addresses to their lease; they are no longer ours to delete."""
        self.held = frozenset()

    def restore(self, now_ns: int) -> bool:
        """Add again what somebody deleted; False when nothing was missing after all."""
        failures = self._apply(self._add)
        self.renew(now_ns)
        return len(failures) < len(self.addresses)

    def put_behind(self, keys: Set[AddressKey], now_ns: int) -> bool:
        """Take those of `keys` that are held away and set them again, behind the others; False: nothing was done."""
        moved = [address for address in self.addresses if address.key in self.held & keys]
        if not moved or now_ns >= self.lease_end_ns:
            return False
        self._apply(delete_batch(moved))
        self._apply(add_batch(moved, self.lease_s))
        return True

    def drop_all_but(self, kept: Sequence[LeasedAddress]) -> None:
        """Delete what is held and not in `kept`."""
        keys = {address.key for address in kept}
        dropped = [address for address in self.addresses if address.key in self.held and address.key not in keys]
        if dropped:
            self._apply(delete_batch(dropped))
            self.held -= {address.key for address in dropped}

    def change(self, addresses: Sequence[LeasedAddress], lease_s: int, now_ns: int) -> None:
        """Move to another set of addresses while holding: only what differs is touched.

        AddressInUse or KernelRefused: nothing is held any more.
        """
        wanted = {address.key: address for address in addresses}
        # The kernel changes neither label nor scope of an address that is there: such a one goes and comes.
        removed = [each for each in self.addresses if each.key in self.held and wanted.get(each.key) != each]
        stays = self.held - {each.key for each in removed}
        added = [address for address in addresses if address.key not in stays]
        if removed:
            self._apply(delete_batch(removed))
        self.prepare(addresses, lease_s)
        failures = self._apply(add_batch(added, lease_s)) if added else ()
        self.held = frozenset(wanted)
        if failures:
            failed = {added[failure.index].key for failure in failures}
            self._apply(delete_batch([address for address in addresses if address.key not in failed]))
            self.held = frozenset()
            _raise(failures, tuple(added))
        self.renew(now_ns)


def _raise(failures: Sequence[Failure], addresses: Sequence[LeasedAddress]) -> None:
    in_use = tuple(addresses[failure.index] for failure in failures if failure.errno == errno.EEXIST)
    if in_use:
        raise AddressInUse(in_use)
    first = failures[0]
    raise KernelRefused(f"errno {errno.errorcode.get(first.errno, first.errno)} {first.reason}".strip())
