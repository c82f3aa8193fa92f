"""Each finding of `mooring-node preflight` in a real network namespace, and that it goes with its cause."""

import json
import shlex
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.netns

SETTINGS = "/proc/sys/net/ipv4/conf"
OWN, PEER = "10.0.0.1", "10.0.0.2"


class Flight:
    """A node without a daemon, and what is found there."""

    def __init__(self, bench, folder, instance_of):
        self.node = bench.a
        self.other = bench.b
        self.bench = bench
        self.host_root = folder / "root"
        self.host_root.mkdir(exist_ok=True)
        self._config = folder / "node.yaml"
        self._instance_of = instance_of
        self.instance()

    def instance(self, **changes):
        fields = {"transport": {"source": self.node.address, "peers": [self.other.address]}, **changes}
        self._config.write_text(self.bench.config(self.node, self._instance_of(**fields)))

    def run(self, *arguments):
        where = ("--config", str(self._config), "--host-root", str(self.host_root), "--sys-net", "/proc/sys/net")
        return self.bench.run(self.node, "preflight", *where, "--state-dir", str(self.node.state_dir), *arguments)

    def found(self, *arguments):
        """Severity and message of each finding by its code; those of this machine are left out."""
        done = self.run("-o", "json", *arguments)
        assert done.returncode in (0, 1), done.stderr
        listed = json.loads(done.stdout)["findings"]
        assert done.returncode == any(each["severity"] == "error" for each in listed)
        assert all(each["remedy"] for each in listed)
        mine = [each for each in listed if each["code"] not in MACHINE]
        # The worst of each code, which comes first.
        return {each["code"]: (each["severity"], each["message"]) for each in reversed(mine)}

    def sh(self, *command):
        done = self.node.exec(*command)
        assert done.returncode == 0, done.stderr

    def nft(self, text):
        self.sh("nft", text)


#: What this machine may or may not have: its cgroup, its clock.
MACHINE = ("CpuLimit", "MemoryLimit", "SlowClock", "NoRealTime")


@pytest.fixture(scope="module")
def shared(make_shared_bench):
    return make_shared_bench()


@pytest.fixture
def flight(shared, tmp_path, instance_of, require_tool):
    for tool in ("nft", "iptables-nft", "iptables-legacy", "setpriv", "prlimit"):
        require_tool(tool)
    made = Flight(shared, tmp_path, instance_of)
    yield made
    made.nft("flush ruleset")
    for program in ("iptables-legacy", "ip6tables-legacy"):
        for rule in (["-P", "INPUT", "ACCEPT"], ["-F"], ["-X"]):
            made.sh(program, *rule)


def test_a_plain_node_is_well(flight):
    assert flight.found() == {}
    done = flight.run()
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "not looked at: kubelet's flags (run it on the node, or with --host-root)",
    )


RULES = {
    "a default drop": "chain x input { type filter hook input priority 0; policy drop; }",
    "a rule": "chain x input { type filter hook input priority 0; }; add rule x input ip protocol 112 reject",
    "firewalld's way": "chain x input { type filter hook input priority 10; };"
    "add rule x input ct state established,related accept; add rule x input iifname lo accept;"
    "add rule x input ct state invalid drop; add rule x input tcp dport 22 accept;"
    "add rule x input reject with icmpx type admin-prohibited",
}
ALLOWED = {
    "by protocol": "insert rule x input meta l4proto 112 accept",
    "by sender": "insert rule x input ip saddr 10.0.0.0/8 accept",
    "by interface": 'insert rule x input iifname "eth*" accept',
}


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("allowed", ALLOWED.values(), ids=ALLOWED)
def test_a_firewall_that_drops_adverts(flight, rules, allowed):
    rules = "add table inet x;" + ";".join(
        each.replace("chain x", "add chain inet x").replace("rule x", "rule inet x") for each in [rules]
    )
    flight.nft(rules)
    severity, message = flight.found()["FirewallDropsVrrp"]
    assert severity == "error"
    assert "inet x input" in message
    assert "come in" in message
    flight.nft(allowed.replace("rule x", "rule inet x"))
    assert flight.found() == {}


def test_iptables_by_nftables_is_seen(flight):
    flight.sh("iptables-nft", "-A", "OUTPUT", "-p", "112", "-m", "comment", "--comment", "why", "-j", "DROP")
    severity, message = flight.found()["FirewallDropsVrrp"]
    assert (severity, "go out" in message) == ("error", True)
    flight.sh("iptables-nft", "-F", "OUTPUT")
    flight.sh("iptables-nft", "-A", "INPUT", "-p", "112", "-m", "limit", "--limit", "1/s", "-j", "REJECT")
    assert flight.found()["FirewallMayDropVrrp"][0] == "warning"


