"""From a pod's container to what is run for it. Pure."""

import posixpath
from collections.abc import Iterator
from pathlib import Path

from mooring_lab.kubelet import capabilities
from mooring_lab.kubelet.document import View, containers, init_containers, security, spec, volumes
from mooring_lab.kubelet.environment import environment
from mooring_lab.kubelet.expansion import expand
from mooring_lab.kubelet.facts import CONFIG_ERROR, CREATE_ERROR, CannotRun, Facts
from mooring_lab.kubelet.images import Image
from mooring_lab.kubelet.payload import KINDS
from mooring_lab.kubelet.runspec import Identity, Mount, Root, RunSpec

_TERMINATION_LOG = "/dev/termination-log"
#: The host's own under these, because they are the kernel's; a namespace shows its own part of them.
_KERNEL = ("/dev", "/proc", "/sys")
#: The host's own under these, but never to be written: a lab changes nothing of its machine.
_SYSTEM = ("/bin", "/boot", "/etc", "/lib", "/lib64", "/sbin", "/usr")
#: But for what each node's owner writes there.
_NODES = ("/etc/kubernetes", "/etc/mooring")


def unsupported(pod: View) -> str | None:
    """Why the lab's kubelet runs no such pod, with the remedy; None when it does."""
    return next(_obstacles(pod), None)


def _obstacles(pod: View) -> Iterator[str]:
    found = spec(pod)
    if not found.get("hostNetwork"):
        yield "the lab has no pod network; set hostNetwork: true"
    for name in ("activeDeadlineSeconds", "resourceClaims", "runtimeClassName", "shareProcessNamespace"):
        if found.get(name):
            yield f"the lab's kubelet does not know {name}; leave it out"
    for volume in volumes(pod):
        if not volume.keys() & {*KINDS, "emptyDir", "hostPath"}:
            kind = ", ".join(volume.keys() - {"name"})
            yield f"volume {volume['name']}: the lab's kubelet does not know {kind}; use emptyDir or hostPath"
    for container in init_containers(pod):
        if container.get("restartPolicy"):
            yield f"container {container['name']}: the lab's kubelet knows no sidecars; make it an ordinary container"
    for container in (*init_containers(pod), *containers(pod)):
        yield from _obstacles_of(container)


def _obstacles_of(container: View) -> Iterator[str]:
    if any((container.get(f"{kind}Probe") or {}).get("grpc") for kind in ("startup", "liveness", "readiness")):
        yield f"container {container['name']}: the lab's kubelet knows no grpc probes; use httpGet or exec"
    if container.get("volumeDevices"):
        yield f"container {container['name']}: the lab has no block devices; leave volumeDevices out"


def plan_container(pod: View, container: View, facts: Facts) -> RunSpec:
    """What to run. CannotRun where the spec, or what it refers to, does not allow it."""
    image = facts.node.images.resolve(container["image"])
    variables = environment(pod, container, facts, image.environment)
    argv = _argv(container, image, variables)
    found = spec(pod)
    termination_message = str(facts.pod_folder / "messages" / container["name"])
    return RunSpec(
        argv,
        tuple(sorted(variables.items())),
        container.get("workingDir") or image.working_dir,
        Root(image.root, image.hidden, image.shared, bool(security(pod, container, "readOnlyRootFilesystem"))),
        (
            *_mounts(pod, container, facts, variables),
            Mount(termination_message, container.get("terminationMessagePath") or _TERMINATION_LOG),
        ),
        _identity(pod, container, image, facts.node.capabilities),
        facts.node.network,
        facts.node.name,
        bool(found.get("hostPID")),
        bool(found.get("hostIPC")),
        termination_message,
    )


def _argv(container: View, image: Image, variables: dict[str, str]) -> tuple[str, ...]:
    """`command` replaces the image's entrypoint and its command, `args` only the latter."""
    command, args = container.get("command") or (), container.get("args") or ()
    head = command or image.entrypoint
    tail = args or (() if command else image.command)
    words = tuple(expand(word, variables) for word in (*head, *tail))
    if not words:
        raise CannotRun(
            CREATE_ERROR,
            f"no command specified; image {container['image']} is not in the lab's table with an entrypoint",
        )
    return words


