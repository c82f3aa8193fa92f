"""What a pod's spec says about the life of its containers: restarts, probes, hooks, grace. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mooring_lab.kubelet.document import View, containers, init_containers, spec
from mooring_lab.kubelet.states import Container, Exit, Pod, ProbeKind


class RestartPolicy(StrEnum):
    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"


@dataclass(frozen=True, slots=True)
class ProbeRules:
    """Times in seconds. `grace_s`: what a container that fails it gets to end, None: what the pod says."""

    initial_delay_s: float
    period_s: float
    timeout_s: float
    success_threshold: int
    failure_threshold: int
    grace_s: float | None = None


@dataclass(frozen=True, slots=True)
class ContainerRules:
    probes: Mapping[ProbeKind, ProbeRules] = field(default_factory=dict)
    post_start: bool = False
    pre_stop: bool = False


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast kubelet tries again: its own figures, in seconds, unless a test is in a hurry."""

    first_back_off_s: float = 10.0
    longest_back_off_s: float = 300.0
    reset_after_s: float = 600.0
    """A container that ran so long begins with the first pause again."""
    retry_s: float = 2.0
    """After something that a container needs was missing (kubelet: 10 s and more)."""


@dataclass(frozen=True, slots=True)
class PodRules:
    restart_policy: RestartPolicy
    grace_s: float
    containers: Mapping[str, ContainerRules]
    pace: Pace = field(default_factory=Pace)

    def of(self, name: str) -> ContainerRules:
        return self.containers[name]

    def restarts(self, exit_: Exit, *, init: bool) -> bool:
        """Whether a container that ended so is started again; an init container that did its work never is."""
        if self.restart_policy == RestartPolicy.NEVER:
            return False
        return exit_.code != 0 or (self.restart_policy == RestartPolicy.ALWAYS and not init)


def rules_of(pod: View, grace_s: float, pace: Pace) -> PodRules:
    return PodRules(
        RestartPolicy(spec(pod).get("restartPolicy") or "Always"),
        grace_s,
        {
            **{container["name"]: ContainerRules() for container in init_containers(pod)},
            **{container["name"]: _container(container) for container in containers(pod)},
        },
        pace,
    )


def begin(pod: View, refused: str = "") -> Pod:
    """A pod of which nothing runs here; restarts that its status counts already are not forgotten."""
    status = pod.get("status") or {}
    counted = {
        said["name"]: int(said.get("restartCount", 0)) + 1
        for member in ("initContainerStatuses", "containerStatuses")
        for said in status.get(member) or ()
        if said.get("containerID")
    }

    def all_of(found: tuple[View, ...]) -> tuple[Container, ...]:
        return tuple(Container(each["name"], attempts=counted.get(each["name"], 0)) for each in found)

    return Pod(all_of(init_containers(pod)), all_of(containers(pod)), refused=refused)


def _container(container: View) -> ContainerRules:
    lifecycle = container.get("lifecycle") or {}
    kinds = {kind: container.get(f"{kind}Probe") for kind in ProbeKind}
    return ContainerRules(
        {kind: _probe(said) for kind, said in kinds.items() if said},
        bool(lifecycle.get("postStart")),
        bool(lifecycle.get("preStop")),
    )


def _probe(said: View) -> ProbeRules:
    grace = said.get("terminationGracePeriodSeconds")
    return ProbeRules(
        float(said.get("initialDelaySeconds") or 0),
        float(said.get("periodSeconds") or 10),
        float(said.get("timeoutSeconds") or 1),
        int(said.get("successThreshold") or 1),
        int(said.get("failureThreshold") or 3),
        None if grace is None else float(grace),
    )
