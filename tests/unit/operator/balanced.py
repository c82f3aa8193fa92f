"""A small cluster that balances, on a FakeApi: nodes that hold and report, endpoints that come and go."""

from collections.abc import Sequence
from typing import Any

from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.running import Running
from tests.unit.operator.serving import endpoint_slice, namespace, virtual_server

from mooring_api.virtualserver_status import MAX_LISTED_BACKENDS
from mooring_operator.cluster.view import Endpoints
from mooring_operator.plan.endpoints import endpoint_slice as read

Document = dict[str, Any]
KEY = "shop/shop"
ENTRY = "shop/shop:https"
BACKENDS = ("10.1.0.1", "10.1.0.2", "10.1.0.3")


def node(name: str, *, ready: bool = True) -> Document:
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"conditions": conditions}}


def virtual_ip(**spec: Any) -> Document:
    return {
        "apiVersion": "mooring.dev/v1alpha1",
        "kind": "VirtualIP",
        "metadata": {"name": "web", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"addresses": [{"address": "10.0.0.100/24"}], "allowedNamespaces": {"from": "All"}} | spec,
    }


def down(address: str, reason: str = "connection refused", since: str = "2026-01-01T00:00:00Z") -> Document:
    return {"address": address, "port": 8443, "state": "Down", "reason": reason, "sinceTime": since}


class Balanced:
    """VirtualIP `web` on n1 and n2, and VirtualServer `shop/shop` over the Service of that name."""

    def __init__(self, *more: Document, server: Document | None = None, **spec: Any) -> None:
        server = server or virtual_server(KEY)
        self.api = FakeApi([node("n1"), node("n2"), virtual_ip(**spec), namespace("shop"), server, *more])
        self.running = Running(self.api)
        self.states: dict[str, str] = {"n1": "Active", "n2": "Backup"}
        self.downs: tuple[Document, ...] = ()
        self.more: dict[str, Any] = {}
        """What every node says beside that."""
        self.slices: dict[str, tuple[Document, ...]] = {KEY: (endpoint_slice(KEY, BACKENDS),)}
        self.hear()

    def hear(self, trouble: str = "") -> None:
        """What is known of endpoints from now on."""
        found = {
            service: tuple(made for each in slices if (made := read(each))) for service, slices in self.slices.items()
        }
        self.running.endpoints = Endpoints(found, trouble)

    def endpoints(self, *addresses: str) -> None:
        self.slices[KEY] = (endpoint_slice(KEY, addresses),)
        self.hear()

    def report(self, name: str, **more: Any) -> None:
        """The node's daemon confirms what it was given, and says how it is."""
        spec = self.api.get("NodeConfig", name)["spec"]
        states = [
            {"name": i["name"], "state": self.states[name], "sinceTime": "t", "priority": 1, "transitions": 1}
            for i in spec.get("instances", ())
        ]
        reports = [
            self.server_report(entry, family=family)
            for entry in spec.get("virtualServers", ())
            for family in sorted({"IPv6" if ":" in address else "IPv4" for address in entry["addresses"]})
        ]
        given = {"instances": states, "virtualServers": reports} | self.more | more
        self.api.report(name, {"eth0": [f"10.0.0.{name[1:]}/24", f"2001:db8::{name[1:]}/64"]}, **given)

    def server_report(self, entry: Document, family: str = "IPv4", **fields: Any) -> Document:
        """As the balancer says it: those in `downs` are down."""
        six = family == "IPv6"
        own = [backend["address"] for backend in entry["backends"] if (":" in backend["address"]) is six]
        fallen = [each for each in self.downs if each["address"] in own]
        up = [{"address": a, "port": 8443, "state": "Up"} for a in own if a not in {each["address"] for each in fallen}]
        quorum = bool(up)
        found = {"name": entry["name"], "family": family, "quorum": quorum, "up": len(up), "down": len(fallen)}
        return found | {"backends": [*fallen, *up][:MAX_LISTED_BACKENDS]} | fields

    def settle(self) -> "Balanced":
        """Operator and daemons, until nobody has anything new."""
        for _ in range(20):
            self.running.settle()
            before = dict(self.api.objects)
            for name in self.states:
                self.report(name)
            self.running.settle()
            if self._alike(before):
                return self
        raise AssertionError("it never settles")

    def _alike(self, before: dict[tuple[str, str], Document]) -> bool:
        for key, document in self.api.objects.items():
            old = before.get(key, {})
            if (old.get("spec"), old.get("status")) != (document.get("spec"), document.get("status")):
                return False
        return True

    # -- what came of it

    def entries(self, name: str) -> list[Document]:
        return self.api.get("NodeConfig", name)["spec"].get("virtualServers", [])

    def backends(self, name: str) -> Sequence[str]:
        return [backend["address"] for entry in self.entries(name) for backend in entry["backends"]]

    def status(self, key: str = KEY) -> Document:
        return self.api.get("VirtualServer", key).get("status", {})

    def condition(self, kind: str, key: str = KEY) -> tuple[str, str, str]:
        """Status, reason and message."""
        found = next(each for each in self.status(key)["conditions"] if each["type"] == kind)
        return found["status"], found["reason"], found["message"]

    def reason(self, kind: str, key: str = KEY) -> str:
        return self.condition(kind, key)[1]

    def events(self) -> list[str]:
        """Those of VirtualServers that were written with their statuses, in order."""
        return [f"{one.reason}: {one.message}" for w in self.api.log if w.kind == "VirtualServer" for one in w.news]
