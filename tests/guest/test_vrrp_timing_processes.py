"""What becomes of the addresses, and when, if processes stop, freeze, die or hand over; and answers to single adverts.

Starting a process costs computing, which takes no time here: that an adoption is in time on a real machine is for
the tests in network namespaces to say.
"""

import signal
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_address
from itertools import pairwise
from typing import Any

import pytest

from mooring_lab import namespace

# Counted by the guest's clock.
pytestmark = pytest.mark.timeout(1200)

MS = 1_000_000
SECOND = 1000 * MS
#: The kernel looks through the lifetimes of addresses now and then: so late it may be (measured: 0.3 s).
KERNEL_LATENESS = 1.5 * SECOND
PAIR = {"priorities": (200, 100)}


@pytest.fixture(scope="module")
def bench(make_bench: Callable[[], Any]) -> Any:
    return make_bench()


@pytest.fixture
def run(
    bench: Any, router: Callable[..., Any], pass_time: Callable[[float], int]
) -> Iterator[Callable[..., list[Any]]]:
    """Starts daemons for some virtual routers and waits until they have their roles; they are killed after the test.

    Each virtual router has a number of its own in all of the module, so what was seen belongs to one test.
    """
    numbers = iter(range(_NUMBERS[0] + 1, 255))

    def begin(*keywords: dict[str, Any], only: tuple[str, ...] = ("n1", "n2"), settle_s: float = 10) -> list[Any]:
        routers = [router(virtual_router_id=next(numbers), **{**PAIR, **each}) for each in keywords]
        _NUMBERS[0] += len(routers)
        for name in only:
            bench.start(routers, only=[name])
        pass_time(settle_s)
        return routers

    yield begin
    for name in ("n1", "n2"):
        bench.nodes[name].fault_kill()
    pass_time(10)  # until the kernel has taken away what was left


_NUMBERS = [0]


def _sent(bench: Any, router: Any, node: str, after: int = 0) -> list[Any]:
    found: list[Any] = bench.wire.adverts(router.virtual_router_id, node, sent=True, after=after)
    return found


def test_a_leaver_without_successor_says_priority_0_thrice_and_lets_go_after_3_3_intervals(
    bench: Any, run: Callable[..., list[Any]], pass_time: Callable[[float], int], figures: Any
) -> None:
    routers = run({"interval_ms": 1000, "version": 2}, {"interval_ms": 100}, {"interval_ms": 10}, only=("n1",))
    stopped = pass_time(0)
    bench.nodes["n1"].stop_daemon()
    with figures("from the first priority 0 to the next ones and to the release") as table:
        for router in routers:
            said = [each.at for each in _sent(bench, router, "n1", stopped) if each.priority == 0]
            removed = bench.kernel.changes("n1", "removed", router.address, after=stopped)
            interval_ns = router.interval_ms * MS
            assert len(said) == 3, router
            table.add(f"{router} second", said[1] - said[0], 1.1 * interval_ns)
            table.add(f"{router} third", said[2] - said[0], 2.2 * interval_ns)
            table.add(f"{router} release", removed[0] - said[0], 3.3 * interval_ns)


def test_a_lease_is_renewed_at_a_third_and_ends_when_all_processes_are_killed(
    bench: Any, run: Callable[..., list[Any]], pass_time: Callable[[float], int], figures: Any
) -> None:
    leases = (2, 3, 6)
    routers = run(*({"interval_ms": 1000, "changes": {"lease": f"{each}s"}} for each in leases), settle_s=30)
    killed = pass_time(0)
    bench.nodes["n1"].fault_kill()
    pass_time(15)
    with figures("renewals; end of the addresses after the last one; time with two holders") as table:
        for router, lease_s in zip(routers, leases, strict=True):
            lease = lease_s * SECOND
            renewed = bench.kernel.changes("n1", "added", router.address)
            assert len(renewed) > 5
            for earlier, later in pairwise(renewed):
                table.add(f"{router} lease {lease_s} s renewed", later - earlier, lease / 3)
            (removed,) = bench.kernel.changes("n1", "removed", router.address)
            half = KERNEL_LATENESS / 2
            table.add(f"{router} lease {lease_s} s gone", removed - renewed[-1], lease + half, half)
            (taken,) = bench.kernel.changes("n2", "added", router.address, after=killed)[:1]
            table.add(f"{router} other holder", taken - _last_heard(bench, router, killed), router.down(100))
            assert removed - taken <= lease + KERNEL_LATENESS


