"""The measurement, on real links."""

import pytest

from mooring_lab.lab import Lab
from mooring_lab.measurement import Measurement
from mooring_lab.rights import LabError
from mooring_lab.wait import wait_until

pytestmark = pytest.mark.netns

ADDRESSES = ("10.0.0.100", "10.0.0.101", "fd00:10::100")


def hold(lab: Lab, name: str, address: str) -> None:
    prefix, options = ("/64", ["nodad"]) if ":" in address else ("/24", [])
    done = lab.node(name).exec("ip", "addr", "add", address + prefix, "dev", "eth0", *options)
    assert done.returncode == 0, done.stderr


def pass_time(lab: Lab, node: str = "lb-1") -> None:
    """Something that takes some tens of milliseconds in the lab, while the measurement goes on."""
    lab.node(node).reach("10.0.0.200", requests=20)


def test_what_answers_is_seen_with_its_holder_and_what_does_not_is_lost(lab_name: str) -> None:
    with Lab(lab_name) as lab:
        lb_1, lb_2 = (node.member.mac for node in lab.nodes)
        hold(lab, "lb-1", ADDRESSES[0])
        hold(lab, "lb-2", ADDRESSES[2])
        with lab.client.measure(ADDRESSES) as measurement:
            pass_time(lab)
        result = measurement.result()
        assert result.requests > 10
        assert (result["10.0.0.100"].lost, result["10.0.0.100"].last_holder) == (0, lb_1)
        assert (result["fd00:10::100"].lost, result["fd00:10::100"].last_holder) == (0, lb_2)
        assert result["10.0.0.101"].lost == result.requests == result.most_lost
        assert result["10.0.0.100"].contests == ()


def test_an_outage_is_as_long_as_the_link_was_cut(lab_name: str) -> None:
    with Lab(lab_name) as lab:
        hold(lab, "lb-1", ADDRESSES[0])
        with lab.client.measure(ADDRESSES[:1]) as measurement:
            pass_time(lab)
            before = Measurement.now()
            lab.node("lb-1").fault_link()
            cut = Measurement.now()
            pass_time(lab, "lb-2")
            mending = Measurement.now()
            lab.node("lb-1").heal()
            mended = Measurement.now()
            pass_time(lab)
        (outage,) = measurement.result()["10.0.0.100"].outages
        pause = measurement.result().longest_pause * 1e6
        assert before <= outage.start <= cut + pause
        assert mending <= outage.end <= mended + pause + 1_000_000
        assert measurement.result(mended + 100_000_000).addresses["10.0.0.100"].lost == 0


def test_two_holders_are_a_contest_and_one_is_none(lab_name: str) -> None:
    with Lab(lab_name) as lab:
        hold(lab, "lb-1", ADDRESSES[0])
        hold(lab, "lb-2", ADDRESSES[0])
        hold(lab, "lb-2", ADDRESSES[1])
        with lab.client.measure(ADDRESSES[:2]) as measurement:
            pass_time(lab)
        contests = measurement.result()["10.0.0.100"].contests
        assert contests[0].macs == tuple(node.member.mac for node in lab.nodes)
        assert measurement.result()["10.0.0.101"].contests == ()


def test_asking_who_holds_does_not_teach_the_client(lab_name: str) -> None:
    """A node claims an address that the client never resolved: the questions must leave no neighbour entry."""
    with Lab(lab_name) as lab:
        hold(lab, "lb-1", ADDRESSES[0])
        neighbours = ["ip", "neigh", "show", ADDRESSES[0]]
        lab.client.exec("ip", "neigh", "replace", ADDRESSES[0], "lladdr", "02:00:00:00:00:77", "dev", "eth0")
        with lab.client.measure(ADDRESSES[:1]) as measurement:
            wait_until(lambda: "02:00:00:00:00:77" in lab.client.exec(*neighbours).stdout, 10, "the entry")
            pass_time(lab)
            assert "02:00:00:00:00:77" in lab.client.exec(*neighbours).stdout
        assert measurement.result()["10.0.0.100"].held == ()
        assert {claim.address for claim in measurement.stop().claims} == {0}


def test_a_measurement_that_can_not_start_says_why(lab_name: str) -> None:
    with Lab(lab_name) as lab:
        with pytest.raises(LabError, match="nonsense"):
            lab.client.measure(["nonsense"])
        lab.client.exec("ip", "link", "del", "eth0")
        with pytest.raises(LabError, match="did not start"):
            lab.client.measure(ADDRESSES[:1])
