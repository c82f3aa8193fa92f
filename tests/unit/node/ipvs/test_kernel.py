"""The shell around the messages, over an exchange that a test writes: modules, families that change, broken sockets."""

import errno
import sys
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

import pytest
from tests.unit.node.ipvs.tables import DNS, ONE, WEB, WEB6, balanced

from mooring_node.ipvs import encode, kernel
from mooring_node.ipvs.diff import Action, Operation
from mooring_node.ipvs.kernel import Ipvs, IpvsMissingError
from mooring_node.ipvs.owned import Owned
from mooring_node.ipvs.reconcile import Reconciler
from mooring_node.ipvs.sync import Role
from mooring_node.ipvs.table import Destination, Service
from mooring_node.ipvs.wire import Command
from mooring_node.kernel.exchange import Failure
from mooring_node.kernel.netlink import Batch, Message, NetlinkFormatError, attribute, parse

CONTROLLER = 16
NEW = Operation(Action.NEW_SERVICE, WEB, None, Service("mh"))
OTHER = Operation(Action.NEW_SERVICE, DNS, None, Service("rr"))
ADD = Operation(Action.NEW_DESTINATION, DNS, ONE, Destination(1))


class FakeExchange:
    """What all exchanges of a test do; `refuse` says which command of which service ends with which errno."""

    opened = 0
    closed = 0
    family: int | None = 28
    refuse: dict[tuple[Command, bytes], int]
    broken: Exception | None
    batches: list[list[tuple[int, int]]]
    answered = 1

    def __init__(self, protocol: int, _timeout: int) -> None:
        assert protocol == 16
        type(self).opened += 1

    def ask(self, kind: int, body: bytes) -> tuple[Message, ...]:
        self._break()
        assert kind == CONTROLLER
        assert b"IPVS\0" in body
        if self.family is None:
            raise OSError(errno.ENOENT, "no such family")
        answer = Message(CONTROLLER, 0, 1, b"\x01\x02\0\0" + attribute(1, self.family.to_bytes(2, sys.byteorder)))
        return self.answered * (answer,)

    def apply(self, batch: Batch) -> tuple[Failure, ...]:
        self._break()
        self.batches.append([(each.kind, each.body[0]) for each in parse(batch.data)])
        return self._refused(batch)

    def ask_all(self, batch: Batch) -> tuple[tuple[Message, ...], tuple[Failure, ...]]:
        self._break()
        return (), self._refused(batch)

    def _refused(self, batch: Batch) -> tuple[Failure, ...]:
        sent = list(parse(batch.data))
        found = []
        for each in sent:
            for (command, name), code in self.refuse.items():
                if each.body[0] == command and name in each.body:
                    found.append(Failure(each.sequence - 1, code))
        return tuple(found)

    def close(self) -> None:
        type(self).closed += 1

    def _break(self) -> None:
        if self.broken is not None:
            raise self.broken


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeExchange]]:
    made = type("Made", (FakeExchange,), {"refuse": {}, "broken": None, "batches": []})
    monkeypatch.setattr(kernel, "Exchange", made)
    yield made
    assert made.closed == made.opened


@pytest.fixture
def ipvs(exchange: type[FakeExchange]) -> Iterator[Ipvs]:  # noqa: ARG001 (it must be in place first)
    with Ipvs(lambda _module: "not here") as opened:
        yield opened


def test_nothing_is_opened_before_it_is_needed(exchange: type[FakeExchange]) -> None:
    Ipvs().close()
    assert exchange.opened == 0


def test_changes_go_in_one_write_and_are_counted(ipvs: Ipvs, exchange: type[FakeExchange]) -> None:
    assert ipvs.apply([OTHER, ADD]) == ()
    assert exchange.batches == [[(28, Command.NEW_SERVICE), (28, Command.NEW_DEST)]]
    assert (ipvs.writes, ipvs.messages_sent) == (1, 2)


