"""VirtualServers from the API to the nodes and back: what is written, and what is told."""

import copy
from typing import Any

import pytest
from tests.unit.operator.balanced import BACKENDS, ENTRY, KEY, Balanced, down, node
from tests.unit.operator.running import Running
from tests.unit.operator.serving import endpoint_slice, namespace, virtual_server

from mooring_operator.cluster.view import Endpoints
from mooring_operator.cluster.writes import Verb


@pytest.fixture
def shop() -> Balanced:
    return Balanced().settle()


def test_a_service_is_balanced_on_the_nodes_of_its_virtual_ip(shop: Balanced) -> None:
    for name in ("n1", "n2"):
        (entry,) = shop.entries(name)
        assert (entry["name"], entry["virtualServer"], entry["addresses"]) == (ENTRY, KEY, ["10.0.0.100"])
        assert shop.backends(name) == list(BACKENDS)
    status = shop.status()
    assert [shop.reason(kind) for kind in ("Accepted", "Programmed", "Ready")] == ["Accepted", "Programmed", "Ready"]
    assert shop.condition("Programmed")[2] == "runs on n1, n2"
    assert shop.condition("Ready")[2] == "https: 3 of 3 backends are up on n1"
    summaries = ("addressSummary", "portSummary", "backendSummary", "holderSummary")
    assert [status[name] for name in summaries] == ["10.0.0.100", "443/TCP", "3/3", "n1"]
    (port,) = status["ports"]
    assert (port["node"], port["quorum"], port["sorry"], port["up"], port["down"]) == ("n1", True, False, 3, 0)
    assert [each["address"] for each in port["backends"]] == list(BACKENDS)


def test_an_operator_with_an_empty_memory_writes_nothing(shop: Balanced) -> None:
    written = len(shop.api.log)
    anew = Running(shop.api)
    anew.endpoints = shop.running.endpoints
    anew.settle()
    assert [str(write) for write in shop.api.log[written:]] == []


def test_a_port_stays_whose_it_is_while_the_operator_begins_anew(shop: Balanced) -> None:
    """Of one age the name would decide for the other one, if nobody had the port."""
    shop.api.add(namespace("mail"))
    shop.api.add(virtual_server("mail/imap"))
    anew = Running(shop.api)
    anew.endpoints = Endpoints({KEY: shop.running.endpoints.slices[KEY], "mail/imap": ()})
    anew.settle()
    assert [entry["name"] for entry in shop.entries("n1")] == [ENTRY]
    assert shop.reason("Accepted", "mail/imap") == "PortConflict"


def test_the_services_that_are_named_are_asked_for(shop: Balanced) -> None:
    shop.api.add(virtual_server("mail/imap", backends={"service": {"name": "dovecot"}}))
    shop.api.add(virtual_server("mail/smtp", backends={"servers": [{"address": "10.0.0.28"}]}))
    assert shop.running.settle().turns[-1].services == {KEY, "mail/dovecot"}


def test_a_change_of_endpoints_is_one_write_for_each_node_and_no_change_of_programmed(shop: Balanced) -> None:
    since = copy.deepcopy(shop.status()["conditions"])
    written = len(shop.api.log)
    shop.endpoints(*BACKENDS[:2])
    shop.settle()
    assert shop.backends("n1") == shop.backends("n2") == list(BACKENDS[:2])
    writes = [str(write) for write in shop.api.log[written:]]
    assert sorted(w for w in writes if "NodeConfig" in w) == ["apply NodeConfig/n1", "apply NodeConfig/n2"]
    assert [(c["status"], c["lastTransitionTime"]) for c in shop.status()["conditions"]] == [
        (c["status"], c["lastTransitionTime"]) for c in since
    ]
    assert shop.status()["backendSummary"] == "2/2"