def _last_heard(bench: Any, router: Any, before: int) -> int:
    heard = bench.wire.adverts(router.virtual_router_id, router.backup, sent=False)
    return int(max(each.at for each in heard if each.at <= before))


def test_a_node_that_was_frozen_for_5_s_lets_go_before_it_speaks(
    bench: Any, run: Callable[..., list[Any]], pass_time: Callable[[float], int], figures: Any
) -> None:
    (router,) = run({"interval_ms": 100})
    lease = 2 * SECOND  # the shortest that is set by itself
    frozen = bench.nodes["n1"].processes()
    stopped = pass_time(0)
    for process in frozen:
        process.send(signal.SIGSTOP)
    pass_time(5)
    continued = pass_time(0)
    for process in frozen:
        process.send(signal.SIGCONT)
    pass_time(5)

    last = _last_heard(bench, router, stopped)
    renewed = [at for at in bench.kernel.changes("n1", "added", router.address) if at <= stopped][-1]
    taken = bench.kernel.changes("n2", "added", router.address, after=stopped)[0]
    gone = bench.kernel.changes("n1", "removed", router.address, after=stopped)[0]
    spoke = _sent(bench, router, "n1", stopped)
    back = bench.kernel.changes("n1", "added", router.address, after=stopped)[0]
    let_go = bench.kernel.changes("n2", "removed", router.address, after=stopped)[0]
    with figures("the time line of a freeze") as table:
        table.add("the other takes over, after the last advert", taken - last, router.down(100))
        half = KERNEL_LATENESS / 2
        table.add("the kernel takes the addresses away, after the last renewal", gone - renewed, lease + half, half)
        table.add("two holders (at most lease + 1.5 s)", gone - taken, (lease + KERNEL_LATENESS) / 2, lease)
        table.add("the frozen one speaks, after it woke", spoke[0].at - continued, router.down(200))
        table.add("and holds again", back - continued, router.down(200))
        table.add("the other lets go", let_go - back, 0)
    assert gone < continued
    assert gone - taken <= lease + KERNEL_LATENESS


def test_a_killed_vrrp_process_is_replaced_by_one_that_adopts_its_addresses(
    bench: Any, run: Callable[..., list[Any]], pass_time: Callable[[float], int]
) -> None:
    routers = run({"interval_ms": 1000, "version": 2}, {"interval_ms": 100}, {"interval_ms": 10})
    killed = pass_time(0)
    bench.nodes["n1"].fault_kill("vrrp")
    pass_time(10)
    for router in routers:
        spoke = _sent(bench, router, "n1", killed)[0].at - killed
        print(f"{router}: {spoke / MS:.3f} ms until the next advert")
        assert spoke < 3 * router.interval_ms * MS, router
        assert bench.kernel.changes("n1", "removed", router.address, after=killed) == [], router
        assert _sent(bench, router, "n2", killed) == [], router


def test_an_address_that_was_deleted_by_hand_is_back_and_announced_at_once(
    bench: Any, run: Callable[..., list[Any]], pass_time: Callable[[float], int], figures: Any
) -> None:
    (router,) = run({"interval_ms": 1000})
    deleted = pass_time(0)
    namespace.batch(bench.nodes["n1"].namespace, [f"addr del {router.address}/32 dev eth0"])
    pass_time(2)
    (removed,) = bench.kernel.changes("n1", "removed", router.address, after=deleted)
    back = bench.kernel.changes("n1", "added", router.address, after=deleted)[0]
    announced = bench.wire.arps("n1", router.address, after=deleted)[0]
    with figures("from the deletion") as table:
        table.add("back", back - removed, 0)
        table.add("announced", announced - removed, 0)


