"""What a client saw of some addresses, request by request, and what that says. Pure.

Times are nanoseconds of CLOCK_MONOTONIC, which all processes of the machine share.
"""

import base64
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

#: In `Recording.answers`: nobody answered this request.
UNANSWERED = 255
#: Contested questions that are closer than this are one contest.
_CONTEST_GAP_NS = 50_000_000


@dataclass(frozen=True, slots=True)
class Claim:
    """An answer to "who has this address?", which every holder gives; `time` is the question's."""

    time: int
    address: int
    holder: int


@dataclass(slots=True)
class Recording:
    """The raw measurement.

    `sent[k]` is when request k went to each address; `answers[a][k]` is the holder who answered it (an index into
    `holders`, their MAC addresses) or UNANSWERED. A request that was never sent does not occur.
    """

    addresses: tuple[str, ...]
    holders: list[str] = field(default_factory=list)
    sent: "array[int]" = field(default_factory=lambda: array("q"))
    answers: list[bytearray] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    skipped: int = 0
    """Ticks at which nothing was sent because the sender was late: not lost, but not seen either."""

    def to_json(self) -> dict[str, Any]:
        return {
            "addresses": list(self.addresses),
            "holders": self.holders,
            "sent": base64.b64encode(self.sent.tobytes()).decode(),
            "answers": [base64.b64encode(row).decode() for row in self.answers],
            "claims": [[claim.time, claim.address, claim.holder] for claim in self.claims],
            "skipped": self.skipped,
        }

    @classmethod
    def of_json(cls, data: Mapping[str, Any]) -> "Recording":
        sent = array("q")
        sent.frombytes(base64.b64decode(data["sent"]))
        answers = [bytearray(base64.b64decode(row)) for row in data["answers"]]
        claims = [Claim(*claim) for claim in data["claims"]]
        return cls(tuple(data["addresses"]), list(data["holders"]), sent, answers, claims, int(data["skipped"]))


@dataclass(frozen=True, slots=True)
class Outage:
    """Requests in a row that nobody answered: from the first of them to the next one answered (or to the last)."""

    start: int
    end: int
    lost: int

    @property
    def milliseconds(self) -> float:
        return (self.end - self.start) / 1e6


@dataclass(frozen=True, slots=True)
class Held:
    """From `start` on (the request's time), this machine answered."""

    start: int
    mac: str


@dataclass(frozen=True, slots=True)
class Contest:
    """Two or more machines claimed the address, from the first question that both answered to the last."""

    start: int
    end: int
    macs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddressResult:
    """One address as the client saw it."""

    address: str
    sent: int
    lost: int
    outages: tuple[Outage, ...]
    held: tuple[Held, ...]
    contests: tuple[Contest, ...]
    answered_at_the_end: bool
    """Whether the last request of all was answered."""

    @property
    def longest_gap(self) -> float:
        """Milliseconds; 0 when every request was answered."""
        return max((outage.milliseconds for outage in self.outages), default=0.0)

    @property
    def last_holder(self) -> str | None:
        return self.held[-1].mac if self.held else None


@dataclass(frozen=True, slots=True)
class Result:
    """All addresses, and how far the measurement itself can be trusted."""

    addresses: Mapping[str, AddressResult]
    requests: int
    skipped: int
    longest_pause: float
    """The longest time between two requests, in milliseconds: an outage shorter than this can stay unseen there."""

    def __getitem__(self, address: str) -> AddressResult:
        return self.addresses[address]

    @property
    def most_lost(self) -> int:
        return max(result.lost for result in self.addresses.values())


def analyse(recording: Recording, start: int = 0, end: int | None = None) -> Result:
    """What the requests from `start` to before `end` say."""
    chosen = [k for k, time in enumerate(recording.sent) if time >= start and (end is None or time < end)]
    times = [recording.sent[k] for k in chosen]
    claims = [claim for claim in recording.claims if claim.time >= start and (end is None or claim.time < end)]
    results = {}
    for index, address in enumerate(recording.addresses):
        row = recording.answers[index]
        answers = [row[k] for k in chosen]
        outages = tuple(_outages(times, answers))
        results[address] = AddressResult(
            address,
            len(times),
            sum(outage.lost for outage in outages),
            outages,
            tuple(_held(times, answers, recording.holders)),
            tuple(_contests([claim for claim in claims if claim.address == index], recording.holders)),
            bool(answers) and answers[-1] != UNANSWERED,
        )
    pauses = (after - before for before, after in pairwise(times))
    return Result(results, len(times), recording.skipped, max(pauses, default=0) / 1e6)


def _outages(times: Sequence[int], answers: Sequence[int]) -> Iterator[Outage]:
    first: int | None = None
    for k, answer in enumerate(answers):
        if answer == UNANSWERED:
            first = k if first is None else first
        elif first is not None:
            yield Outage(times[first], times[k], k - first)
            first = None
    if first is not None:
        yield Outage(times[first], times[-1], len(times) - first)


def _held(times: Sequence[int], answers: Sequence[int], holders: Sequence[str]) -> Iterator[Held]:
    last = UNANSWERED
    for time, answer in zip(times, answers, strict=True):
        if answer not in (last, UNANSWERED):
            yield Held(time, holders[answer])
            last = answer


def _contests(claims: Sequence[Claim], holders: Sequence[str]) -> Iterator[Contest]:
    """Questions that two or more machines answered, joined where they follow each other closely."""
    rounds: dict[int, set[int]] = {}
    for claim in claims:
        rounds.setdefault(claim.time, set()).add(claim.holder)
    running: Contest | None = None
    for time, answered in sorted(rounds.items()):
        if len(answered) < 2:
            continue
        macs = {holders[holder] for holder in answered}
        if running and time - running.end <= _CONTEST_GAP_NS:
            running = Contest(running.start, time, tuple(sorted(macs.union(running.macs))))
        else:
            if running:
                yield running
            running = Contest(time, time, tuple(sorted(macs)))
    if running:
        yield running