def test_until_endpoints_are_listed_nodes_keep_what_they_run(shop: Balanced) -> None:
    """The operator begins anew: for a moment it knows of no endpoint at all."""
    before, written = dict(shop.api.objects), len(shop.api.log)
    anew = Running(shop.api).settle()
    assert (shop.api.objects, shop.api.log[written:]) == (before, [])
    anew.endpoints = Endpoints({KEY: ()})
    anew.settle()
    assert shop.backends("n1") == []


def test_endpoints_that_cannot_be_listed_are_told_and_cost_nothing(shop: Balanced) -> None:
    anew = Running(shop.api)
    anew.endpoints = Endpoints({}, "403 Forbidden: endpointslices is forbidden")
    anew.settle()
    assert shop.backends("n1") == list(BACKENDS)
    status, reason, message = shop.condition("Programmed")
    assert (status, reason) == ("Unknown", "EndpointsUnknown")
    assert "endpointslices is forbidden" in message
    anew.endpoints = shop.running.endpoints
    anew.settle()
    assert shop.reason("Programmed") == "Programmed"


def test_without_a_word_nobody_is_late_for_a_moment_and_then_somebody_is(shop: Balanced) -> None:
    shop.endpoints("10.1.0.9")
    shop.running.settle()
    assert shop.reason("Programmed") == "Programmed"
    shop.report("n1")
    shop.api.now += 6.0
    shop.running.settle()
    assert shop.condition("Programmed") == (
        "Unknown",
        "WaitingForNodes",
        "waiting for n2 to confirm its configuration",
    )
    shop.api.now += 40.0
    shop.running.settle()
    assert shop.reason("Programmed") == "NodesSilent"
    shop.settle()
    assert shop.reason("Programmed") == "Programmed"


def test_endpoints_that_change_all_the_time_make_nobody_late(shop: Balanced) -> None:
    """Each node confirms what it was told a moment ago, and there is always something newer."""
    for number in range(20):
        shop.report("n1")
        shop.report("n2")
        shop.endpoints(f"10.1.0.{number + 10}")
        shop.api.now += 1.0
        shop.running.settle()
        assert shop.reason("Programmed") == "Programmed"


def test_a_change_of_the_spec_waits_for_its_nodes(shop: Balanced) -> None:
    document = shop.api.get("VirtualServer", KEY)
    document["spec"]["scheduler"] = "rr"
    shop.api.add(document)
    shop.running.settle()
    assert shop.reason("Programmed") == "WaitingForNodes"
    assert shop.status()["observedGeneration"] == 2
    shop.settle()
    assert shop.reason("Programmed") == "Programmed"
    assert "scheduler" in next(w.reason for w in reversed(shop.api.log) if w.kind == "NodeConfig")


# -- backends


def test_a_backend_that_is_down_is_shown_first_with_its_reason_and_told_once(shop: Balanced) -> None:
    shop.downs = (down("10.1.0.2"),)
    shop.settle()
    assert shop.condition("Ready") == (
        "True",
        "Degraded",
        "https: 2 of 3 backends are up on n1; down: 10.1.0.2:8443 (connection refused)",
    )
    (port,) = shop.status()["ports"]
    assert port["backends"][0] == down("10.1.0.2")
    assert shop.status()["backendSummary"] == "2/3"
    told = "BackendDown: https (2 of 3 backends are up): 10.1.0.2:8443 (connection refused)"
    assert shop.events()[-1] == told
    count = len(shop.events())
    shop.settle()
    assert len(shop.events()) == count
    shop.downs = ()
    shop.settle()
    assert shop.events()[count:] == ["BackendUp: https (3 of 3 backends are up): 10.1.0.2:8443"]
    assert shop.reason("Ready") == "Ready"


