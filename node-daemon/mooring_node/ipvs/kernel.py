"""IPVS in this network namespace: read, change, count (shell).

The kernel does a batch before `sendmsg` returns, and goes on after a message that it refuses: nothing is undone, every
refusal is told. IPVS' dumps are taken by position, and the kernel does not say when a change shifted one: what a dump
lacks may be there. So nobody acts on a lack before it is asked for by name (`find`).
"""

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar

from mooring_node.ipvs import decode, encode, modules
from mooring_node.ipvs.decode import Counters, DestinationEntry, Load, ServiceEntry
from mooring_node.ipvs.diff import Operation
from mooring_node.ipvs.sync import Role, SyncDaemon
from mooring_node.ipvs.table import Balanced, DestinationKey, ServiceKey, Table
from mooring_node.ipvs.wire import CONTROLLER
from mooring_node.kernel.exchange import Exchange
from mooring_node.kernel.netlink import Message, NetlinkFormatError, Request, build_batch

#: The kernel may wait for its modprobe meanwhile.
ANSWER_TIMEOUT_S = 5
#: Questions of one sendmsg. Their answers are ten times as long, and are to fit into a socket's default buffer.
QUESTION_BYTES = 6 * 1024
#: Not in Python's socket module.
NETLINK_GENERIC = 16

#: What these errors say in IPVS; the others say it themselves.
_WORDS = {
    errno.EPERM: "IPVS needs the capability NET_ADMIN",
    errno.ESRCH: "the service is not there any more",
    errno.ENOENT: "the destination is not there any more",
    errno.EEXIST: "it is there already",
    errno.EAFNOSUPPORT: "the kernel's IPVS does not know this family of addresses",
    errno.EINVAL: "the kernel refuses these values; a destination must be a unicast address, and one of another family "
    "than its service needs a tunnel, and connections can't be synced then",
    errno.ERANGE: "the lower limit is above the upper one, or the weight is below 0",
}

#: How the kernel says that it has no such service: one of a family that it does not know isn't there either.
_ABSENT = frozenset({errno.ESRCH, errno.EAFNOSUPPORT})

ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Failure:
    """An operation that was refused; `module` is the one that the kernel lacks, where that is why."""

    operation: Operation
    errno: int
    reason: str
    module: str | None = None


class IpvsMissingError(OSError):
    """The kernel has no IPVS (errno ENOENT), and why its module was not loaded."""

    module = modules.IPVS


