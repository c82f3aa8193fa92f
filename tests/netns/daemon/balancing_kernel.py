"""`mooring-node` on a kernel that balances: its IPVS is a table in memory, so that tests of what follows from quorums
run also where the real one has no IPVS. A program: `python balancing_kernel.py run ...`."""

import sys
from collections.abc import Iterable, Mapping, Sequence

from mooring_node import main
from mooring_node.balance import assembly
from mooring_node.ipvs.decode import DestinationEntry, ServiceEntry
from mooring_node.ipvs.diff import Operation
from mooring_node.ipvs.kernel import Failure, Ipvs
from mooring_node.ipvs.sync import SyncDaemon
from mooring_node.ipvs.table import DestinationKey, ServiceKey


class Willing(Ipvs):
    """Takes whatever it is told, and says that it was empty before."""

    def find(self, _keys: Iterable[ServiceKey]) -> Mapping[ServiceKey, ServiceEntry]:
        return {}

    def destinations(self, _key: ServiceKey) -> Mapping[DestinationKey, DestinationEntry]:
        return {}

    def apply(self, _operations: Sequence[Operation]) -> tuple[Failure, ...]:
        return ()

    def sync_daemons(self) -> tuple[SyncDaemon, ...]:
        return ()


if __name__ == "__main__":
    setattr(assembly, "Ipvs", Willing)  # noqa: B010 - the name is not exported
    sys.exit(main.main())
