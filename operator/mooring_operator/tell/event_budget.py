"""How many events are written: the same thing again is counted, and who tells too much is cut off."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

from mooring_api.wire import API_VERSION
from mooring_operator.tell.news import News

#: The same news within so long after its last time are one event with a count.
WINDOW_S = 600.0
#: So many of them are remembered.
MOST_SERIES = 4096
#: Where events of cluster-scoped objects belong, and where `kubectl describe` finds them.
NAMESPACE = "default"
REPORTER = "mooring-operator"
#: A name may have 253 characters; a point and 16 digits come behind it.
_NAME_LENGTH = 236


@dataclass(frozen=True, slots=True)
class Limit:
    """So many at once, and one more each `refill_s` seconds."""

    burst: int
    refill_s: float


EACH_OBJECT = Limit(25, 5.0)
ALL_OBJECTS = Limit(250, 0.2)


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an event is about; its name is `namespace/name` where it is namespaced."""

    name: str
    uid: str
    kind: str = "VirtualIP"

    @property
    def place(self) -> tuple[str, str]:
        """Namespace, "" where there is none, and name."""
        namespace, _, name = self.name.rpartition("/")
        return namespace, name


@dataclass(frozen=True, slots=True)
class Posting:
    """An event to be written: a new one, or one that stands and is counted on (`count` above 1)."""

    name: str
    subject: Subject
    news: News
    count: int
    first: datetime
    last: datetime

    def document(self, instance: str) -> dict[str, Any]:
        """The Event (core/v1), whole, so that it can be applied; `instance` is this process, as its pod's name."""
        namespace, name = self.subject.place
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": self.name, "namespace": namespace or NAMESPACE},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": self.subject.kind,
                "name": name,
                "uid": self.subject.uid,
                **({"namespace": namespace} if namespace else {}),
            },
            "type": str(self.news.type),
            "reason": str(self.news.reason),
            "message": self.news.message,
            "count": self.count,
            "firstTimestamp": _text(self.first),
            "lastTimestamp": _text(self.last),
            # Older kubectl shows the source, newer the reporter.
            "source": {"component": REPORTER},
            "reportingComponent": REPORTER,
            "reportingInstance": instance,
        }


@dataclass(frozen=True, slots=True)
class _Bucket:
    """Tokens as they were at a time."""

    tokens: float
    at_s: float

    def at(self, now_s: float, limit: Limit) -> "_Bucket":
        came = max(0.0, now_s - self.at_s) / limit.refill_s
        return _Bucket(min(self.tokens + came, float(limit.burst)), now_s)

    def less_one(self) -> "_Bucket | None":
        """After one is taken; None where there is none."""
        return _Bucket(self.tokens - 1.0, self.at_s) if self.tokens >= 1.0 else None


@dataclass(frozen=True, slots=True)
class _Series:
    """The same news, once or again and again."""

    name: str
    first: datetime
    count: int
    last_s: float


class EventBudget:
    """Decides which news become writes; one for a process. `dropped` counts those that do not, for a metric.

    What is dropped and comes again within the window is in the count that is written then.
    """

    def __init__(self, each: Limit = EACH_OBJECT, total: Limit = ALL_OBJECTS) -> None:
        self._each, self._total = each, total
        self._all = _Bucket(total.burst, 0.0)
        # Both in the order of last use, so that what is out of date is found at the front.
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._series: OrderedDict[tuple[str, str, str], _Series] = OrderedDict()
        self.dropped = 0

    def admit(self, subject: Subject, news: News, now_s: float, now: datetime) -> Posting | None:
        """What to write of it, or None. `now_s` is of a clock that never jumps, `now` is what people read."""
        self._forget(now_s)
        key = (subject.uid, str(news.reason), news.key)
        known = self._series.pop(key, None) or _Series(_name(subject, key, now), now, 0, now_s)
        series = self._series[key] = _Series(known.name, known.first, known.count + 1, now_s)
        if not self._take(subject.uid, now_s):
            self.dropped += 1
            return None
        return Posting(series.name, subject, news, series.count, series.first, now)

    def _take(self, uid: str, now_s: float) -> bool:
        own = (self._buckets.pop(uid, None) or _Bucket(self._each.burst, now_s)).at(now_s, self._each)
        self._all = self._all.at(now_s, self._total)
        own_left, all_left = own.less_one(), self._all.less_one()
        taken = own_left is not None and all_left is not None
        self._buckets[uid] = own_left if own_left and taken else own
        self._all = all_left if all_left and taken else self._all
        return taken

    def _forget(self, now_s: float) -> None:
        """Drop what behaves as if it were new: series out of their window and buckets that are full again."""
        while self._series and (
            len(self._series) > MOST_SERIES or now_s - next(iter(self._series.values())).last_s > WINDOW_S
        ):
            self._series.popitem(last=False)
        full_s = self._each.burst * self._each.refill_s
        while self._buckets and now_s - next(iter(self._buckets.values())).at_s > full_s:
            self._buckets.popitem(last=False)


def _name(subject: Subject, key: tuple[str, str, str], now: datetime) -> str:
    digest = blake2b("\0".join((*key, now.isoformat())).encode(), digest_size=8).hexdigest()
    return f"{subject.place[1][:_NAME_LENGTH].rstrip('.-')}.{digest}"


def _text(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
