"""What a node may do with an address, and what answers on it."""

from typing import Any

from mooring_lab import namespace
from mooring_lab.servers import Place

ADDRESS = "10.0.0.120"
ONLY = (ADDRESS,)


def test_a_node_whose_servers_are_below_quorum_lets_go(bench: Any, plan: Any) -> None:
    """From the first node alone no server can be reached: the others have not lost theirs."""
    tracking = [{"name": "web", "effect": {"type": "Fault"}, "virtualServer": {"name": "web/web"}}]
    bench.start(plan(addresses=ONLY, tracking=tracking))
    first, second, _ = bench.lab.nodes
    for server in bench.backends(Place.POD):
        rule = f"add rule inet cut out tcp dport 8080 ip daddr {server.address} counter reject"
        bench.cut(first, rule)
    bench.wait_held(second, ONLY)
    bench.wait_answered_by({server.name for server in bench.backends(Place.POD)})

    bench.mend(first)
    bench.wait_held(first, ONLY)


def test_a_node_with_fewer_servers_loses_priority(bench: Any, plan: Any) -> None:
    tracking = [
        {
            "name": "web",
            "effect": {"type": "AdjustPriority", "weight": -15},
            "virtualServer": {"name": "web/web:http-v4"},
        }
    ]
    bench.start(plan(addresses=ONLY, tracking=tracking, server={"quorum": {"up": 3}}))
    first, second, _ = bench.lab.nodes
    server = bench.backends(Place.POD)[0]
    bench.cut(first, f"add rule inet cut out tcp dport 8080 ip daddr {server.address} counter reject")
    bench.wait_held(second, ONLY)
    bench.mend(first)
    bench.wait_held(first, ONLY)


def test_only_the_ports_of_virtual_servers_answer_on_a_guarded_address(bench: Any, plan: Any) -> None:
    bench.start(plan(addresses=ONLY, guard="Enforce"))
    holder = bench.lab.nodes[0]
    own = holder.address
    # The server on the node itself listens on 80 and 8080 of all addresses.
    assert bench.ask(own, port=8080).good
    refused = bench.ask(port=8080)
    assert not refused.good
    assert bench.ask().good
    assert bench.lab.client.reach(ADDRESS) == 3, "a guard is about ports"

    for node in bench.lab.nodes:
        node.reload_daemon(bench.config(node, plan(addresses=ONLY, guard="Monitor")))
    bench.wait_good(port=8080)


def test_checks_only_balances_on_an_address_that_somebody_else_set(bench: Any, plan: Any) -> None:
    first, second, _ = bench.lab.nodes
    namespace.batch(first.namespace, [f"addr add {ADDRESS}/16 dev eth0"])
    given = plan(addresses=ONLY)
    first.write_config(bench.config_without_vrrp(first, given))
    bench.start_checks_only(first)
    names = {server.name for server in bench.backends(Place.POD)}
    bench.wait_answered_by(names)
    dead = bench.backends(Place.POD)[0]
    dead.kill()
    bench.wait_answered_by(names - {dead.name})
    assert not second.held()
    processes = {each.pid for each in first.processes("vrrp")}
    assert not processes

    first.stop_daemon()
    assert ADDRESS in first.held(), "the address belongs to who set it"
    assert bench.table(first).strip() == ""


def test_a_stopped_daemon_leaves_nothing_behind(bench: Any, plan: Any) -> None:
    bench.start(plan("DirectRoute", Place.NODE, ONLY, sync=True, guard="Enforce"))
    of_sync = ("sysctl", "-n", "net.ipv4.vs.sync_threshold", "net.ipv4.vs.sync_refresh_period")
    assert {node.exec(*of_sync).stdout for node in bench.lab.nodes} == {"0\t0\n10\n"}
    for node in bench.lab.nodes:
        node.stop_daemon()
    for node in bench.lab.nodes:
        assert bench.table(node).strip() == ""
        assert "mooring" not in node.exec("nft", "list", "tables").stdout
        assert ADDRESS not in node.exec("ip", "addr", "show", "dev", "lo").stdout
        assert node.exec("ipvsadm", "-L", "--daemon").stdout.strip() == ""
        assert node.exec("sysctl", "-n", "net.ipv4.conf.eth0.arp_ignore").stdout.strip() == "0"
        assert node.exec("sysctl", "-n", "net.ipv4.conf.eth0.arp_announce").stdout.strip() == "0"
        assert node.exec(*of_sync).stdout == "3\t50\n0\n"
