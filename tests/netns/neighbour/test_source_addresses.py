"""An address that Mooring holds is never what the node speaks from, nor what a kubelet takes for the node's.

By the kernel's own choices: routes, sockets that connect, the order of its list. The virtual addresses are beside the
node's own and on its interface, as they are for users.
"""

import ipaddress
import json
import socket
import subprocess

import pytest

from mooring_lab import namespace

pytestmark = pytest.mark.netns

VIRTUAL, VIRTUAL_6 = "10.0.0.100", "fd00:10::100"
#: Beyond the client, which is the node's gateway.
FAR, FAR_6 = "192.0.2.9", "2001:db8:9::9"
PORT = 7777
PREFIXES = pytest.mark.parametrize("prefix", [32, 24, 16], ids=lambda length: f"/{length}")


def ip(machine, *words):
    done = machine.exec("ip", *words)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"
    return done.stdout


def at_once(machine, *commands):
    """Commands of ip(8) in one go, faster than anybody else on the node."""
    text = "".join(f"{command}\n" for command in commands)
    command = ["ip", "netns", "exec", machine.namespace, "ip", "-batch", "-"]
    subprocess.run(command, input=text, text=True, check=True, timeout=10)


def listed(node, family):
    """What `ip address` and every other program that asks the kernel gets, in its order."""
    (link,) = json.loads(ip(node, "-json", f"-{family}", "address", "show", "dev", "eth0"))
    return [each for each in link["addr_info"] if each["scope"] == "global"]


def kubelet_takes(node, family):
    """The InternalIP that a kubelet without --node-ip finds where the node's name has no address of the host.

    As ResolveBindAddress does it in k8s.io/apimachinery/pkg/util/net/interface.go: the interface of the default route,
    and of its addresses the first that is global unicast, deprecated or not.
    """
    (route, *_) = json.loads(ip(node, "-json", f"-{family}", "route", "show", "default"))
    (link,) = json.loads(ip(node, "-json", f"-{family}", "address", "show", "dev", route["dev"]))
    found = (ipaddress.ip_address(each["local"]) for each in link["addr_info"])
    return str(next(each for each in found if not (each.is_loopback or each.is_link_local or each.is_multicast)))


def routed_from(node, destination):
    (route,) = json.loads(ip(node, "-json", "route", "get", destination))
    return route["prefsrc"]


def connected_from(node, listener, destination):
    """Who the other end of a TCP connection sees."""
    family = socket.AF_INET6 if ":" in destination else socket.AF_INET
    connecting = namespace.call(node.namespace, lambda: socket.socket(family, socket.SOCK_STREAM))
    with connecting:
        connecting.settimeout(10)
        connecting.connect((destination, PORT))
        accepted, peer = listener.accept()
        accepted.close()
    return peer[0]


@pytest.fixture(scope="module")
def lone(make_shared_bench):
    """One node with a default route through the client, which listens near and far."""
    bench = make_shared_bench(nodes=1)
    client = bench.client
    for address in (FAR, FAR_6):
        ip(client, "address", "add", address, "dev", "lo")
    at_once(bench.a, *default_routes(bench))
    return bench


def default_routes(bench):
    four, six = bench.client.own_addresses
    return (f"route replace default via {four}", f"route replace default via {six}")


@pytest.fixture(scope="module")
def listener(lone):
    def make():
        made = socket.create_server(("::", PORT), family=socket.AF_INET6, dualstack_ipv6=True)
        made.settimeout(10)
        return made

    with namespace.call(lone.client.namespace, make) as made:
        yield made


@pytest.fixture
def holding(lone, instance_of):
    """Give `hold(address)`: the node's one daemon holds this alone."""

    def hold(address, **changes):
        addresses = [{"address": address, "interface": "eth0"}]
        if not lone.a.daemon:
            lone.start(lone.a)
        elif lone.a.held():
            lone.reload(lone.a)
            lone.wait_held(lone.a)
        lone.reload(lone.a, instance_of(transport={"alone": True}, addresses=addresses, **changes))
        lone.wait_held(lone.a, address.partition("/")[0])

    return hold


def assert_speaks_from_its_own(bench, listener):
    node, client = bench.a, bench.client
    for destination in (client.address, FAR):
        assert routed_from(node, destination) == node.address
        assert connected_from(node, listener, destination).removeprefix("::ffff:") == node.address
    assert kubelet_takes(node, 4) == node.address