def test_a_hundred_that_go_down_together_are_one_event() -> None:
    addresses = [f"10.1.1.{n}" for n in range(1, 101)]
    shop = Balanced()
    shop.endpoints(*addresses)
    shop.settle()
    before = len(shop.events())
    shop.downs = tuple(down(each) for each in addresses)
    shop.settle()
    lost, fallen = shop.events()[before:]
    assert lost.startswith(
        "QuorumLost: https: no quorum: weight 0 of 100 is up, 1 is needed; 0 of 100 backends are up on n1; down: 10.1."
    )
    assert "and 97 more" in lost
    assert fallen.startswith("BackendDown: https (0 of 100 backends are up): 10.1.1.1:8443 (connection refused), ")
    # As many as a status lists.
    assert fallen.endswith("and 59 more")
    assert shop.reason("Ready") == "NoQuorum"


def test_a_quorum_that_is_gained_again_is_told(shop: Balanced) -> None:
    shop.downs = tuple(map(down, BACKENDS))
    shop.settle()
    assert shop.condition("Ready")[:2] == ("False", "NoQuorum")
    before = len(shop.events())
    shop.downs = ()
    shop.settle()
    assert [event.split(":")[0] for event in shop.events()[before:]] == ["QuorumGained", "BackendUp"]


def test_the_sorry_server_that_answers_is_named(shop: Balanced) -> None:
    shop.downs = tuple(map(down, BACKENDS))
    (entry,) = shop.entries("n1")
    shop.report("n1", virtualServers=[shop.server_report(entry, sorry=True)])
    shop.running.settle()
    status, reason, message = shop.condition("Ready")
    assert (status, reason) == ("False", "SorryServer")
    assert message.startswith("https: the sorry server answers; 0 of 3 backends are up on n1; down: 10.1.0.1:8443")
    assert shop.status()["ports"][0]["sorry"] is True


def test_a_service_without_endpoints_has_no_backends() -> None:
    shop = Balanced()
    shop.endpoints()
    shop.settle()
    assert shop.condition("Ready") == ("False", "NoBackends", "https: there are no backends on n1")
    (entry,) = shop.entries("n1")
    shop.report("n1", virtualServers=[shop.server_report(entry, draining=3)])
    shop.running.settle()
    assert shop.condition("Ready") == ("False", "NoBackends", "https: there are no backends on n1; 3 are draining")
    assert shop.status()["backendSummary"] == "0/0"


def test_more_backends_than_a_status_lists_are_counted(shop: Balanced) -> None:
    addresses = [f"10.1.{n // 200}.{n % 200 + 1}" for n in range(300)]
    shop.endpoints(*addresses)
    shop.downs = tuple(down(each) for each in addresses[:100])
    shop.settle()
    (port,) = shop.status()["ports"]
    assert (port["up"], port["down"], len(port["backends"])) == (200, 100, 64)
    before = len(shop.events())
    shop.downs = ()
    shop.settle()
    assert [event.partition(":")[0] for event in shop.events()[before:]] == ["BackendUp"]


# -- holders


def test_the_words_are_those_of_the_holder(shop: Balanced) -> None:
    (entry,) = shop.entries("n2")
    shop.downs = tuple(map(down, BACKENDS))
    shop.report("n2", virtualServers=[shop.server_report(entry)])
    shop.running.settle()
    assert shop.reason("Ready") == "Ready"
    shop.downs = ()
    shop.states = {"n1": "Backup", "n2": "Active"}
    shop.report("n1")
    shop.downs = tuple(map(down, BACKENDS[:1]))
    shop.report("n2")
    shop.running.settle()
    assert shop.status()["holderSummary"] == "n2"
    assert shop.status()["ports"][0]["node"] == "n2"
    assert shop.reason("Ready") == "Degraded"


def test_the_last_word_of_a_dead_holder_is_not_the_holders(shop: Balanced) -> None:
    shop.downs = (down("10.1.0.1"),)
    shop.settle()
    shop.api.add(node("n1", ready=False))
    shop.running.settle()
    assert shop.condition("Ready") == (
        "Unknown",
        "HolderUnreachable",
        "https: the Node n1 that held 10.0.0.100 last is not Ready",
    )
    (port,) = shop.status()["ports"]
    assert ("node" in port, port["up"], port["down"]) == (False, 0, 0)
    # n1 stays Active in its last word; n2 took over.
    shop.downs = ()
    shop.states["n2"] = "Active"
    shop.report("n2")
    shop.running.settle()
    assert shop.condition("Ready") == ("True", "Ready", "https: 3 of 3 backends are up on n2")