def _identity(pod: View, container: View, image: Image, possible: int) -> Identity:
    own = container.get("securityContext") or {}
    whole = spec(pod).get("securityContext") or {}
    uid = security(pod, container, "runAsUser")
    gid = security(pod, container, "runAsGroup")
    uid, gid = image.uid if uid is None else int(uid), image.gid if gid is None else int(gid)
    if security(pod, container, "runAsNonRoot") and uid == 0:
        raise CannotRun(CONFIG_ERROR, "container has runAsNonRoot and image will run as root")
    groups = {int(group) for group in whole.get("supplementalGroups") or ()} | {gid}
    if (group := whole.get("fsGroup")) is not None:
        groups.add(int(group))
    return Identity(
        uid,
        gid,
        tuple(sorted(groups)),
        _capabilities(own, possible),
        own.get("allowPrivilegeEscalation") is False,
        bool(own.get("privileged")),
    )


def _capabilities(security: View, possible: int) -> int:
    """Exactly what is asked for; of what is not asked for by name, what the lab itself has."""
    try:
        granted = capabilities.mask(capabilities.granted(security))
        wished = capabilities.added(security)
    except ValueError as error:
        raise CannotRun(CREATE_ERROR, str(error)) from error
    lacking = sorted(name for name in wished if not capabilities.mask(frozenset({name})) & possible)
    if lacking:
        raise CannotRun(CREATE_ERROR, f"the lab itself runs without CAP_{lacking[0]}; start it with more rights")
    return granted & possible


# -- volumes


def volume_path(pod: View, name: str, facts: Facts) -> tuple[str, bool]:
    """Where the volume of this name is on the host, and whether it must not be written; CannotRun if there is none."""
    for volume in volumes(pod):
        if volume["name"] != name:
            continue
        if (said := volume.get("hostPath")) is not None:
            return host_path(said["path"], facts.node.disk)
        # As kubelet: what shows API objects is never written by a container.
        return str(facts.pod_folder / "volumes" / name), "emptyDir" not in volume
    raise CannotRun(CONFIG_ERROR, f"there is no volume {name!r}")


def host_path(path: str, disk: str) -> tuple[str, bool]:
    """Where a hostPath leads in the lab, and whether it is read-only.

    All nodes are one machine: what a node keeps on its disk is in a folder of its own, the kernel's files are the
    machine's, and so are the system's, which nobody writes.
    """
    path = posixpath.normpath(path)
    if _beneath(path, _NODES):
        return str(Path(disk) / path.lstrip("/")), False
    if _beneath(path, _KERNEL):
        return path, False
    if _beneath(path, _SYSTEM):
        return path, True
    return str(Path(disk) / path.lstrip("/")), False


def _beneath(path: str, folders: tuple[str, ...]) -> bool:
    return any(path == folder or path.startswith(f"{folder}/") for folder in folders)


def _mounts(pod: View, container: View, facts: Facts, variables: dict[str, str]) -> Iterator[Mount]:
    """In an order in which a mount inside another comes after it."""
    for said in sorted(container.get("volumeMounts") or (), key=lambda mount: posixpath.normpath(mount["mountPath"])):
        source, read_only = volume_path(pod, said["name"], facts)
        part = expand(said["subPathExpr"], variables) if said.get("subPathExpr") else said.get("subPath") or ""
        if part.startswith("/") or ".." in part.split("/"):
            raise CannotRun(CONFIG_ERROR, f"subPath {part!r} must stay inside the volume {said['name']}")
        if part:
            source = f"{source}/{part}"
        folders = (str(facts.pod_folder), facts.node.disk)
        within = next((folder for folder in folders if _beneath(source, (folder,))), "")
        yield Mount(source, posixpath.normpath(said["mountPath"]), read_only or bool(said.get("readOnly")), within)
