"""Whether a watch is heard, since when, and what the log says of it: once for each change, not for each attempt. Pure.

Errors are told apart by type; what they say is for people.
"""

from collections.abc import Mapping
from typing import Any

from mooring_kube.errors import ApiError, Forbidden, KubeError, NotFound, Unauthorized, Unreachable
from mooring_node.units import SECOND_NS

LONGEST_TEXT = 300
#: What somebody must mend; all else (refused, timed out, 5xx) is a server that is not there at present.
_KINDS: tuple[type[KubeError], ...] = (Unauthorized, Forbidden, NotFound)


class Hearing:
    """One watch of the API server."""

    def __init__(self, now_ns: int, *, discreet: bool = False) -> None:
        """`discreet`: what goes over it is secret, so a broken message is not shown."""
        self.heard = False
        self.since_ns = now_ns
        self.gap_ns = 0
        """For how long it was not heard before it was heard; 0 for the first time."""
        self.error = ""
        """Why it is not heard, in words; empty while nothing has failed."""
        self.refused = False
        """The server is there and says no: somebody must do something."""
        self._kind: type[KubeError] | None = None
        self._discreet = discreet

    def up(self, now_ns: int) -> bool:
        """It is heard; whether that is news."""
        if self.heard:
            return False
        self.gap_ns = now_ns - self.since_ns if self.error else 0
        self.heard, self.since_ns, self.error, self._kind, self.refused = True, now_ns, "", None, False
        return True

    def down(self, now_ns: int, error: KubeError) -> bool:
        """It is not heard; whether that, or what somebody must do about it, is news."""
        kind = next((each for each in _KINDS if isinstance(error, each)), KubeError)
        news = self.heard or self._kind is not kind
        if self.heard:
            self.since_ns = now_ns
        self.refused = isinstance(error, ApiError)
        self.heard, self._kind = False, kind
        self.error = explain(error) if self.refused or not self._discreet else "not reachable"
        return news

    def about(self, now_ns: int) -> Mapping[str, Any]:
        return {"connected": self.heard, "forSeconds": (now_ns - self.since_ns) // SECOND_NS, "error": self.error}


def explain(error: KubeError) -> str:
    """What is wrong and, where somebody must do something, what."""
    text = str(error) if len(str(error)) <= LONGEST_TEXT else str(error)[: LONGEST_TEXT - 3] + "..."
    if isinstance(error, Forbidden):
        return f"{text}; grant this right to the daemon's account (deploy/node-rbac.yaml), or name another one"
    if isinstance(error, Unauthorized):
        return f"{text}; the token is not known or has expired: it is read again, see that its file is renewed"
    return f"not reachable: {text}" if isinstance(error, Unreachable) else text
