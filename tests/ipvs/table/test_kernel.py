"""What we set is what another program finds, and the other way round; a refusal names what was refused."""

import errno
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from pyroute2 import IPVS, IPVSService
from tests.ipvs.table.written import lines
from tests.unit.node.ipvs.tables import DNS, MARK, ONE, THREE, TWO, WEB, WEB6, balanced

from mooring_node.ipvs import settings
from mooring_node.ipvs.diff import Action, Operation, diff, same
from mooring_node.ipvs.kernel import Ipvs
from mooring_node.ipvs.sync import Role, SyncDaemon, both_roles
from mooring_node.ipvs.table import (
    SCTP,
    Balanced,
    Destination,
    DestinationKey,
    Method,
    Service,
    ServiceFlag,
    ServiceKey,
    Table,
    TunnelFlag,
    TunnelKind,
)

SCHEDULERS = "rr wrr lc wlc lblc lblcr sh mh dh sed nq fo ovf twos".split()
SET_UP = [
    Balanced(Service("mh", ServiceFlag.PERSISTENT | ServiceFlag.SCHEDULER_1 | ServiceFlag.SCHEDULER_2, 300, 24)),
    Balanced(Service("sh", ServiceFlag.SCHEDULER_1)),
    Balanced(Service("rr", ServiceFlag.PERSISTENT, 1, 32)),
    Balanced(Service("rr", ServiceFlag.PERSISTENT, 1, 32, "sip")),
    Balanced(Service("rr", ServiceFlag.SCHEDULER_1 | ServiceFlag.SCHEDULER_2 | ServiceFlag.SCHEDULER_3)),
    Balanced(Service("rr")),
]
WAYS = [
    Destination(1),
    Destination(0, Method.DIRECT_ROUTE),
    Destination(65535, Method.TUNNEL),
    Destination(2, Method.TUNNEL, tunnel=TunnelKind.GUE, tunnel_port=6080),
    Destination(2, Method.TUNNEL, tunnel=TunnelKind.GUE, tunnel_port=1, tunnel_flags=TunnelFlag.CHECKSUM),
    Destination(2, Method.TUNNEL, tunnel=TunnelKind.GUE, tunnel_port=65535, tunnel_flags=TunnelFlag.REMOTE_CHECKSUM),
    Destination(3, Method.TUNNEL, tunnel=TunnelKind.GRE),
    Destination(3, Method.TUNNEL, tunnel=TunnelKind.GRE, tunnel_flags=TunnelFlag.CHECKSUM),
    Destination(4, upper=100),
    Destination(4, upper=0x7FFFFFFF, lower=0x7FFFFFFF),
    Destination(4, upper=100, lower=50),
]
EVERYTHING: dict[ServiceKey, Balanced] = {
    WEB: Balanced(SET_UP[0].service, {DestinationKey(f"10.0.0.{n}", 80): way for n, way in enumerate(WAYS, 1)}),
    WEB6: Balanced(
        Service("wlc", ServiceFlag.PERSISTENT, 60, 64),
        {DestinationKey(f"fd00::{n:x}", 80): way for n, way in enumerate(WAYS, 1)},
    ),
    ServiceKey(4, SCTP, "192.0.2.1", 80): balanced(ONE, TWO),
    ServiceKey(6, SCTP, "2001:db8::1", 80): Balanced(Service("rr")),
    DNS: Balanced(Service("rr", ServiceFlag.ONE_PACKET), {ONE: Destination(1)}),
    ServiceKey(4, 17, "192.0.2.1", 5060): Balanced(Service("rr", ServiceFlag.PERSISTENT, 30, 32, "sip")),
    ServiceKey(4, 6, "192.0.2.9", 0): Balanced(Service("wrr", ServiceFlag.PERSISTENT, 30)),
    MARK: Balanced(Service("lc"), {DestinationKey("10.0.0.1", 0): Destination(1, Method.DIRECT_ROUTE)}),
    ServiceKey(6, mark=7): balanced(),
    ServiceKey(4, mark=0x7FFFFFFF): balanced(),
}


FIELDS = ("ADDR", "PORT", "FWD_METHOD", "WEIGHT")


def alike(one: Table, other: Table) -> bool:
    return one.keys() == other.keys() and all(same(key, one[key], other[key]) for key in one)