def test_who_takes_over_is_not_told_of_the_virtual_server(shop: Balanced) -> None:
    before = len(shop.events())
    shop.states = {"n1": "Backup", "n2": "Active"}
    shop.settle()
    assert shop.events()[before:] == []


def test_without_a_holder_nobody_answers(shop: Balanced) -> None:
    shop.states = {"n1": "Fault", "n2": "Fault"}
    shop.settle()
    assert shop.condition("Ready") == ("Unknown", "HolderUnclear", "https: who holds 10.0.0.100 is not clear")
    shop.api.now += 60.0
    shop.running.settle()
    assert shop.condition("Ready") == ("False", "NoHolder", "https: no node holds 10.0.0.100")
    assert "holderSummary" not in shop.status()


def test_a_holder_that_has_not_said_anything_yet(shop: Balanced) -> None:
    shop.report("n1", virtualServers=[])
    shop.running.settle()
    assert shop.condition("Ready") == (
        "Unknown",
        "NotReported",
        "https: n1, which holds 10.0.0.100, has not reported it",
    )


# -- what a node says against it


def test_what_a_node_refuses_is_told_in_its_words(shop: Balanced) -> None:
    problem = {"instance": ENTRY, "path": "spec.virtualServers[0].tunnel", "message": "there is no fou"}
    shop.report("n2", problems=[problem])
    shop.running.settle()
    assert shop.condition("Programmed") == (
        "False",
        "RefusedByNode",
        "n2: spec.virtualServers[0].tunnel: there is no fou",
    )
    shop.report("n2", problems=[{"instance": "shop/other:https", "path": "", "message": "another one's"}])
    shop.running.settle()
    assert shop.reason("Programmed") == "Programmed"


def test_what_keeps_all_virtual_servers_of_a_node_is_told_of_each_and_not_of_the_virtual_ip(shop: Balanced) -> None:
    problem = {"instance": "", "path": "spec.virtualServers", "message": "no IPVS here", "module": "ip_vs"}
    shop.report("n1", problems=[problem])
    shop.running.settle()
    assert shop.condition("Programmed") == ("False", "ModuleMissing", "missing on n1: kernel module ip_vs")
    conditions = shop.api.get("VirtualIP", "web")["status"]["conditions"]
    assert {each["type"]: each["status"] for each in conditions}["Programmed"] == "True"


def test_what_a_node_cannot_do_for_an_address_is_told_of_its_virtual_servers() -> None:
    """Nodes of backends need not be candidates."""
    shop = Balanced(node("n3"), nodes={"preferred": [{"node": "n1"}, {"node": "n2"}], "maxCandidates": 2})
    shop.states["n3"] = "Backup"
    shop.settle()
    assert shop.entries("n3") == []
    problem = {"instance": "10.0.0.100", "path": "spec.backendAddresses[0].interfaces", "message": "there is no eth7"}
    shop.report("n3", problems=[problem])
    shop.running.settle()
    assert shop.reason("Programmed") == "RefusedByNode"
    assert "n3: spec.backendAddresses[0].interfaces: there is no eth7" in shop.condition("Programmed")[2]
    shop.report("n3", problems=[problem | {"instance": "10.0.0.101"}])
    shop.settle()
    assert shop.reason("Programmed") == "Programmed"


