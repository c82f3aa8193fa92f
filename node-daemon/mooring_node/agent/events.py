"""What the API tells, for who has to do with it: this node's NodeConfig, and the Secrets with keys."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from mooring_node.agent.configuration import metadata_of
from mooring_node.agent.keyring import Keyring
from mooring_node.agent.writer import Document

if TYPE_CHECKING:
    from mooring_node.agent.upstream import Upstream


class ConfigEvents:
    """Events of NodeConfigs; others than this node's are none of its business."""

    def __init__(self, upstream: "Upstream") -> None:
        self._upstream = upstream

    def listed(self, items: Iterable[Document]) -> None:
        mine = [item for item in items if metadata_of(item).get("name") == self._upstream.node]
        if mine:
            self._upstream.present(mine[0], newest=True)
        else:
            self._upstream.absent("is not there")

    def changed(self, item: Document) -> None:
        self._upstream.present(item, newest=False)

    def deleted(self, item: Document) -> None:
        if metadata_of(item).get("name") == self._upstream.node:
            self._upstream.absent("was deleted", str(metadata_of(item).get("uid") or ""))

    def unheard(self) -> None:
        self._upstream.unheard()


class SecretEvents:
    """Events of Secrets."""

    def __init__(self, upstream: "Upstream", keyring: Keyring) -> None:
        self._upstream = upstream
        self._book = keyring.book

    def listed(self, items: Iterable[Document]) -> None:
        self._upstream.keys_told(self._book.listed(items))

    def changed(self, item: Document) -> None:
        self._upstream.keys_told(self._book.changed(item))

    def deleted(self, item: Document) -> None:
        self._upstream.keys_told(self._book.deleted(item))

    def unheard(self) -> None:
        self._upstream.settle_keys()