LEGACY = (
    [["-P", "INPUT", "DROP"]],
    [["-A", "INPUT", "-p", "112", "-m", "comment", "--comment", "why", "-j", "DROP"]],
    [
        ["-A", "INPUT", "-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED", "-j", "ACCEPT"],
        ["-A", "INPUT", "-i", "lo", "-j", "ACCEPT"],
        ["-A", "INPUT", "-p", "tcp", "--dport", "22", "-j", "ACCEPT"],
        ["-N", "LAST"],
        ["-A", "LAST", "-i", "eth+", "!", "-d", "192.0.2.0/24", "-j", "REJECT"],
        ["-A", "INPUT", "-g", "LAST"],
    ],
)
LEGACY_ALLOWED = (["-p", "112"], ["-s", "10.0.0.0/8"], ["-m", "state", "--state", "NEW"])


@pytest.mark.parametrize("rules", LEGACY, ids=["policy", "rule", "chain"])
@pytest.mark.parametrize("allowed", LEGACY_ALLOWED, ids=["by protocol", "by sender", "by state"])
def test_iptables_legacy_is_read_too(flight, rules, allowed):
    for rule in rules:
        flight.sh("iptables-legacy", *rule)
    severity, message = flight.found()["FirewallDropsVrrp"]
    assert (severity, "iptables-legacy filter" in message) == ("error", True)
    flight.sh("iptables-legacy", "-I", "INPUT", *allowed, "-j", "ACCEPT")
    assert flight.found() == {}


def test_ip6tables_legacy_is_read_too(flight):
    flight.instance(family="IPv6", addresses=[{"address": "2001:db8::100/64"}], transport={"type": "Multicast"})
    flight.sh("ip6tables-legacy", "-A", "INPUT", "-i", "eth0", "-d", "ff02::/16", "-j", "DROP")
    severity, message = flight.found()["FirewallDropsVrrp"]
    assert (severity, "ip6 iptables-legacy filter INPUT" in message) == ("error", True)
    flight.sh("ip6tables-legacy", "-I", "INPUT", "-s", "fe80::/10", "-p", "vrrp", "-j", "ACCEPT")
    # Nobody has said which addresses multicast comes from.
    assert flight.found()["FirewallMayDropVrrp"][0] == "warning"
    flight.sh("ip6tables-legacy", "-F", "INPUT")
    assert flight.found() == {}


def test_what_arrives_and_does_not_come_through(flight):
    """The proof that needs no reading of rules."""
    bench = flight.bench
    bench.start(flight.other, flight._instance_of(priority=100, transport={"peers": [flight.node.address]}))
    try:
        bench.wait_state(flight.other, "Active")
        assert flight.found("--listen", "1") == {}
        flight.sh("iptables-legacy", "-A", "INPUT", "-p", "112", "-j", "DROP")
        severity, message = flight.found("--listen", "1")["AdvertsLost"]
        assert severity == "error"
        assert f"{flight.other.address} (VRID 51)" in message
    finally:
        flight.node.exec("iptables-legacy", "-F", "INPUT")
        flight.other.stop_daemon()


def test_an_open_source_is_the_interface_s_own_address(flight):
    """Of kube-proxy: a rule about the target alone must not leave the way open."""
    flight.instance(transport={"peers": [flight.other.address]})
    flight.nft("add table inet x; add chain inet x input { type filter hook input priority 0; }")
    flight.nft("add rule inet x input ip daddr 127.0.0.0/8 meta mark 1 drop")
    assert flight.found() == {}
    flight.nft(f"add rule inet x input ip daddr {flight.node.address} drop")
    assert flight.found()["FirewallDropsVrrp"][0] == "error"
    flight.nft("flush ruleset")
    # Link-local peers are written with a zone, which no packet has.
    flight.instance(family="IPv6", addresses=[{"address": "2001:db8::100/64"}], transport={"peers": ["fe80::2%eth0"]})
    flight.nft("add table inet x; add chain inet x input { type filter hook input priority 0; policy drop; }")
    assert flight.found()["FirewallDropsVrrp"][0] == "error"
    flight.nft("add rule inet x input ip6 saddr fe80::2 ip6 daddr fe80::/10 accept")
    assert flight.found() == {}


def test_a_stranger_with_the_same_vrid(flight):
    bench = flight.bench
    bench.start(flight.other, flight._instance_of(priority=100, transport={"peers": [flight.node.address]}))
    try:
        bench.wait_state(flight.other, "Active")
        flight.instance(transport={"source": flight.node.address, "peers": ["10.0.0.200"]})
        severity, message = flight.found("--listen", "1")["ForeignRouter"]
        assert (severity, flight.other.address in message) == ("error", True)
    finally:
        flight.other.stop_daemon()


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [("arp_ignore", "8", "ArpIgnored"), ("arp_ignore", "2", "ArpIgnored")],
)
def test_an_address_that_nobody_would_be_told_of(flight, name, value, code):
    flight.instance(addresses=[{"address": "10.0.0.100/32"}])
    flight.sh("sh", "-c", f"echo {value} > {SETTINGS}/eth0/{name}")
    try:
        assert flight.found()[code][0] == "error"
        if value == "2":
            flight.instance(addresses=[{"address": "10.0.0.100/16"}])
            assert flight.found() == {}
    finally:
        flight.sh("sh", "-c", f"echo 0 > {SETTINGS}/eth0/{name}")