def test_ipvsadm_finds_what_we_set(
    ipvs: Ipvs, set_table: Callable[[Table], None], ipvsadm: Callable[..., list[str]]
) -> None:
    set_table(EVERYTHING)
    assert sorted(ipvsadm("--save", "--numeric")) == lines(EVERYTHING)
    limits = [line.split() for line in ipvsadm("--list", "--numeric", "--thresholds", "--tcp-service", "192.0.2.1:80")]
    found = {words[1]: (int(words[2]), int(words[3])) for words in limits if words[0] == "->" and words[1][0] == "1"}
    assert found == {f"10.0.0.{n}:80": (way.upper, way.lower) for n, way in enumerate(WAYS, 1)}
    assert alike(ipvs.read(), EVERYTHING)


def test_we_find_what_ipvsadm_sets(ipvs: Ipvs, ipvsadm: Callable[..., list[str]]) -> None:
    ipvsadm("--restore", text="\n".join(lines(EVERYTHING, limits=True)))
    assert alike(ipvs.read(), EVERYTHING)


@pytest.mark.filterwarnings("ignore")
def test_pyroute2_finds_what_we_set(set_table: Callable[[Table], None]) -> None:
    set_table(EVERYTHING)
    found: dict[tuple[object, ...], set[tuple[object, ...]]] = {}
    with IPVS() as other:
        for message in other.service("dump"):
            service = IPVSService.from_message(message)
            name = tuple(service.get(field) for field in ("af", "protocol", "addr", "port", "fwmark"))
            backends = (each.get_attr("IPVS_CMD_ATTR_DEST") for each in other.dest("dump", service=service))
            found[name] = {tuple(each.get_attr(f"IPVS_DEST_ATTR_{field}") for field in FIELDS) for each in backends}
    expected = {}
    for key, each in EVERYTHING.items():
        family = {4: socket.AF_INET, 6: socket.AF_INET6}[key.family]
        name = (family, None, None, None, key.mark) if key.mark else (family, key.protocol, key.address, key.port, None)
        expected[name] = {(to.address, to.port, way.method, way.weight) for to, way in each.destinations.items()}
    assert found == expected


@pytest.mark.parametrize("key", [WEB, WEB6, MARK])
def test_every_scheduler_is_set_and_edited_in_place(ipvs: Ipvs, key: ServiceKey) -> None:
    backend = DestinationKey("fd00::1" if key.family == 6 else "10.0.0.1", 80)
    table: dict[ServiceKey, Balanced] = {}
    for scheduler in [*SCHEDULERS, *reversed(SCHEDULERS)]:
        wanted = {key: Balanced(Service(scheduler), {backend: Destination(1)})}
        operations = diff(wanted, table, frozenset(table))
        assert ipvs.apply(operations) == ()
        assert [each.action for each in operations if table] in ([], [Action.SET_SERVICE])
        table = wanted
        assert alike(ipvs.read(), wanted)


def test_everything_of_a_service_is_edited_in_place(ipvs: Ipvs) -> None:
    before: Table = {}
    for service in [*SET_UP, *reversed(SET_UP)]:
        wanted = {WEB: service}
        assert ipvs.apply(diff(wanted, before, frozenset(before))) == ()
        assert alike(ipvs.read(), wanted)
        before = wanted


def test_everything_of_a_destination_is_edited_in_place(ipvs: Ipvs) -> None:
    before: Table = {WEB: balanced(ONE)}
    assert ipvs.apply(diff(before, {}, frozenset())) == ()
    for way in [*WAYS, *reversed(WAYS)]:
        wanted = {WEB: Balanced(Service("rr"), {ONE: way})}
        operations = diff(wanted, before, frozenset(before))
        assert [each.action for each in operations] in ([Action.SET_DESTINATION], [])
        assert ipvs.apply(operations) == ()
        assert alike(ipvs.read(), wanted)
        before = wanted


def test_a_tunnel_reaches_another_family(ipvs: Ipvs) -> None:
    way = Destination(1, Method.TUNNEL)
    table = {WEB: Balanced(Service("rr"), {DestinationKey("fd00::1", 80): way, DestinationKey("10.0.0.1", 80): way})}
    assert ipvs.apply(diff(table, {}, frozenset())) == ()
    assert alike(ipvs.read(), table)
    with pytest.raises(OSError, match=os.strerror(errno.EINVAL)):
        ipvs.sync_start(SyncDaemon(Role.MASTER, "lo"))


