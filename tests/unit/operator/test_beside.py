"""What stands beside the instances, read leniently and not twice."""

from copy import deepcopy

import pytest

from mooring_api.node_server import NodeVirtualServer
from mooring_api.nodeconfig import NodeConfigSpec
from mooring_operator.plan.servers.plans import NOTHING
from mooring_operator.stage.beside import beside
from mooring_operator.stage.standing import standing_of

SERVER = {"name": "shop/shop:https", "addresses": ["10.0.5.1"], "port": 443, "backends": [{"address": "10.244.0.1"}]}
SPEC = {
    "virtualServers": [SERVER, {**SERVER, "name": "shop/shop:http", "port": 80}],
    "backendAddresses": [{"address": "10.0.5.2", "interfaces": ["eth0"]}],
    "portGuards": [{"addresses": ["10.0.5.1"], "mode": "Enforce", "ports": [{"port": 443}]}],
    "connectionSync": {"interface": "eth0"},
}


def test_everything_is_read():
    found = beside(SPEC, None)
    assert not found.garbled
    assert [s.name for s in found.services.virtual_servers] == ["shop/shop:https", "shop/shop:http"]
    assert found.services.backend_addresses[0].address == "10.0.5.2"
    assert found.services.port_guards[0].mode == "Enforce"
    assert found.services.connection_sync.interface == "eth0"
    assert beside({}, found).services == NOTHING


def test_what_a_newer_operator_wrote_is_passed_over():
    newer = deepcopy(SPEC)
    newer["virtualServers"][0] |= {"colour": "red"}
    assert beside(newer, None) == beside(SPEC, None)


@pytest.mark.parametrize("field", ["virtualServers", "backendAddresses", "portGuards"])
@pytest.mark.parametrize("wrong", [7, None, {"name": 7}, "x"])
def test_one_bad_entry_costs_itself(field, wrong):
    found = beside(SPEC | {field: [*SPEC[field], wrong]}, None)
    assert found.garbled
    assert found.services == beside(SPEC, None).services


@pytest.mark.parametrize("spec", [{"virtualServers": 7}, {"portGuards": "x"}, {"connectionSync": None}])
def test_what_is_no_list_is_none(spec):
    assert beside(spec, None).services == NOTHING


def test_a_sync_that_cannot_be_read():
    found = beside({"connectionSync": {"group": "nowhere"}}, None)
    assert (found.services, found.garbled) == (NOTHING, True)


def test_entries_that_did_not_change_are_not_read_again(monkeypatch):
    first = beside(deepcopy(SPEC), None)
    changed = deepcopy(SPEC)
    changed["virtualServers"][1]["port"] = 81
    read = []
    validate = NodeVirtualServer.model_validate
    monkeypatch.setattr(
        NodeVirtualServer, "model_validate", lambda given, **how: read.append(given["name"]) or validate(given, **how)
    )
    second = beside(changed, first)
    assert read == ["shop/shop:http"]
    assert second.services.virtual_servers[0] is first.services.virtual_servers[0]
    assert second == beside(changed, None)


def test_a_standing_shares_the_objects_that_were_written():
    written = NodeConfigSpec.model_validate(SPEC, by_alias=True, by_name=False)
    document = {"metadata": {"name": "n-1", "uid": "u", "generation": 1}, "spec": written.to_wire()}
    found = standing_of(document)
    assert found.has(written)
    assert found.services.virtual_servers is not written.virtual_servers
    assert found.sharing(written).services.virtual_servers is written.virtual_servers
    other = written.model_copy(update={"virtual_servers": ()})
    assert not found.has(other)
    assert found.sharing(other) == found
