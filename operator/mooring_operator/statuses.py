"""The statuses of one kind, as they stand in the API and as they are to be written: pure but for its memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Generic, TypeVar

from pydantic import ValidationError

from mooring_api.wire import Wire
from mooring_operator.cluster.view import Stored, View, parts_of
from mooring_operator.cluster.writes import Document, Verb, Write
from mooring_operator.tell.news import News

StatusT = TypeVar("StatusT", bound=Wire)


class Statuses(Generic[StatusT]):
    """Reads each status once for each state of its object, and says which are to be written."""

    def __init__(
        self,
        kind: str,
        model: type[StatusT],
        news_of: Callable[[StatusT | None, StatusT], tuple[News, ...]],
        essence: Callable[[StatusT], object],
    ) -> None:
        """`essence` is what somebody may be waiting for: a change of it is written without delay."""
        self._kind, self._model, self._news_of, self._essence = kind, model, news_of, essence
        self._read: dict[str, tuple[Document, StatusT | None]] = {}

    def stand(self, view: View, names: Iterable[str]) -> dict[str, StatusT | None]:
        """The statuses that stand in the API, of those that there are; None: there is none that can be read."""
        pairs = ((name, view.get(self._kind, name)) for name in names)
        stored = {name: each for name, each in pairs if each is not None}
        self._read = {name: self._one(each, self._read.get(name)) for name, each in stored.items()}
        return {name: status for name, (_, status) in self._read.items()}

    def writes(self, view: View, stands: Mapping[str, StatusT | None], told: Mapping[str, StatusT]) -> Iterator[Write]:
        """A write for each that is to be told otherwise than it stands."""
        for name, status in sorted(told.items()):
            stored, before = view.objects[self._kind][name], stands[name]
            if before == status:
                continue
            news = self._news_of(before, status)
            namespace, own = parts_of(name)
            metadata = {"name": own} | ({"namespace": namespace} if namespace else {})
            yield Write(
                Verb.STATUS,
                self._kind,
                name,
                "; ".join(f"{one.reason}: {one.message}" for one in news) or "no event",
                {"metadata": metadata, "status": status.to_wire()},
                stored.resource_version,
                stored.uid,
                news,
                urgent=before is None or self._essence(before) != self._essence(status),
            )

    def _one(self, stored: Stored, before: tuple[Document, StatusT | None] | None) -> tuple[Document, StatusT | None]:
        if before is not None and before[0] is stored.document:
            return before
        given = stored.document.get("status")
        try:
            found = self._model.model_validate(given, extra="ignore", by_alias=True, by_name=False) if given else None
        except ValidationError:
            found = None
        return stored.document, found