def test_a_missing_module_is_named_with_its_nodes(shop: Balanced) -> None:
    problem = {"instance": ENTRY, "path": "", "message": "not there", "module": "ip_vs_wlc"}
    for name in ("n1", "n2"):
        shop.report(name, problems=[problem])
    shop.running.settle()
    assert shop.condition("Programmed") == ("False", "ModuleMissing", "missing on n1, n2: kernel module ip_vs_wlc")
    assert shop.events()[-1] == "ModuleMissing: missing on n1, n2: kernel module ip_vs_wlc"


NO_IPVS = {"instance": "", "path": "spec.virtualServers", "message": "IPVS is missing", "module": "ip_vs"}
NOT_ROUTING = {"instance": ENTRY, "path": "spec.virtualServers", "message": "net.ipv4.ip_forward is 0"}


@pytest.mark.parametrize("sorry", [False, True])
def test_a_holder_that_cannot_balance_is_not_ready_whatever_its_checks_find(shop: Balanced, sorry: bool) -> None:
    (entry,) = shop.entries("n1")
    shop.report("n1", problems=[NO_IPVS], virtualServers=[shop.server_report(entry, sorry=sorry, quorum=not sorry)])
    shop.running.settle()
    assert shop.condition("Ready") == (
        "False",
        "NotProgrammed",
        "https: n1, which holds 10.0.0.100, cannot balance: kernel module ip_vs is missing; 3 of 3 backends are up",
    )
    shop.report("n1", problems=[{"instance": ENTRY, "path": "", "message": "refused by the kernel"}])
    shop.running.settle()
    assert "cannot balance: refused by the kernel; 3 of 3" in shop.condition("Ready")[2]
    shop.settle()
    assert shop.reason("Ready") == "Ready"


def test_of_a_node_that_does_not_hold_it_ready_says_nothing(shop: Balanced) -> None:
    shop.report("n2", problems=[NO_IPVS])
    shop.running.settle()
    assert (shop.reason("Programmed"), shop.reason("Ready")) == ("ModuleMissing", "Ready")


def test_all_kinds_of_problems_are_told_together(shop: Balanced) -> None:
    for name in ("n1", "n2"):
        shop.report(name, problems=[NO_IPVS, NOT_ROUTING], kubeProxy={"mode": "IPVS", "removesServices": True})
    shop.running.settle()
    status, reason, message = shop.condition("Programmed")
    assert (status, reason) == ("False", "ModuleMissing")
    words = "missing on n1, n2: kernel module ip_vs; also: n1, n2: net.ipv4.ip_forward is 0; also: kube-proxy on n1, n2"
    assert message.startswith(words)


def test_nobody_runs_it_before_the_nodes_checks_have_answered() -> None:
    shop = Balanced()
    for _ in range(5):
        shop.running.settle()
        for name in ("n1", "n2"):
            shop.report(name, virtualServers=[])
    shop.running.settle()
    assert shop.condition("Programmed") == ("Unknown", "WaitingForNodes", "waiting for n1, n2 to report on it")
    assert not any(event.startswith("Programmed") for event in shop.events())
    # What is too long for a status is cut, and a remark says so.
    shop.report("n1", virtualServers=[], problems=[{"path": "status", "message": "reports of 1 more are left out"}])
    shop.running.settle()
    assert shop.condition("Programmed")[2] == "waiting for n2 to report on it"
    shop.settle()
    assert shop.reason("Programmed") == "Programmed"


def test_kube_proxy_that_deletes_it_is_told_with_the_setting_that_helps(shop: Balanced) -> None:
    shop.report("n1", kubeProxy={"mode": "IPVS", "removesServices": True})
    shop.report("n2", kubeProxy={"mode": "IPVS"})
    shop.running.settle()
    status, reason, message = shop.condition("Programmed")
    assert (status, reason) == ("False", "KubeProxyConflict")
    assert "kube-proxy on n1 runs in IPVS mode" in message
    assert "ipvs.excludeCIDRs to have 10.0.0.100/32" in message


