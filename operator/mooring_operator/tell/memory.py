"""What was judged before: an object of whose parts none has changed is not judged again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar


class Judged(Protocol):
    """A judgement that may hold for a time only: a dataclass with this field."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def again_after_s(self) -> float | None: ...


T = TypeVar("T", bound=Judged)


@dataclass(frozen=True, slots=True)
class _Known(Generic[T]):
    """What was judged, from what, and how long it holds by itself."""

    judged: T
    parts: tuple[object, ...]
    at: datetime
    until: datetime | None

    def holds(self, parts: tuple[object, ...], now: datetime) -> bool:
        """Whether neither a part nor time alone has changed it; a clock that was set back says nothing."""
        return _same(self.parts, parts) and (self.until is None or self.at <= now < self.until)

    def since(self, now: datetime) -> T:
        if self.until is None or self.at == now:
            return self.judged
        return replace(self.judged, again_after_s=(self.until - now).total_seconds())


class Memory(Generic[T]):
    """Judgements by name. A round asks for each name that there is; `forget_others` ends it."""

    def __init__(self) -> None:
        self._known: dict[str, _Known[T]] = {}
        self._asked: dict[str, _Known[T]] = {}

    def recall(
        self, name: str, parts: tuple[object, ...], judge: Callable[[], T], now: datetime, *, anew: bool = False
    ) -> T:
        """What was judged from equal parts and still holds, else (or with `anew`) what `judge` says now."""
        known = self._known.get(name)
        if known is None or anew or not known.holds(parts, now):
            judged = judge()
            again = judged.again_after_s
            known = _Known(judged, parts, now, None if again is None else now + timedelta(seconds=again))
        self._asked[name] = known
        return known.since(now)

    def forget_others(self) -> None:
        """Keep what was asked for since the last call."""
        self._known, self._asked = self._asked, {}


def _same(one: tuple[object, ...], other: tuple[object, ...]) -> bool:
    return len(one) == len(other) and all(a is b or a == b for a, b in zip(one, other, strict=True))
