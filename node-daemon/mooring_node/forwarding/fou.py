"""The UDP ports at which the kernel unwraps GUE (shell over generic netlink)."""

import errno
import os
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Self

from mooring_node.forwarding.wanted import GuePort
from mooring_node.kernel import tunnels
from mooring_node.kernel.exchange import Exchange

#: Not in Python's socket module.
NETLINK_GENERIC = 16


class Fou:
    """OSError from any call: the kernel has no fou (ENOENT), or does not answer."""

    def __init__(self) -> None:
        self._exchange = Exchange(NETLINK_GENERIC)
        try:
            answers = self._exchange.ask(tunnels.CONTROL, tunnels.family_request(tunnels.FOU))
            numbers = [tunnels.family_number(each.body) for each in answers if each.kind == tunnels.CONTROL]
            if not numbers or numbers[0] is None:
                raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
        except OSError:
            self._exchange.close()
            raise
        self._number = numbers[0]

    def ports(self) -> frozenset[GuePort]:
        """Where GUE is unwrapped now."""
        found = self._exchange.dump(self._number, tunnels.ports_request(), lambda each: tunnels.parse_port(each.body))
        return frozenset(GuePort(family, port) for family, port, gue in found if gue)

    def add(self, ports: Iterable[GuePort]) -> Mapping[GuePort, str]:
        """Begin at these ports; what was refused, with the reason."""
        refused = {}
        for each in sorted(ports):
            for failure in self._exchange.apply(tunnels.gue_batch(self._number, each.family, each.port, add=True)):
                refused[each] = failure.reason or os.strerror(failure.errno)
        return refused

    def remove(self, ports: Iterable[GuePort]) -> None:
        """End at these ports; one that has ended is fine."""
        for each in sorted(ports):
            self._exchange.apply(tunnels.gue_batch(self._number, each.family, each.port, add=False))

    def close(self) -> None:
        self._exchange.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