def test_kube_proxy_that_answers_arp_is_told_of_the_virtual_ip(shop: Balanced) -> None:
    shop.more = {"kubeProxy": {"mode": "IPVS", "answersArp": True}}
    shop.settle()
    conditions = shop.api.get("VirtualIP", "web")["status"]["conditions"]
    message = next(each["message"] for each in conditions if each["type"] == "Programmed")
    assert "ipvs.strictARP: true" in message
    assert "n1, n2" in message


# -- what is not accepted


def test_a_namespace_that_is_not_allowed_is_told_and_nothing_is_programmed() -> None:
    shop = Balanced(allowedNamespaces={"from": "Selector", "selector": {"matchLabels": {"team": "shop"}}}).settle()
    assert shop.entries("n1") == []
    assert shop.condition("Accepted")[:2] == ("False", "NamespaceNotAllowed")
    assert shop.reason("Programmed") == "NotAccepted"
    assert shop.reason("Ready") == "NotProgrammed"
    shop.api.add(namespace("shop", team="shop"))
    shop.settle()
    assert shop.reason("Accepted") == "Accepted"
    assert shop.backends("n1") == list(BACKENDS)


def test_one_that_cannot_be_read_says_so_and_keeps_what_runs(shop: Balanced) -> None:
    document = shop.api.get("VirtualServer", KEY)
    document["spec"]["scheduler"] = "of another version"
    shop.api.add(document)
    shop.settle()
    assert shop.condition("Accepted")[:2] == ("False", "Invalid")
    assert "spec.scheduler" in shop.condition("Accepted")[2]
    assert shop.backends("n1") == list(BACKENDS)
    assert shop.reason("Ready") == "NotReported"


def test_one_that_could_never_be_read_is_not_ready() -> None:
    shop = Balanced(server=virtual_server(KEY, scheduler="of another version")).settle()
    assert shop.condition("Accepted")[:2] == ("False", "Invalid")
    assert shop.condition("Programmed") == (
        "False",
        "NotAccepted",
        "no node runs any of it; see the condition Accepted",
    )
    assert shop.condition("Ready") == (
        "False",
        "NotProgrammed",
        "no node runs it, and it can't be read; see the condition Accepted",
    )


def test_one_that_is_deleted_leaves_the_nodes(shop: Balanced) -> None:
    shop.api.remove("VirtualServer", KEY)
    shop.settle()
    assert (shop.entries("n1"), shop.entries("n2")) == ([], [])


def test_a_virtual_ip_that_is_not_there_is_told() -> None:
    shop = Balanced(server=virtual_server(KEY, virtual_ip="other")).settle()
    assert shop.condition("Accepted")[:2] == ("False", "VirtualIPNotFound")


def test_two_namespaces_may_have_one_of_the_same_name() -> None:
    other = virtual_server("mail/shop", ports=[{"name": "imap", "port": 993}])
    shop = Balanced(other, namespace("mail"))
    shop.slices["mail/shop"] = (endpoint_slice("mail/shop", ["10.1.9.9"], {"imap": 993}),)
    shop.hear()
    shop.settle()
    assert {entry["name"] for entry in shop.entries("n1")} == {ENTRY, "mail/shop:imap"}
    assert shop.reason("Ready", "mail/shop") == "Ready"
    writes = [write for write in shop.api.log if write.kind == "VirtualServer"]
    assert {write.document["metadata"]["namespace"] for write in writes} == {"shop", "mail"}
    assert {write.verb for write in writes} == {Verb.STATUS}


def two_families() -> Balanced:
    addresses: list[dict[str, Any]] = [{"address": "10.0.0.100/24"}, {"address": "2001:db8::100/64"}]
    shop = Balanced(addresses=addresses)
    shop.slices[KEY] = (endpoint_slice(KEY, BACKENDS), endpoint_slice(KEY, ["fd00::1", "fd00::2"], suffix="six"))
    shop.hear()
    return shop.settle()