def test_a_dump_of_many_is_whole(ipvs: Ipvs, set_table: Callable[[Table], None]) -> None:
    backends = {DestinationKey(f"10.0.{n // 250}.{n % 250 + 1}", 80): Destination(n) for n in range(1000)}
    table = {WEB: Balanced(Service("rr"), backends)}
    table |= {ServiceKey(4, 6, "192.0.2.2", port): balanced(ONE) for port in range(1, 500)}
    set_table(table)
    assert ipvs.read() == table
    asked = [*table, *(ServiceKey(4, 6, "192.0.2.3", port) for port in range(1, 500))]
    assert ipvs.find(asked).keys() == table.keys()


def _new(scheduler: str, engine: str = "") -> Operation:
    return Operation(Action.NEW_SERVICE, WEB, None, Service(scheduler, persistence_engine=engine))


def test_a_missing_module_is_named(network: object) -> None:  # noqa: ARG001
    asked: list[str] = []

    def load(module: str) -> str:
        asked.append(module)
        return "it is not there"

    with Ipvs(load) as ipvs:
        for _ in range(2):
            (failure,) = ipvs.apply([_new("nosuch")])
            assert (failure.errno, failure.module) == (errno.ENOENT, "ip_vs_nosuch")
            assert failure.reason == "the kernel lacks the module ip_vs_nosuch: it is not there"
        assert asked == ["ip_vs_nosuch"]
        (ok,) = ipvs.apply([_new("rr", "nosuch"), Operation(Action.NEW_SERVICE, DNS, None, Service("rr"))])
        assert ok.errno == errno.ENOENT
        assert ok.module is not None
        assert ipvs.read() == {DNS: balanced()}


def test_a_refusal_names_its_operation_and_the_rest_is_done(ipvs: Ipvs) -> None:
    nowhere = DestinationKey("224.0.0.1", 80)
    operations = [
        Operation(Action.NEW_SERVICE, WEB, None, Service("rr")),
        Operation(Action.NEW_DESTINATION, WEB, nowhere, Destination(1)),
        Operation(Action.NEW_DESTINATION, WEB, ONE, Destination(1)),
        Operation(Action.NEW_DESTINATION, WEB, ONE, Destination(2)),
        Operation(Action.SET_DESTINATION, WEB, THREE, Destination(2)),
        Operation(Action.NEW_DESTINATION, DNS, ONE, Destination(1)),
        Operation(Action.NEW_DESTINATION, WEB, TWO, Destination(1, upper=1, lower=2)),
        Operation(Action.NEW_DESTINATION, WEB, TWO, Destination(1, method=Method.TUNNEL, tunnel=TunnelKind.GUE)),
        Operation(Action.NEW_SERVICE, WEB, None, Service("lc")),
        Operation(Action.NEW_SERVICE, MARK, None, Service("x" * 16)),
        Operation(Action.NEW_DESTINATION, WEB, TWO, Destination(7)),
    ]
    failures = {each.operation: each.errno for each in ipvs.apply(operations)}
    codes = [0, errno.EINVAL, 0, errno.EEXIST, errno.ENOENT, errno.ESRCH, errno.ERANGE, errno.EINVAL]
    codes += [errno.EEXIST, errno.EINVAL, 0]
    assert [failures.get(each, 0) for each in operations] == codes
    assert ipvs.read() == {WEB: Balanced(Service("rr"), {ONE: Destination(1), TWO: Destination(7)})}
    assert all(each.reason for each in ipvs.apply(operations[1:]))


