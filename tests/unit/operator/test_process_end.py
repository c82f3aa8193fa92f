"""The end of the process from inside: who leads next must find nothing under way."""

import threading
from collections.abc import Iterator

import pytest
from tests.unit.operator.fake_api import FakeApi
from tests.unit.operator.test_leader import FakeLease, spec_of

from mooring_kube.connection import Connection
from mooring_operator import process
from mooring_operator.cluster.writes import Verb, Write
from mooring_operator.process import Operator
from mooring_operator.settings import Address, Settings

LONG_S = 30.0
WRITE = Write(Verb.CREATE, "NodeConfig", "n1", "", document={"metadata": {"name": "n1"}, "spec": {"instances": []}})


class Bench:
    """An Operator that leads, whose write the API server answers when it is told to."""

    def __init__(self) -> None:
        self.lease = FakeLease()
        self.operator = Operator(Settings(metrics_address=Address("", 0)), Connection("http://127.0.0.1:9"), "test")
        self.operator._leader._keeper = self.lease
        self.operator._leader.step()
        self.begun, self.answer = threading.Event(), threading.Event()
        api = FakeApi()
        api.before = self._hang
        self.operator._writer._cluster = api
        self.operator._writer.start()
        self.operator._writer.want([WRITE])
        assert self.begun.wait(LONG_S)

    def _hang(self, _: Write) -> None:
        self.begun.set()
        assert self.answer.wait(LONG_S)

    def close(self) -> None:
        self.answer.set()
        assert self.operator._writer.stop(LONG_S)


@pytest.fixture
def bench() -> Iterator[Bench]:
    found = Bench()
    yield found
    found.close()


def test_the_lease_is_not_given_back_while_a_write_is_on_its_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What the successor has planned could meet it."""
    monkeypatch.setattr(process, "_WRITES_END_S", 0.0)
    bench.operator._end()
    assert not bench.operator._leader.holds()
    assert spec_of(bench.lease)["holderIdentity"] == bench.operator._leader.identity
    assert "the lease is not given back" in caplog.text


def test_it_is_given_back_when_the_last_write_has_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_WRITES_END_S", LONG_S)
    monkeypatch.setattr(process, "_RELEASE_S", LONG_S)
    bench.answer.set()
    bench.operator._end()
    assert spec_of(bench.lease)["holderIdentity"] == ""