def test_a_strict_reverse_path_where_the_way_back_is_another(flight):
    flight.sh("ip", "link", "add", "aside", "type", "veth", "peer", "name", "aside1")
    flight.sh("sh", "-c", f"echo 1 > {SETTINGS}/eth0/rp_filter")
    try:
        assert flight.found() == {}
        flight.sh("ip", "address", "add", "192.0.2.1/24", "dev", "aside")
        flight.sh("ip", "link", "set", "aside", "up")
        flight.sh("ip", "link", "set", "aside1", "up")
        flight.sh("ip", "route", "add", "default", "via", "192.0.2.254")
        severity, message = flight.found()["ReversePathStrict"]
        assert (severity, "default route is aside" in message) == ("warning", True)
        flight.sh("ip", "route", "add", f"{flight.other.address}/32", "via", "192.0.2.254")
        severity, message = flight.found()["ReversePathStrict"]
        assert (severity, "the way back is aside" in message) == ("error", True)
        flight.sh("sh", "-c", f"echo 2 > {SETTINGS}/eth0/rp_filter")
        assert flight.found() == {}
    finally:
        flight.sh("sh", "-c", f"echo 0 > {SETTINGS}/eth0/rp_filter")
        flight.sh("ip", "link", "del", "aside")


def test_an_address_that_somebody_else_set_for_good(flight):
    flight.sh("ip", "address", "add", "10.0.0.100/32", "dev", "eth0")
    try:
        severity, message = flight.found()["AddressInUse"]
        assert (severity, message[:10]) == ("error", "10.0.0.100")
    finally:
        flight.sh("ip", "address", "del", "10.0.0.100/32", "dev", "eth0")
    assert flight.found() == {}


def test_an_interface_that_is_not_there(flight):
    flight.instance(interface="eth7")
    assert flight.found()["InterfaceMissing"][0] == "error"


def test_ipv6_that_is_off(flight):
    flight.instance(
        family="IPv6",
        addresses=[{"address": "2001:db8::100/64"}],
        transport={"type": "Multicast"},
    )
    assert flight.found() == {}
    flight.sh("ip", "link", "set", "eth0", "mtu", "1200")
    try:
        assert flight.found()["MtuTooSmall"][0] == "error"
    finally:
        flight.sh("ip", "link", "set", "eth0", "mtu", "1500")
    flight.sh("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")
    try:
        assert flight.found()["Ipv6Off"][0] == "error"
    finally:
        flight.sh("sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6")


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def index_by_ip(flight):
    return int(flight.node.exec("ip", "-o", "link", "show", "eth0").stdout.split(":")[0])


def test_who_manages_the_interface(flight):
    number, root = index_by_ip(flight), flight.host_root
    file = "etc/systemd/network/a.network"
    write(root / f"run/systemd/netif/links/{number}", f"ADMIN_STATE=configured\nNETWORK_FILE=/{file}\n")
    write(root / file, "[Network]\nDHCP=yes\n")
    assert "systemd-networkd" in flight.found()["AddressesManaged"][1]
    write(root / file, "[Network]\nKeepConfiguration=yes\n")
    assert flight.found() == {}
    write(root / f"run/NetworkManager/devices/{number}", "[device]\nmanaged=true\nconnection-uuid=1\n")
    assert "NetworkManager" in flight.found()["AddressesManaged"][1]
    write(root / f"run/NetworkManager/devices/{number}", "[device]\nmanaged=false\n")
    assert flight.found() == {}


def test_kubelet_that_may_take_a_virtual_address(flight, monkeypatch):
    folder = flight.host_root / "proc/4711"
    write(folder / "comm", "kubelet\n")
    write(folder / "cmdline", "/usr/bin/kubelet\0--config=/var/lib/kubelet/config.yaml\0")
    assert flight.found()["NodeAddressNotSet"][0] == "warning"
    write(folder / "cmdline", "/usr/bin/kubelet\0--node-ip=10.0.0.1\0")
    assert flight.found() == {}
    monkeypatch.setenv("MOORING_HOST_IP", "10.0.0.100")
    assert flight.found()["NodeAddressIsVirtual"][0] == "error"


