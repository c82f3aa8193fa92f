"""What is left of remarks where one explains others."""

from mooring_node.balance.parts import Remark, without_consequences

MISSING = Remark("", "", "the kernel lacks the module ip_vs", "ip_vs")
SETTING = Remark("web", "spec.virtualServers", "net.ipv4.vs.conntrack is not there, which masquerade needs")
ROUTING = Remark("web", "spec.virtualServers", "NAT needs this node to route IPv4, and net.ipv4.ip_forward is 0")
SYNC = Remark("", "spec.connectionSync", "the kernel lacks the module ip_vs", "ip_vs")
SCHEDULER = Remark("web", "", "adding 192.0.2.1:80/TCP: ip_vs_mh is missing", "ip_vs_mh")


def test_without_ipvs_what_follows_from_it_is_left_out() -> None:
    assert without_consequences((MISSING, SYNC, SETTING, ROUTING)) == (MISSING, ROUTING)


def test_with_ipvs_everything_is_told() -> None:
    assert without_consequences((SCHEDULER, SETTING)) == (SCHEDULER, SETTING)