def test_both_families_of_a_port_are_one_port_in_the_status() -> None:
    shop = two_families()
    (port,) = shop.status()["ports"]
    assert port["addresses"] == ["10.0.0.100", "2001:db8::100"]
    assert (port["up"], port["down"], port["quorum"]) == (5, 0, True)
    shop.downs = (down("fd00::1"), down("fd00::2"))
    shop.settle()
    (port,) = shop.status()["ports"]
    assert (port["up"], port["down"], port["quorum"]) == (3, 2, False)
    assert shop.condition("Ready")[2].endswith(
        "down: [fd00::1]:8443 (connection refused), [fd00::2]:8443 (connection refused)"
    )


@pytest.mark.parametrize(
    ("quorum", "fallen", "words"),
    [
        ({"up": 2}, 2, "no quorum: weight 1 of 3 is up, 2 are needed; 1 of 3 backends are up on n1; down: "),
        ({"up": 2, "hysteresis": 1}, 1, "no quorum: weight 2 of 3 is up, 3 are needed; 2 of 3"),
        ({"up": 4}, 0, "no quorum: weight 3 is up, quorum.up needs 4; all 3 backends together have 3: lower spec.quo"),
    ],
)
def test_without_a_quorum_ready_names_weight_and_need(quorum: dict[str, int], fallen: int, words: str) -> None:
    shop = Balanced(server=virtual_server(KEY, quorum=quorum)).settle()
    shop.downs = tuple(map(down, BACKENDS[:fallen]))
    for name in ("n1", "n2"):
        shop.report(name, virtualServers=[shop.server_report(shop.entries(name)[0], quorum=False)])
    shop.running.settle()
    status, reason, message = shop.condition("Ready")
    assert (status, reason) == ("False", "NoQuorum")
    assert message.startswith(f"https: {words}")


def test_a_sorry_server_answers_in_its_own_family_alone() -> None:
    shop = two_families()
    shop.downs = tuple(map(down, (*BACKENDS, "fd00::1", "fd00::2")))
    (entry,) = shop.entries("n1")
    reports = [shop.server_report(entry, sorry=True), shop.server_report(entry, family="IPv6")]
    shop.report("n1", virtualServers=reports)
    shop.running.settle()
    status, reason, message = shop.condition("Ready")
    assert (status, reason) == ("False", "NoQuorum")
    words = "the sorry server answers on 10.0.0.100; nobody answers on 2001:db8::100 (it is IPv4); 0 of 5 backends"
    assert message.startswith(f"https: {words}")
    reports[1]["sorry"] = True
    shop.report("n1", virtualServers=reports)
    shop.running.settle()
    assert shop.reason("Ready") == "SorryServer"


def test_where_addresses_are_spread_the_holder_that_is_worse_off_speaks() -> None:
    addresses: list[dict[str, Any]] = [{"address": "10.0.0.100/24"}, {"address": "10.0.0.101/24"}]
    shop = Balanced(addresses=addresses, distribution="Balanced")
    shop.states = {"n1": "Active", "n2": "Backup"}
    shop.settle()
    homes = {
        instance["name"]: node
        for node in ("n1", "n2")
        for instance in shop.api.get("NodeConfig", node)["spec"]["instances"]
        if instance["priority"] >= 250
    }
    assert set(homes.values()) == {"n1", "n2"}
    for name in ("n1", "n2"):
        spec = shop.api.get("NodeConfig", name)["spec"]
        states = [
            {
                "name": i["name"],
                "state": "Active" if homes[i["name"]] == name else "Backup",
                "sinceTime": "u",
                "priority": 1,
                "transitions": 2,
            }
            for i in spec["instances"]
        ]
        shop.downs = (down("10.1.0.1"),) if name == "n2" else ()
        shop.report(name, instances=states)
    shop.running.settle()
    assert sorted(shop.status()["holderSummary"].split()) == ["n1", "n2"]
    (port,) = shop.status()["ports"]
    assert (port["node"], port["up"], port["down"]) == ("n2", 2, 1)