def test_a_container_without_rights(flight):
    bounded = ["setpriv", "--bounding-set=-net_raw,-sys_nice,-ipc_lock", "--inh-caps=-all"]
    done = flight.node.exec("prlimit", "--memlock=65536", *bounded, *flight_command(flight))
    found = {each["code"]: each for each in json.loads(done.stdout)["findings"]}
    assert done.returncode == 1
    assert {"MissingCapability", "NoRealTime", "MemoryNotLocked"} <= found.keys()
    assert "CAP_NET_RAW" in found["MissingCapability"]["message"]


def flight_command(flight):
    from mooring_lab.lab import default_daemon_command

    where = ("--config", str(flight._config), "--host-root", str(flight.host_root))
    return [*default_daemon_command(), "preflight", "-o", "json", "--state-dir", str(flight.node.state_dir), *where]


def test_settings_that_cannot_be_written_matter_where_something_is_balanced(flight, tmp_path):
    assert flight.found() == {}
    backends = [{"address": "10.0.0.9", "port": 80}]
    servers = [{"name": "s", "addresses": ["10.0.0.100"], "port": 80, "protocol": "TCP", "backends": backends}]
    flight._config.write_text(flight.bench.config(flight.node, flight._instance_of(), virtualServers=servers))
    found = flight.found("--sys-net", str(tmp_path / "nothing"))
    assert found["SettingsReadOnly"][0] == "warning"
    assert "SettingsReadOnly" not in flight.found()


def test_ipvs_that_is_not_there_matters_where_something_is_balanced(flight):
    if Path("/proc/net/ip_vs").exists():
        pytest.skip("this machine's kernel has IPVS")
    servers = [{"name": "s", "addresses": ["10.0.0.100"], "port": 80, "protocol": "TCP"}]
    flight._config.write_text(flight.bench.config(flight.node, flight._instance_of(), virtualServers=servers))
    assert flight.found()["IpvsMissing"][0] == "error"


def test_a_file_that_is_none(flight):
    flight._config.write_text("a: [")
    assert flight.run().returncode == 3


LOOKING = """
import sys
from mooring_node import main
from mooring_node.agent import preflight
preflight.FIRST_NS, preflight.EVERY_NS, preflight.LISTEN_S = 0, 10**9, 0.5
sys.exit(main.main())
"""


def test_the_daemon_looks_by_itself_and_says_what_comes_and_goes(make_bench):
    bench = make_bench(daemon_command=(sys.executable, "-c", LOOKING))
    bench.pair()
    added = bench.a.exec(
        "nft", "add table inet x; add chain inet x y { type filter hook input priority 0; policy drop; }"
    )
    assert added.returncode == 0, added.stderr
    bench.wait(
        lambda: "the firewall drops adverts" in " ".join(bench.status(bench.a)["agent"]["preflight"]), "a finding"
    )
    bench.wait_log(bench.a, "error preflight: the firewall drops adverts")
    done = bench.run(bench.a, "status", "--state-dir", str(bench.a.state_dir))
    assert "! the firewall drops adverts" in done.stdout
    bench.a.exec("nft", "flush ruleset")
    bench.wait_log(bench.a, "preflight: it is well again: the firewall drops adverts")
    # It is ended with the daemon, wherever it is.
    bench.a.stop_daemon()


def test_settings_are_written_where_a_container_can(flight, tmp_path):
    """As runc leaves it: /proc/sys is read-only, and the node's is mounted outside of /proc."""
    aside = tmp_path / "net"
    aside.mkdir()
    servers = [{"name": "s", "addresses": ["10.0.0.100"], "port": 80, "protocol": "TCP"}]
    flight._config.write_text(flight.bench.config(flight.node, flight._instance_of(), virtualServers=servers))
    write = (
        "from pathlib import Path; from mooring_node.forwarding import sysctls;"
        f"print(sysctls.write('net/ipv4/conf/lo/rp_filter', '2', Path('{aside}')),"
        " sysctls.write('net/ipv4/conf/lo/rp_filter', '1').missing, sysctls.read('net/ipv4/conf/lo/rp_filter'))"
    )
    look = shlex.join(flight_command(flight))
    script = (
        f"mount --bind /proc/sys/net {aside} && mount --bind /proc/sys /proc/sys"
        f' && mount -o remount,ro,bind /proc/sys && {shlex.quote(sys.executable)} -c "{write}"'
        f" && {look}; {look} --sys-net {aside}"
    )
    said = flight.node.exec("unshare", "--mount", "sh", "-c", script).stdout
    written, _, findings = said.partition("\n")
    assert written == "None False 2"
    without, with_flag = findings.split("\n}\n", 1)
    assert "SettingsReadOnly" in without
    assert "SettingsReadOnly" not in with_flag
    assert "IpvsMissing" in with_flag or Path("/proc/net/ip_vs").exists()
