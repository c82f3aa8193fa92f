"""`mooring-operator verify`: reads what an installation shows of itself until all is well or the time is up.

It writes nothing. Of rights it needs: list NodeConfigs; in Mooring's namespace get the Lease and list pods.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TextIO

from mooring_kube.client import Client
from mooring_kube.errors import Forbidden, KubeError, NotFound
from mooring_kube.resources import LEASES, NODE_CONFIGS, PODS
from mooring_operator.verdict import Finding, Leadership, Place, Seen, Verdict, judge

Document = dict[str, Any]
#: Between two looks.
LOOK_S = 1.0
#: A single request takes no longer.
REQUEST_S = 5.0


@dataclass
class Verifier:
    """Looks at one installation; `now` and `sleep` are in seconds of a steady clock."""

    client: Client
    place: Place
    output: TextIO = field(default_factory=lambda: sys.stdout)
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        self._leadership = Leadership(self.place)

    def run(self, timeout_s: float) -> bool:
        """Whether all was well within the time (a request that is under way then ends first); tells it line by line."""
        deadline = self.now() + timeout_s
        said: set[str] = set()
        while True:
            verdict = self.look()
            left = deadline - self.now()
            if not verdict.wrong or left <= 0:
                break
            waited_for = [finding.what for finding in verdict.wrong]
            self._say(*(f"wait  {what}" for what in waited_for if what not in said))
            said.update(waited_for)
            self.sleep(min(LOOK_S, left))
        self._say(*verdict.lines())
        return not verdict.wrong

    def look(self) -> Verdict:
        """Read once and judge; an API server that does not answer, or refuses, is a finding."""
        try:
            return judge(self._read(), self.place)
        except Forbidden as error:
            remedy = "grant it, as the chart's role for the test does"
            return Verdict(wrong=(Finding(f"a right is missing: {error.message}", remedy),))
        except KubeError as error:
            return Verdict(
                wrong=(Finding(f"the API server at {self.client.server}: {error}", "kubectl get --raw /readyz"),)
            )

    def _read(self) -> Seen:
        kinds = self._kinds()
        lease = self._leadership.see(self._lease(), self.now())
        if NODE_CONFIGS.plural not in kinds:
            return Seen(kinds, lease)
        # The pods first: one that is Ready by then has had all the time until its NodeConfig is read.
        pods = self.client.list(PODS, self.place.namespace, label_selector=self.place.daemons).items
        return Seen(kinds, lease, pods, self.client.list(NODE_CONFIGS, keep=_slim).items)

    def _kinds(self) -> frozenset[str]:
        try:
            found = self.client.request("GET", f"/apis/{NODE_CONFIGS.group}/{NODE_CONFIGS.version}")
        except NotFound:
            return frozenset()
        return frozenset(str(each["name"]) for each in found.get("resources") or ())

    def _lease(self) -> Document | None:
        try:
            return self.client.get(LEASES, self.place.lease, self.place.namespace)
        except NotFound:
            return None

    def _say(self, *lines: str) -> None:
        for line in lines:
            print(line, file=self.output, flush=True)


def _slim(config: Document) -> Document:
    """Without the spec, which is most of it."""
    return {key: value for key, value in config.items() if key != "spec"}