def test_a_kernel_without_ipvs(exchange: type[FakeExchange]) -> None:
    asked: list[str] = []
    exchange.family = None

    def load(module: str) -> str:
        asked.append(module)
        return "it may not be loaded"

    ipvs = Ipvs(load)
    for _ in range(2):
        with pytest.raises(IpvsMissingError) as caught:
            ipvs.services()
        assert caught.value.strerror == "the kernel lacks the module ip_vs: it may not be loaded"
        assert (caught.value.module, caught.value.errno) == ("ip_vs", errno.ENOENT)
    assert asked == ["ip_vs"]


def test_ipvs_is_loaded_where_that_is_allowed(exchange: type[FakeExchange]) -> None:
    exchange.family = None

    def load(_module: str) -> str:
        exchange.family = 30
        return ""

    with Ipvs(load) as ipvs:
        assert ipvs.apply([OTHER]) == ()
    assert exchange.batches == [[(30, Command.NEW_SERVICE)]]


def test_a_module_that_says_it_was_loaded_and_is_not_there_ends_the_trying(exchange: type[FakeExchange]) -> None:
    exchange.family = None
    with pytest.raises(IpvsMissingError):
        Ipvs(lambda _module: "").services()


def test_a_scheduler_is_loaded_and_its_service_is_tried_again(exchange: type[FakeExchange]) -> None:
    exchange.refuse = {(Command.NEW_SERVICE, b"mh\0"): errno.ENOENT}

    def load(module: str) -> str:
        assert module == "ip_vs_mh"
        exchange.refuse = {}
        return ""

    with Ipvs(load) as ipvs:
        assert ipvs.apply([NEW, OTHER]) == ()
    assert [len(batch) for batch in exchange.batches] == [2, 1]


def test_a_scheduler_that_is_not_there_is_asked_for_once(ipvs: Ipvs, exchange: type[FakeExchange]) -> None:
    exchange.refuse = {(Command.NEW_SERVICE, b"mh\0"): errno.ENOENT}
    for _ in range(2):
        (failure,) = ipvs.apply([NEW, OTHER])
        assert (failure.operation, failure.module) == (NEW, "ip_vs_mh")
        assert failure.reason == "the kernel lacks the module ip_vs_mh: not here"
    assert len(exchange.batches) == 2


def test_nobody_waits_for_a_module_that_is_being_loaded(exchange: type[FakeExchange]) -> None:
    """The next turn asks again; what it was missing for is done when it is there."""
    exchange.family, said = None, None

    with Ipvs(lambda _module: said) as ipvs:
        for _ in range(2):
            with pytest.raises(IpvsMissingError, match="the kernel lacks the module ip_vs: modprobe is looking for it"):
                ipvs.services()
        exchange.family, said = 28, ""
        assert ipvs.apply([OTHER]) == ()
        said, exchange.refuse = None, {(Command.NEW_SERVICE, b"mh\0"): errno.ENOENT}
        (failure,) = ipvs.apply([NEW, OTHER])
        assert (failure.operation, failure.module) == (NEW, "ip_vs_mh")
        assert failure.reason == "the kernel lacks the module ip_vs_mh: modprobe is looking for it"
        said = "it may not be loaded"
        (failure,) = ipvs.apply([NEW, OTHER])
        assert failure.reason == "the kernel lacks the module ip_vs_mh: it may not be loaded"


def test_refusals_are_said_in_words(ipvs: Ipvs, exchange: type[FakeExchange]) -> None:
    for code in (errno.EPERM, errno.EINVAL, errno.ENOSPC, errno.ENOMEM, errno.ESRCH):
        exchange.refuse = {(Command.NEW_DEST, b""): code}
        (failure,) = ipvs.apply([ADD])
        assert (failure.errno, failure.module) == (code, None)
        assert len(failure.reason) > 10