def test_version_2_refuses_another_interval_so_both_hold(
    bench: Any, run: Callable[..., list[Any]], figures: Any
) -> None:
    (router,) = run({"interval_ms": 1000, "backup_interval_ms": 2000, "version": 2}, settle_s=20)
    name = f"r{router.virtual_router_id}"
    began, took = (each for each in bench.nodes["n2"].daemon_status()["transitions"] if each["group"] == name)
    assert (began["after"], took["after"]) == ("Backup", "Active")
    begun = datetime.fromisoformat(began["time"]).timestamp() * SECOND
    taken = _sent(bench, router, "n2")[0].at
    refused = [
        each for each in bench.wire.adverts(router.virtual_router_id, "n2", sent=False) if begun < each.at < taken
    ]
    assert len(refused) >= 3  # the other has to take the role first
    with figures("from its start as Backup to its first advert, by its own interval of 2 s") as table:
        # What is written down is cut to milliseconds.
        table.add(router, taken - begun, 2 * 3 * SECOND + router.skew(100), MS)
    assert _sent(bench, router, "n1", taken + 10 * SECOND), "the one that was first has gone on as well"


# A router of which every single advert is made here.


@contextmanager
def forger(bench: Any, router: Any, target: str) -> Iterator[Callable[[int], None]]:
    """Sends version 3 adverts from ka to one node: a function of the priority."""
    source, target_address = bench.nodes["ka"].address, bench.nodes[target].address

    def make() -> socket.socket:
        made = socket.socket(socket.AF_INET, socket.SOCK_RAW, 112)
        made.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 255)
        made.bind((source, 0))
        return made

    def send(priority: int) -> None:
        number, centiseconds = router.virtual_router_id, router.interval_ms // 10
        body = struct.pack("!BBBBHH4s", 0x31, number, priority, 1, centiseconds, 0, ip_address(router.address).packed)
        pseudo = ip_address(source).packed + ip_address(target_address).packed + struct.pack("!BBH", 0, 112, len(body))
        total = sum(struct.unpack(f"!{(len(pseudo) + len(body)) // 2}H", pseudo + body))
        checksum = ~(total % 0xFFFF) & 0xFFFF
        opened.sendto(body[:6] + struct.pack("!H", checksum) + body[8:], (target_address, 0))

    with namespace.call(bench.nodes["ka"].namespace, make) as opened:
        yield send


def test_each_losing_advert_is_answered_but_addresses_are_announced_at_most_once_a_second(
    bench: Any, run: Callable[..., list[Any]], pass_time: Callable[[float], int], figures: Any
) -> None:
    (router,) = run({"interval_ms": 1000, "holder": "n1", "backup": "ka"}, only=("n1",), settle_s=15)
    begun = pass_time(0)
    with forger(bench, router, "n1") as send:
        for _ in range(18):
            send(50)
            pass_time(0.21)
    pass_time(3)
    losing = [each.at for each in bench.wire.adverts(router.virtual_router_id, "n1", sent=False, after=begun)]
    answers = [each.at for each in _sent(bench, router, "n1", begun)]
    announced = bench.wire.arps("n1", router.address, after=begun)
    with figures("from each losing advert to its answer; from the first one to the announcements") as table:
        for heard in losing:
            table.add("answer", next((at for at in answers if at >= heard), 0) - heard, 0)
        # Each as a request and as a reply; what had to wait comes when its second has passed, and no more often.
        for turn, at in enumerate(announced[::2]):
            table.add("announcement", at - losing[0], turn * SECOND)
    assert (len(losing), len(announced)) == (18, 2 * 5)


def test_a_second_priority_0_does_not_put_off_what_the_first_began(
    bench: Any, run: Callable[..., list[Any]], pass_time: Callable[[float], int], figures: Any
) -> None:
    """Rule 21: what remains or skew, whichever is less."""
    with_keepalived = {"interval_ms": 1000, "holder": "ka", "backup": "n1", "priorities": (200, 128)}
    (router,) = run(with_keepalived, only=("n1",), settle_s=1)
    with forger(bench, router, "n1") as send:
        for _ in range(3):
            send(200)
            pass_time(1)
        for _ in range(2):
            send(0)
            pass_time(0.3)
        pass_time(2)
    heard = bench.wire.adverts(router.virtual_router_id, "n1", sent=False)
    first = next(each.at for each in heard if each.priority == 0)
    with figures("from the first priority 0 to the first advert") as table:
        table.add(router, _sent(bench, router, "n1")[0].at - first, SECOND / 2)
