"""An rtnetlink that has links, refuses nothing and keeps what it was sent."""

from mooring_node.kernel.addresses import KernelAddress
from mooring_node.kernel.exchange import Failure
from mooring_node.kernel.links import Link
from mooring_node.kernel.netlink import Batch
from mooring_node.kernel.rtnetlink import Rtnetlink


class FakeRtnetlink(Rtnetlink):
    """It has no socket; `sent` holds the batches that had something in them."""

    def __init__(self, *links: Link) -> None:
        self._links = links
        self.sent: list[Batch] = []

    def apply(self, batch: Batch) -> tuple[Failure, ...]:
        if batch.count:
            self.sent.append(batch)
        return ()

    def addresses(self) -> tuple[KernelAddress, ...]:
        return ()

    def links(self) -> tuple[Link, ...]:
        return self._links
