"""Tokens of pods: bound to the pod, asked for by TokenRequest, replaced in time."""

import random
import time
from dataclasses import dataclass
from datetime import datetime

from mooring_kube.client import Client
from mooring_kube.errors import KubeError
from mooring_kube.resources import SERVICE_ACCOUNTS
from mooring_lab.kubelet.document import PodKey, View, spec
from mooring_lab.kubelet.payload import TokenWish

#: kubelet replaces a token after this part of its life, or after a day.
_PART = 0.8
_LONGEST_S = 24 * 3600.0
_JITTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Token:
    """Times are seconds since the epoch."""

    text: str
    issued_at: float
    expires_at: float

    def stale(self, now: float, jitter_s: float = 0.0) -> bool:
        """Whether it is time for another one."""
        life_s = self.expires_at - self.issued_at
        return now > self.issued_at + min(life_s * _PART, _LONGEST_S) - jitter_s


class Tokens:
    """The tokens of one pod."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._held: dict[TokenWish, Token] = {}

    def get(self, pod: View, wish: TokenWish) -> str:
        """The one at hand, or a new one where that is stale; KubeError when it can't be had.

        While the API server does not answer, an old token that has not expired is better than none.
        """
        held, now = self._held.get(wish), time.time()
        if held is None or held.stale(now, random.uniform(0, _JITTER_S)):
            try:
                held = self._held[wish] = request_token(self._client, pod, wish, now)
            except KubeError:
                if held is None or held.expires_at <= now:
                    raise
        return held.text


def request_token(client: Client, pod: View, wish: TokenWish, now: float) -> Token:
    """A token of the pod's service account that ends with the pod; its claims name the pod and its node."""
    key = PodKey.of(pod)
    account = spec(pod).get("serviceAccountName") or "default"
    bound = {"apiVersion": "v1", "kind": "Pod", "name": key.name, "uid": key.uid}
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "audiences": [wish.audience] if wish.audience else [],
            "expirationSeconds": wish.seconds,
            "boundObjectRef": bound,
        },
    }
    status = client.request("POST", SERVICE_ACCOUNTS.path(key.namespace, account, "token"), body=body)["status"]
    return Token(status["token"], now, datetime.fromisoformat(status["expirationTimestamp"]).timestamp())
