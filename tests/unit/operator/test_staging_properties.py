"""Whatever is asked for, written, taken, confirmed and lost in whatever order: never two holders, and an end."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.operator.fleet import Fleet, Wish

from mooring_api.nodeconfig import InstanceState

NODES = ["n1", "n2", "n3", "n4"]
FOUR = tuple(f"10.0.5.{i}/16" for i in range(1, 5))
SIX = tuple(f"2001:db8::5:{i}/64" for i in range(1, 3))
FEW = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@st.composite
def wishes(draw):
    """Up to three groups of two VirtualIPs, with addresses, VRIDs and members in any assignment."""
    groups = draw(st.lists(st.sampled_from([("a", 0), ("a", 1), ("b", 0)]), max_size=3, unique=True))
    vrids = draw(st.permutations([1, 2, 3, 4]))
    owners = {address: draw(st.sampled_from([*groups, None])) for address in (*FOUR, *SIX)} if groups else {}
    lines = {node: draw(st.sampled_from([0, 0, 0, 1])) for node in NODES}
    found = []
    for number, (virtual_ip, index) in enumerate(groups):
        addresses = tuple(address for address, owner in owners.items() if owner == (virtual_ip, index))
        members = draw(st.lists(st.sampled_from(NODES), min_size=1, max_size=4, unique=True))
        mute = draw(st.lists(st.sampled_from(members), max_size=1)) if len(members) > 1 else []
        if not addresses:
            continue
        old = all(":" not in address for address in addresses) and draw(st.booleans())
        found.append(
            Wish(
                virtual_ip,
                index,
                addresses,
                {node: (250 - 10 * place, node not in mute) for place, node in enumerate(members)},
                vrids[number],
                version=2 if old else 3,
                interval=draw(st.sampled_from(["1s", "2s"])),
                secret=draw(st.sampled_from([None, "red", "blue"])) if old else None,
                multicast=draw(st.sampled_from([False, False, True])),
                lines=lines,
            )
        )
    return found


EVENTS = st.sampled_from(
    ["aim", "write", "write", "write one", "take", "take", "report", "report", "follow", "fetch", "secret", "state", "lose"]
)


def happen(fleet, event, data):
    """One thing happens somewhere."""
    names = sorted(fleet.nodes)
    node = fleet.nodes[data.draw(st.sampled_from(names))]
    match event:
        case "aim":
            fleet.aim(data.draw(wishes()))
        case "write":
            fleet.write(fleet.stage())
        case "write one":
            # Killed after some of the writes.
            staged = fleet.stage()
            fleet.write(staged, data.draw(st.lists(st.sampled_from(names), unique=True)))
        case "take":
            node.take(fleet.secrets)
        case "report":
            node.report()
        case "follow":
            fleet.everybody_follows()
        case "fetch":
            node.fetch(fleet.secrets)
        case "secret":
            fleet.bump(data.draw(st.sampled_from(sorted(fleet.secrets))))
        case "state":
            for instance in node.runs:
                if instance.eligible:
                    choice = data.draw(st.sampled_from(InstanceState))
                    node.states[instance.group_name] = choice
        case "lose":
            if len(fleet.nodes) > 2:
                fleet.lose(node.name)


@FEW
@given(st.data(), st.lists(EVENTS, max_size=40))
def test_two_that_may_be_active_hear_each_other_whatever_happens(data, events):
    fleet = Fleet(NODES)
    for event in ["aim", "write", *events]:
        happen(fleet, event, data)
        fleet.check()
    fleet.rounds_to_target()
