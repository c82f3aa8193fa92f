"""A kernel for the tests of the VRRP process: it keeps the addresses that a batch sets."""

import errno
import struct

import pytest

from mooring_node.kernel.addresses import AddressKey
from mooring_node.kernel.netlink import NLM_F_EXCL, NLM_F_REPLACE, Batch, attributes
from mooring_node.kernel.rtnetlink import Failure

RTM_DELADDR = 21
IFA_LOCAL, IFA_CACHEINFO = 2, 6


class Kernel:
    """Addresses by key with their lifetime in seconds, and the messages that came, in order."""

    def __init__(self) -> None:
        self.addresses: dict[AddressKey, int] = {}
        self.refuses: dict[AddressKey, int] = {}
        self.done: list[tuple[str, AddressKey]] = []
        self.deaf = False

    def apply(self, batch: Batch) -> tuple[Failure, ...]:
        if self.deaf:
            raise TimeoutError(errno.ETIMEDOUT, "no answer")
        failures = []
        for part in batch.parts:
            offset = 0
            while offset < len(part.data):
                length, kind, flags, sequence, _ = struct.unpack_from("=IHHII", part.data, offset)
                body = part.data[offset + 16 : offset + length]
                offset += length + 3 & ~3
                code = self._one(kind, flags, body)
                if code:
                    failures.append(Failure(sequence - 1, code))
        return tuple(failures)

    def _one(self, kind: int, flags: int, body: bytes) -> int:
        family, prefix, _, _, index = struct.unpack_from("=BBBBI", body)
        members = attributes(body, 8)
        key = (index, family, members[IFA_LOCAL], prefix)
        if kind == RTM_DELADDR:
            self.done.append(("delete", key))
            return 0 if self.addresses.pop(key, None) is not None else errno.EADDRNOTAVAIL
        verb = "add" if flags & NLM_F_EXCL else "renew"
        assert verb == "add" or flags & NLM_F_REPLACE
        self.done.append((verb, key))
        if key in self.refuses:
            return self.refuses[key]
        if verb == "add" and key in self.addresses:
            return errno.EEXIST
        self.addresses[key] = struct.unpack_from("=IIII", members[IFA_CACHEINFO])[1]
        return 0

    def said(self) -> list[tuple[str, int]]:
        """What was done since the last call: verb and last byte of the address."""
        done = [(verb, key[2][-1]) for verb, key in self.done]
        self.done.clear()
        return done


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()
