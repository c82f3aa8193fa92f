"""The text of the rules: nothing where nothing is needed, and few rules for many services."""

from dataclasses import replace

from mooring_node.balance.config import (
    BackendAddressConfig,
    BackendConfig,
    BalanceConfig,
    PortGuardConfig,
    ServerConfig,
    SorryConfig,
    SyncConfig,
    Way,
)
from mooring_node.forwarding.masquerade import masquerades
from mooring_node.forwarding.rules import REMOVE, ruleset
from mooring_node.ipvs.table import Method

NAT, DIRECT = Way(), Way(Method.DIRECT_ROUTE)
WEB = ServerConfig(name="web", addresses=("10.0.0.100",), port=80, backends=(BackendConfig("10.0.0.2", 8080),))
OTHERS = ("02:00:00:00:00:01", "02:00:00:00:00:02")


def rules(text: str) -> list[str]:
    """The rules of all chains."""
    return [line.strip() for line in text.splitlines() if line.startswith("\t\t") and not line.startswith("\t\t\t")]


def test_nothing_is_written_where_nothing_is_needed() -> None:
    direct = replace(WEB, backends=(BackendConfig("10.0.0.2", 80, way=DIRECT),))
    quiet = replace(WEB, masquerade=False)
    address = BackendAddressConfig("10.0.0.100", ("eth0",))
    config = BalanceConfig(1, (direct, quiet), (address,), (), SyncConfig("eth0"))
    assert ruleset(config) == ""
    assert ruleset(BalanceConfig(1)) == ""


def test_the_table_is_replaced_in_one_transaction_and_no_other_is_touched() -> None:
    text = ruleset(BalanceConfig(1, (WEB,)))
    assert text.startswith(REMOVE + "table inet mooring {")
    assert text.count("table") == 3
    assert "flush" not in text


def test_masquerade_is_for_backends_by_nat_and_for_a_sorry_server_by_nat() -> None:
    direct = replace(WEB, backends=(BackendConfig("10.0.0.2", 80, way=DIRECT),))
    assert masquerades(WEB)
    assert not masquerades(direct)
    assert masquerades(replace(direct, sorry=SorryConfig("10.0.0.9", 80, NAT)))
    assert not masquerades(replace(WEB, masquerade=False))


def test_a_thousand_services_are_few_rules() -> None:
    servers = tuple(
        replace(
            WEB,
            name=f"{kind}{n}",
            addresses=(f"10.{place}.{n // 250}.{n % 250 + 1}", f"fd0{place}::{n + 1:x}"),
            other_directors=OTHERS if kind == "direct" else None,
            backends=(BackendConfig("10.0.0.2", 80, way=DIRECT if kind == "direct" else NAT),),
        )
        for place, kind in enumerate(("nat", "direct"))
        for n in range(1000)
    )
    guards = tuple(PortGuardConfig(each.addresses, n % 2 == 0, ((6, 80),)) for n, each in enumerate(servers))
    text = ruleset(BalanceConfig(1, servers, (), guards))
    assert len(rules(text)) < 80
    assert text.count("10.0.3.250 . 80") == 1


def test_a_users_mark_is_masqueraded_by_it() -> None:
    his = ServerConfig(name="his", mark=7, families=(4,), backends=(BackendConfig("10.0.0.2", 80),))
    text = ruleset(BalanceConfig(1, (his,)))
    assert "meta mark @masquerade_marks4 fib daddr type != local masquerade" in text
    assert "ipv6" not in text