@PREFIXES
def test_beside_the_nodes_own_it_is_no_source(lone, listener, holding, prefix):
    holding(f"{VIRTUAL}/{prefix}")
    assert_speaks_from_its_own(lone, listener)
    own, virtual = listed(lone.a, 4)
    assert (own["local"], virtual["local"], virtual["prefixlen"]) == (lone.a.address, VIRTUAL, prefix)


@pytest.mark.parametrize(
    ("interface", "prefix"), [("eth0", 24), ("mgmt0", 32), ("mgmt0", 24), ("mgmt0", 16)], ids=lambda each: str(each)
)
def test_when_the_nodes_own_has_come_back_it_comes_first_again(lone, listener, holding, interface, prefix):
    """As networkd, netplan and ifupdown do it when they are restarted: gone, and there again a moment later.

    Where the adverts come from that address (eth0) the group is in Fault for a moment, and takes its addresses anew;
    where they come from another interface nothing else would mend it.
    """
    node = lone.a
    routes = ip(node, "route", "show", "dev", "eth0")
    holding(f"{VIRTUAL}/{prefix}", interface=interface)
    before, said = lone.group(node)["transitions"], len(node.log)
    own = f"{node.address}/16 dev eth0"
    at_once(node, f"address del {own}", f"address add {own}")
    lone.wait(lambda: [e["local"] for e in listed(node, 4)] == [node.address, VIRTUAL], "its own to come first")
    at_once(node, *default_routes(lone))
    lone.wait_state(node, "Active")
    assert_speaks_from_its_own(lone, listener)
    assert sorted(ip(node, "route", "show", "dev", "eth0").split()) == sorted(routes.split())
    assert "secondary" not in listed(node, 4)[0]
    if interface == "mgmt0":
        assert "ours were set again, behind it" in node.log[said:]
        assert lone.group(node)["transitions"] == before


def test_what_stands_in_the_right_order_is_not_touched(lone, holding):
    """An own address of another subnet comes behind ours by the kernel's rule, and changes no choice."""
    node = lone.a
    holding(f"{VIRTUAL}/32", interface="mgmt0")
    said = len(node.log)
    at_once(node, "address add 198.51.100.7/24 dev eth0", "address add 198.51.100.8/24 dev eth0")
    at_once(node, "address del 198.51.100.8/24 dev eth0", "address add 198.51.100.8/24 dev eth0")
    try:
        with subprocess.Popen(
            ["ip", "netns", "exec", node.namespace, "ip", "monitor", "address"], stdout=subprocess.PIPE, text=True
        ) as monitor:
            try:
                # A look at the order, and a renewal of the lease after it.
                for _ in range(2):
                    line = next(each for each in monitor.stdout if VIRTUAL in each)
                    assert not line.startswith("Deleted")
            finally:
                monitor.terminate()
        assert "set again" not in node.log[said:]
        assert kubelet_takes(node, 4) == node.address
    finally:
        for number in (8, 7):
            ip(node, "address", "del", f"198.51.100.{number}/24", "dev", "eth0")


@pytest.mark.parametrize("prefix", [128, 64], ids=lambda length: f"/{length}")
@pytest.mark.parametrize("back", [False, True], ids=["beside it", "its own came back"])
def test_ipv6_is_deprecated_and_no_source(lone, listener, holding, prefix, back):
    node, (_, gateway) = lone.a, lone.client.own_addresses
    own = node.own_addresses[1]
    holding(f"{VIRTUAL_6}/{prefix}", family="IPv6")
    if back:
        words = f"{own}/64 dev eth0 nodad"
        at_once(node, f"address del {own}/64 dev eth0", f"address add {words}", *default_routes(lone))
    (virtual,) = [each for each in listed(node, 6) if each["local"] == VIRTUAL_6]
    assert virtual["deprecated"]
    for destination in (gateway, FAR_6):
        assert routed_from(node, destination) == own
        assert connected_from(node, listener, destination) == own
    # The kernel lists the newest first and says nothing of deprecated ones to who asks like kubelet does. So on a
    # node of IPv6 alone kubelet needs --node-ip; the operator says so when it happens (TakenByKubelet).
    assert kubelet_takes(node, 6) == (own if back else VIRTUAL_6)