def test_without_the_capability_it_says_so(network: object, require_tool: Callable[[str], str]) -> None:  # noqa: ARG001
    program = (
        "from mooring_node.ipvs.kernel import Ipvs\n"
        "try:\n    Ipvs().services()\nexcept PermissionError as error:\n    print(error.errno)"
    )
    drop = [
        require_tool("setpriv"),
        "--bounding-set=-net_admin",
        "--inh-caps=-net_admin",
        sys.executable,
        "-c",
        program,
    ]
    done = subprocess.run(drop, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.fixture
def server(network: Callable[..., str]) -> Iterator[socket.socket]:
    """Listens on the backend's address; the virtual one is here too."""
    network("addr", "add", "10.0.0.1/32", "dev", "lo")
    network("addr", "add", "192.0.2.1/32", "dev", "lo")
    with socket.create_server(("10.0.0.1", 8080)) as made:
        made.settimeout(5)
        yield made


def _connect(server: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = socket.create_connection(("192.0.2.1", 80), 5)
    accepted, _address = server.accept()
    accepted.settimeout(5)
    return client, accepted


def test_counters_tell_what_passed(ipvs: Ipvs, ipvsadm: Callable[..., list[str]], server: socket.socket) -> None:
    assert ipvs.apply(diff({WEB: balanced(ONE, TWO, weight=0)}, {}, frozenset())) == ()
    assert ipvs.apply([Operation(Action.SET_DESTINATION, WEB, ONE, Destination(1))]) == ()
    pairs = [_connect(server) for _ in range(3)]
    for client, accepted in pairs:
        client.sendall(bytes(1000))
        assert len(accepted.recv(1000, socket.MSG_WAITALL)) == 1000
    for each in pairs[0]:
        each.close()
    time.sleep(4)
    counters, loads = ipvs.counters()[WEB]
    assert counters.connections == loads[ONE].counters.connections == 3
    assert counters.packets_in >= 6
    assert counters.bytes_in >= 3000
    assert counters.packets_out > 0
    assert counters.bytes_out > 0
    assert (loads[ONE].active, loads[ONE].inactive, loads[TWO].counters.connections) == (2, 1, 0)
    ipvsadm("--zero", "--tcp-service", "192.0.2.1:80")
    assert ipvs.counters()[WEB][0].connections == 0
    for client, accepted in pairs[1:]:
        client.close()
        accepted.close()


def test_connections_outlive_every_edit(ipvs: Ipvs, server: socket.socket) -> None:
    before: Table = {WEB: balanced(ONE)}
    assert ipvs.apply(diff(before, {}, frozenset())) == ()
    client, accepted = _connect(server)
    for wanted in (
        {WEB: balanced(ONE, scheduler="mh")},
        {WEB: Balanced(Service("mh", ServiceFlag.PERSISTENT | ServiceFlag.SCHEDULER_1, 60, 24), {ONE: Destination(1)})},
        {WEB: Balanced(Service("rr"), {ONE: Destination(0)})},
        {WEB: Balanced(Service("rr"), {ONE: Destination(0, upper=1), TWO: Destination(1)})},
        {WEB: Balanced(Service("rr"), {ONE: Destination(0, Method.TUNNEL), TWO: Destination(1)})},
    ):
        operations = diff(wanted, before, frozenset(before))
        assert {each.action for each in operations}.isdisjoint({Action.DELETE_DESTINATION, Action.DELETE_SERVICE})
        assert ipvs.apply(operations) == ()
        client.sendall(b"still there?")
        assert accepted.recv(100) == b"still there?"
        accepted.sendall(b"yes")
        assert client.recv(100) == b"yes"
        before = wanted
    client.close()
    accepted.close()


def test_sync_daemons_of_both_roles(ipvs: Ipvs, ipvsadm: Callable[..., list[str]]) -> None:
    assert ipvs.sync_daemons() == ()
    for daemon in both_roles("lo", sync_id=7, group="224.0.0.99", port=9999):
        ipvs.sync_start(daemon)
        with pytest.raises(OSError, match=os.strerror(errno.EEXIST)):
            ipvs.sync_start(daemon)
    found = ipvs.sync_daemons()
    assert [(each.role, each.interface, each.sync_id, each.group, each.port, each.ttl) for each in found] == [
        (role, "lo", 7, "224.0.0.99", 9999, 1) for role in Role
    ]
    listed = " ".join(ipvsadm("--list", "--daemon"))
    assert "master sync daemon (mcast=lo, syncid=7" in listed
    assert "backup sync daemon (mcast=lo, syncid=7" in listed
    for role in Role:
        ipvs.sync_stop(role)
        with pytest.raises(OSError, match=os.strerror(errno.ESRCH)):
            ipvs.sync_stop(role)
    assert ipvs.sync_daemons() == ()


def test_a_sync_daemon_over_ipv6_and_one_without_an_interface(ipvs: Ipvs, network: Callable[..., str]) -> None:
    network("link", "add", "d0", "type", "dummy")
    network("link", "set", "d0", "up")
    ipvs.sync_start(SyncDaemon(Role.MASTER, "d0", 3, "ff02::81", 8849, 2, 1200))
    assert ipvs.sync_daemons() == (SyncDaemon(Role.MASTER, "d0", 3, "ff02::81", 8849, 2, 1200),)
    ipvs.sync_stop(Role.MASTER)
    with pytest.raises(OSError, match=os.strerror(errno.ENODEV)):
        ipvs.sync_start(SyncDaemon(Role.MASTER, "gone0"))


def test_settings_are_read(ipvs: Ipvs) -> None:
    assert ipvs.read() == {}
    found = settings.read_settings()
    assert found["sync_threshold"] == "3 50"
    assert settings.hindrances(found) == ()
    (settings.FOLDER / "backup_only").write_text("1")
    assert len(settings.hindrances(settings.read_settings())) == 1