def chains(text: str) -> dict[str, list[str]]:
    """The rules of each chain, by its name."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith(("\tchain", "\tmap", "\tset")):
            rest = found.setdefault(line.split()[1], [])
        elif line.startswith("\t\t"):
            rest.append(line.strip())
    return found


DIRECTED = replace(WEB, backends=(BackendConfig("10.0.0.2", 80, way=DIRECT),), other_directors=OTHERS)


def test_a_director_that_is_no_backend_marks_the_same_and_leaves_out_nobody() -> None:
    backend, other = (
        chains(ruleset(BalanceConfig(1, (replace(DIRECTED, other_directors=macs),)), ("tunl0",)))
        for macs in (OTHERS, ())
    )
    left_out, marked = backend["directors0_4"][:2], backend["directors0_4"][2:]
    assert left_out == [
        f"ether saddr {{ {OTHERS[0]}, {OTHERS[1]} }} goto hide4",
        "iifname { tunl0 } goto hide4",
    ]
    assert other["directors0_4"] == marked
    for name in ("ours", "marks4", "ways4", "input", "output"):
        assert other[name] == backend[name]
    assert "hide4" not in other


def test_a_users_mark_is_hidden_where_another_director_sent_the_packet_and_stays_his() -> None:
    his = ServerConfig(name="his", mark=7, families=(4,), backends=DIRECTED.backends, other_directors=OTHERS)
    found = chains(ruleset(BalanceConfig(1, (his,)), ("tunl0",)))
    assert "goto users0_4" in "".join(found["users4"])
    assert found["users0_4"] == [
        f"ether saddr {{ {OTHERS[0]}, {OTHERS[1]} }} goto hide4",
        "iifname { tunl0 } goto hide4",
        "accept",
    ]
    assert [rule.split()[1] for rule in found["hide4"]] == ["6", "17", "132"]
    assert found["input"][2:] == ["meta nfproto ipv4 meta mark vmap @users4"]
    assert not [rule for rules in found.values() for rule in rules if "mark set 0x00000007" in rule]
    assert "output" not in found
    assert ruleset(BalanceConfig(1, (replace(his, other_directors=()),))) == ""


def test_a_users_mark_comes_before_an_address_and_a_port() -> None:
    his = ServerConfig(name="his", mark=7, families=(4, 6), other_directors=())
    found = chains(ruleset(BalanceConfig(1, (DIRECTED, his))))
    assert found["input"][2:] == [
        "meta nfproto ipv4 meta mark vmap @users4",
        "ip daddr . meta l4proto . th dport vmap @ways4",
        "meta nfproto ipv6 meta mark vmap @users6",
    ]
    assert "0x00000007 : accept" in found["users4"]


def test_the_same_port_of_two_guards_is_one_element() -> None:
    guards = (PortGuardConfig(("10.0.0.100",), True, ((6, 80),)), PortGuardConfig(("10.0.0.100",), True, ((6, 80),)))
    assert ruleset(BalanceConfig(1, (), (), guards)).count("10.0.0.100 . 6 . 80") == 1


def test_equal_configurations_give_equal_text_in_whatever_order() -> None:
    other = replace(WEB, name="other", addresses=("10.0.0.101", "fd00::1"), other_directors=OTHERS)
    guard = PortGuardConfig(("10.0.0.101", "10.0.0.100"), True, ((6, 80), (17, 53)))
    one = BalanceConfig(1, (WEB, other), (), (guard,))
    two = BalanceConfig(2, (other, WEB), (), (replace(guard, addresses=guard.addresses[::-1]),))
    assert ruleset(one, ("tunl0", "gre0")) == ruleset(two, ("gre0", "tunl0"))


def _balanced(server: ServerConfig, *hosted: str, enforce: bool = True) -> bool:
    """Whether packets that IPVS left are dropped."""
    addresses = tuple(BackendAddressConfig(each, ("eth0",)) for each in hosted)
    guard = PortGuardConfig(server.addresses, enforce, ((server.protocol, server.port),))
    text = ruleset(BalanceConfig(1, (server,), addresses, (guard,)))
    assert ("hook input" in text) is ("untaken4" in text) or server.other_directors
    return "set balanced4" in text


def test_what_ipvs_leaves_is_for_nobody_unless_a_backend_may_be_this_node() -> None:
    assert _balanced(WEB)
    assert not _balanced(WEB, enforce=False)
    direct = replace(WEB, virtual_server="shop/web", backends=(BackendConfig("10.0.0.2", 80, way=DIRECT),))
    assert _balanced(direct)
    assert not _balanced(direct, "10.0.0.100")
    assert not _balanced(replace(direct, other_directors=OTHERS))
    assert not _balanced(replace(direct, virtual_server=None))
    assert not _balanced(replace(WEB, virtual_server=None, sorry=SorryConfig("10.0.0.9", 80, DIRECT)))
    assert not _balanced(replace(WEB, backends=(BackendConfig("10.0.0.100", 80),)))
