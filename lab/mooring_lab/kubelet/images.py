"""What stands in for images: a table from an image's name to a folder that is the container's root. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HOST = "host"
#: Of the host's root a container sees none of these: they hold what is private, or belongs to what runs there.
HIDDEN = ("/home", "/media", "/mnt", "/root", "/run", "/srv", "/tmp", "/var/tmp")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Image:
    """A root and what an image says beside it. The container writes into a layer of its own above the root."""

    root: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    working_dir: str = "/"
    uid: int = 0
    gid: int = 0
    hidden: tuple[str, ...] = ()
    """Folders of the root that are empty in the container."""
    shared: tuple[str, ...] = ()
    """Folders of the host that the container sees in the same place, read-only."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where this project and its Python are on the host."""

    programs: str
    """The folder of `mooring-node` and its like."""
    folders: tuple[str, ...]
    """What must be visible for them to run."""


@dataclass(frozen=True, slots=True)
class Images:
    """The table; an image that is not in it has the host's own root, with this project's programs on its PATH."""

    installation: Installation
    named: Mapping[str, Image] = field(default_factory=dict)

    def resolve(self, name: str) -> Image:
        """By the whole name, else by the name without its tag or digest."""
        for key in (name, without_tag(name)):
            if key in self.named:
                return self.named[key]
        return host_image(self.installation)

    @classmethod
    def of_json(cls, installation: Installation, table: Mapping[str, Any]) -> "Images":
        """From {NAME: {root, entrypoint, command, environment, workingDir, user, group}}, each of them optional.

        `root` is a folder, or "host" (the default). ValueError says what is wrong.
        """
        return cls(installation, {name: _image(installation, name, entry) for name, entry in table.items()})


def host_image(
    installation: Installation,
    entrypoint: tuple[str, ...] = (),
    command: tuple[str, ...] = (),
    environment: Mapping[str, str] | None = None,
    working_dir: str = "/",
    uid: int = 0,
    gid: int = 0,
) -> Image:
    """The host's root; what a container changes in it goes when the container ends."""
    variables = {"PATH": f"{installation.programs}:{_PATH}", **(environment or {})}
    return Image("/", entrypoint, command, variables, working_dir, uid, gid, HIDDEN, installation.folders)


def without_tag(name: str) -> str:
    """`registry:5000/a/b:v1@sha256:...` is an image `registry:5000/a/b`."""
    name = name.partition("@")[0]
    head, slash, last = name.rpartition("/")
    return head + slash + last.partition(":")[0]


def _image(installation: Installation, name: str, entry: Any) -> Image:
    known = {"root", "entrypoint", "command", "environment", "workingDir", "user", "group"}
    if not isinstance(entry, Mapping) or entry.keys() - known:
        raise ValueError(f"image {name}: must be an object with some of {', '.join(sorted(known))}")
    root = entry.get("root", HOST)
    if not isinstance(root, str) or not (root == HOST or root.startswith("/")):
        raise ValueError(f"image {name}: root must be {HOST!r} or the path of a folder, not {root!r}")
    entrypoint, command = tuple(entry.get("entrypoint", ())), tuple(entry.get("command", ()))
    environment = dict(entry.get("environment", {}))
    said = (entry.get("workingDir", "/"), int(entry.get("user", 0)), int(entry.get("group", 0)))
    if root == HOST:
        return host_image(installation, entrypoint, command, environment, *said)
    return Image(root, entrypoint, command, {"PATH": _PATH, **environment}, *said)