class Ipvs:
    """One netlink socket, opened when it is first needed and again after an exchange that broke.

    OSError from any call: the exchange as a whole failed (EPERM without NET_ADMIN, ETIMEDOUT, ENOBUFS),
    IpvsMissingError where there is no IPVS. NetlinkFormatError: an answer can't be read. What was changed until then
    stays changed.
    """

    def __init__(self, load: Callable[[str], str | None] | None = None) -> None:
        """`load` has a module loaded and says why it was not, "" where it was; None: it is to be asked again."""
        self._load = load or modules.Loader()
        self._exchange: Exchange | None = None
        self._family = 0
        self._tried: dict[str, str] = {}
        self.messages_sent = 0
        """Changes that were sent to the kernel; questions do not count."""
        self.writes = 0
        """Calls of sendmsg that they took."""

    def read(self) -> Table:
        """The whole table, whosever it is. 10,000 destinations take some hundred milliseconds."""
        return {
            key: Balanced(entry.service, {each: found.destination for each, found in self.destinations(key).items()})
            for key, entry in self.services().items()
        }

    def services(self) -> dict[ServiceKey, ServiceEntry]:
        """All services without their destinations; one that is there may be left out while others change."""
        found = self._dump(encode.services_request(), lambda received: decode.service(received.body))
        return {entry.key: entry for entry in found}

    def find(self, keys: Iterable[ServiceKey]) -> dict[ServiceKey, ServiceEntry]:
        """Those of the services that are there."""
        questions = []
        for key in keys:
            # One that can't even be told to the kernel is not there.
            with contextlib.suppress(ValueError):
                questions.append(encode.service_request(key))
        if not questions:
            return {}
        exchange = self._open()
        requests = (Request(index, self._family, 0, question) for index, question in enumerate(questions))
        batch = build_batch(requests, QUESTION_BYTES)
        with self._exchanging():
            answers, failures = exchange.ask_all(batch)
            for failure in failures:
                if failure.errno not in _ABSENT:
                    raise OSError(failure.errno, failure.reason or os.strerror(failure.errno))
            entries = (decode.service(answer.body) for answer in answers)
            return {entry.key: entry for entry in entries}

    def destinations(self, key: ServiceKey) -> dict[DestinationKey, DestinationEntry]:
        """The destinations of a service; none where there is no such service."""
        found = self._dump(
            encode.destinations_request(key), lambda received: decode.destination(received.body, key.family)
        )
        return {entry.key: entry for entry in found}

    def apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        """Do the operations in this order, as far as they can be done; what was refused.

        A module that is missing is tried once to be loaded. Once it is there, what it was missing for is done again;
        while it is loaded nobody waits, and that is refused as if there were none.
        """
        failures = self._apply(operations)
        again = [each.operation for each in failures if each.module and self._loads(each.module)]
        if again:
            failures = (*(each for each in failures if each.operation not in again), *self._apply(again))
        return tuple(self._explained(each) for each in failures)

    def counters(self) -> Mapping[ServiceKey, tuple[Counters, Mapping[DestinationKey, Load]]]:
        """What passed each service and destination, and the connections that there are; as long as `read`.

        The kernel adds up every 2 s, so it may tell of what was 2 s ago.
        """
        return {
            key: (entry.counters, {each: found.load for each, found in self.destinations(key).items()})
            for key, entry in self.services().items()
        }

    def sync_daemons(self) -> tuple[SyncDaemon, ...]:
        """The sync daemons that run, whoever started them."""
        return self._dump(encode.daemons_request(), lambda received: decode.daemon(received.body))

    def sync_start(self, daemon: SyncDaemon) -> None:
        """OSError: EEXIST where one runs in that role, ENODEV without the interface, EINVAL beside destinations of
        another family than their service."""
        self._order(encode.start_daemon(daemon))

    def sync_stop(self, role: Role) -> None:
        """ESRCH where none runs in that role."""
        self._order(encode.stop_daemon(role))

    def close(self) -> None:
        if self._exchange is not None:
            self._exchange.close()
            self._exchange = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _apply(self, operations: Sequence[Operation]) -> tuple[Failure, ...]:
        exchange = self._open()
        refused: list[Failure] = []
        requests: list[Request] = []
        for index, operation in enumerate(operations):
            try:
                requests.append(Request(index, self._family, 0, encode.change(operation)))
            except ValueError as error:
                refused.append(Failure(operation, errno.EINVAL, str(error)))
        batch = build_batch(requests)
        self.messages_sent += batch.count
        self.writes += len(batch.parts)
        with self._exchanging():
            for each in exchange.apply(batch):
                operation = operations[each.index]
                module = modules.missing_module(operation, each.errno)
                refused.append(Failure(operation, each.errno, each.reason, module))
        if refused and all(each.errno == errno.ENOENT for each in refused) and len(refused) == len(operations):
            # Nothing is known any more, the family neither, perhaps: its number changes with the module.
            self.close()
        return tuple(refused)

    def _explained(self, failure: Failure) -> Failure:
        if failure.module:
            return Failure(failure.operation, failure.errno, self._lack(failure.module), failure.module)
        reason = failure.reason or _WORDS.get(failure.errno, "") or os.strerror(failure.errno)
        return Failure(failure.operation, failure.errno, reason)

    def _loads(self, module: str) -> bool:
        """Whether it has been loaded now; what was tried before was in vain."""
        if module in self._tried:
            return False
        said = self._load(module)
        if said is not None:
            self._tried[module] = said
        return said == ""

    def _lack(self, module: str) -> str:
        why = self._tried.get(module, "modprobe is looking for it")
        return f"the kernel lacks the module {module}: {why}".rstrip(": ")

    def _dump(self, body: bytes, read: Callable[[Message], ValueT]) -> tuple[ValueT, ...]:
        exchange = self._open()
        with self._exchanging():
            return exchange.dump(self._family, body, read)

    def _order(self, body: bytes) -> None:
        # netlink answers nothing at all to a message that ends with EINTR, and so it does where a daemon is stopped
        # whose thread has not run yet. The answer to a question behind it shows that it was done.
        exchange = self._open()
        orders = [Request(index, self._family, 0, each) for index, each in enumerate((body, encode.info_request()))]
        with self._exchanging():
            for failure in exchange.apply(build_batch(orders)):
                raise OSError(failure.errno, failure.reason or os.strerror(failure.errno))

    @contextlib.contextmanager
    def _exchanging(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ESRCH, errno.EEXIST):
                self.close()
            raise
        except NetlinkFormatError:
            self.close()
            raise

    def _open(self) -> Exchange:
        if self._exchange is None:
            exchange = Exchange(NETLINK_GENERIC, ANSWER_TIMEOUT_S)
            try:
                self._family = self._find_family(exchange)
            except (OSError, NetlinkFormatError):
                exchange.close()
                raise
            self._exchange = exchange
        return self._exchange

    def _find_family(self, exchange: Exchange) -> int:
        try:
            return decode.family_number(_one(exchange.ask(CONTROLLER, encode.family_request())))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise
            if self._loads(modules.IPVS):
                return self._find_family(exchange)
            raise IpvsMissingError(errno.ENOENT, self._lack(modules.IPVS)) from error


def _one(answers: tuple[Message, ...]) -> bytes:
    if len(answers) != 1:
        raise NetlinkFormatError(f"{len(answers)} answers to one question")
    return answers[0].body
