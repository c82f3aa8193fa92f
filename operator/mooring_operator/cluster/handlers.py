"""kopf's part: raw events of the kinds that are followed, handed on; and kopf told to do no more than that."""

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import kopf

from mooring_kube.connection import Connection
from mooring_operator.cluster.api import RESOURCES

#: Type ("ADDED", "MODIFIED", "DELETED", or None for each object of a list) and object.
Receiver = Callable[[str | None, Mapping[str, Any]], None]


def registry(receive: Receiver, connection: Connection) -> kopf.OperatorRegistry:
    """kopf's handlers; `receive` is called in kopf's thread and must not block."""
    made = kopf.OperatorRegistry()

    @kopf.on.login(registry=made)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        return connection_info(connection)

    async def event(event: Mapping[str, Any], **_: Any) -> None:
        receive(event["type"], event["object"])

    for resource in RESOURCES.values():
        kopf.on.event(
            group=resource.group, version=resource.version, plural=resource.plural, id=resource.plural, registry=made
        )(event)
    return made


def connection_info(connection: Connection) -> kopf.ConnectionInfo:
    """Our connection in kopf's terms; called again when the server refused the token, which is then read anew."""
    token = connection.token_file.read_text().strip() if connection.token_file else connection.token
    return kopf.ConnectionInfo(
        server=connection.server,
        ca_data=connection.ca,
        token=token,
        certificate_data=connection.client_certificate,
        private_key_data=connection.client_key,
        default_namespace=connection.namespace,
    )


class Patience:
    """kopf's pauses between attempts, without an end: a watch that gives up would end the operator."""

    def __init__(self, longest_s: float = 15.0) -> None:
        self._longest_s = longest_s

    def __iter__(self) -> Iterator[float]:
        pause_s = 0.5
        while True:
            yield pause_s * (0.5 + random.random() / 2)
            pause_s = min(2 * pause_s, self._longest_s)


def kopf_settings() -> kopf.OperatorSettings:
    """Watch some kinds and do nothing else."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    # kopf would kill the whole process ten minutes after it began to end.
    settings.process.ultimate_exiting_timeout = None
    # The kinds are known and there; otherwise kopf watches all CRDs, and waits for ever where it may not.
    settings.scanning.disabled = True
    settings.networking.error_backoffs = Patience()
    settings.networking.request_timeout = 30.0
    settings.watching.chunk_size = 100
    # Each object that is heard of gets a task, which ends when it has been idle for so long.
    settings.queueing.idle_timeout = 0.5
    settings.queueing.exit_timeout = 0.1
    # kopf takes its finalizer away from any object that bears it: another operator's objects bear the default one.
    settings.persistence.finalizer = "mooring.dev/no-finalizer"
    return settings