def test_what_can_not_be_told_is_a_refusal_of_it_alone(ipvs: Ipvs, exchange: type[FakeExchange]) -> None:
    bad = Operation(Action.NEW_DESTINATION, DNS, ONE, Destination(-1))
    (failure,) = ipvs.apply([OTHER, bad])
    assert (failure.operation, failure.errno) == (bad, errno.EINVAL)
    assert exchange.batches == [[(28, Command.NEW_SERVICE)]]


def test_a_family_that_the_kernel_does_not_know_costs_no_other_its_service(
    ipvs: Ipvs, exchange: type[FakeExchange], tmp_path: Path
) -> None:
    ours = IPv6Address(WEB6.address).packed
    exchange.refuse = {(Command.GET_SERVICE, b""): errno.ESRCH, (Command.GET_SERVICE, ours): errno.EAFNOSUPPORT}
    exchange.refuse[Command.NEW_SERVICE, ours] = errno.EAFNOSUPPORT
    reconciler = Reconciler(ipvs, Owned(tmp_path / "owned"))
    reconciler.want({WEB: balanced(ONE), WEB6: balanced()})
    for turn in range(3):
        reconciler.turn(turn)
    assert exchange.batches[:2] == [[(28, Command.NEW_SERVICE)] * 2, [(28, Command.NEW_DEST)]]
    ((key, problem),) = reconciler.lacking.items()
    assert (key, problem.message.endswith("does not know this family of addresses")) == (WEB6, True)
    assert reconciler.release() == ()


def test_an_answer_that_says_nothing_of_a_service_is_no_lack_of_it(ipvs: Ipvs, exchange: type[FakeExchange]) -> None:
    exchange.refuse = {(Command.GET_SERVICE, b""): errno.EPERM}
    with pytest.raises(PermissionError):
        ipvs.find([WEB])


@pytest.mark.parametrize("error", [TimeoutError(errno.ETIMEDOUT, "no answer"), OSError(errno.EBADF, "closed")])
def test_after_a_broken_exchange_the_next_has_a_new_socket(
    ipvs: Ipvs, exchange: type[FakeExchange], error: OSError
) -> None:
    ipvs.apply([OTHER])
    exchange.broken = error
    with pytest.raises(OSError, match=str(error.strerror)):
        ipvs.apply([OTHER])
    exchange.broken = None
    exchange.family = 33
    ipvs.apply([OTHER])
    assert [batch[0][0] for batch in exchange.batches] == [28, 33]
    assert exchange.opened == 2


def test_a_family_that_is_gone_is_looked_up_again(ipvs: Ipvs, exchange: type[FakeExchange]) -> None:
    ipvs.apply([OTHER])
    exchange.refuse = {(Command.NEW_DEST, b""): errno.ENOENT}
    assert len(ipvs.apply([ADD])) == 1
    exchange.family, exchange.refuse = 40, {}
    ipvs.apply([OTHER])
    assert exchange.batches[-1][0][0] == 40


@pytest.mark.parametrize("count", [0, 2])
def test_an_answer_that_is_none_is_one_error(ipvs: Ipvs, exchange: type[FakeExchange], count: int) -> None:
    exchange.answered = count
    with pytest.raises(NetlinkFormatError):
        ipvs.read()


def test_an_order_that_may_have_no_answer_is_followed_by_a_question(ipvs: Ipvs, exchange: type[FakeExchange]) -> None:
    ipvs.sync_stop(Role.MASTER)
    assert exchange.batches == [[(28, Command.DEL_DAEMON), (28, Command.GET_INFO)]]
    exchange.refuse = {(Command.DEL_DAEMON, b""): errno.ESRCH}
    with pytest.raises(OSError, match="No such process") as caught:
        ipvs.sync_stop(Role.MASTER)
    assert caught.value.errno == errno.ESRCH


def test_the_request_for_the_family_names_it() -> None:
    assert encode.family_request().hex() == "03010000" + "09000200" + b"IPVS\0".hex() + "000000"
