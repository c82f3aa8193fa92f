#!/usr/bin/env python3
"""Put Debian packages that are installed here, and what they depend on, into a folder that becomes an image's root.

    root.py FOLDER PACKAGE...

An image is its base plus layers, and what a layer removes is still in the one below it. So ours are not made from the
base: they get of it the packages that Python and nft need, file by file, and neither apt nor a setuid program.
The package database of the root holds just those packages, so that a vulnerability scanner sees what is there.
Runs in the Dockerfile's build stage with the standard library alone.
"""

import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Every root has it: the links /bin and /lib, and the release that scanners ask for.
FOUNDATION = "base-files"
#: Dependencies for the installation scripts alone, which do not run in an image.
INSTALLATION_ONLY = frozenset({"awk", "debconf", "debconf-2.0", "debianutils", "dpkg", "perl-base"})
#: Documentation; the licences (`copyright`) stay.
LEFT_OUT = tuple(f"/usr/share/{name}/" for name in ("bug", "doc", "info", "lintian", "locale", "man"))
UNPRIVILEGED = 65532
SETTINGS = {
    "etc/passwd": (
        "root:x:0:0:root:/root:/usr/sbin/nologin\n"
        f"mooring:x:{UNPRIVILEGED}:{UNPRIVILEGED}:mooring:/nonexistent:/usr/sbin/nologin\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    ),
    "etc/group": f"root:x:0:\nmooring:x:{UNPRIVILEGED}:\nnogroup:x:65534:\n",
    # Without it glibc asks the DNS before /etc/hosts.
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}
#: Where a runtime or the chart mounts something: with a read-only root they must be there.
MOUNT_POINTS = {
    **dict.fromkeys(("dev", "etc/mooring/scripts", "host", "proc", "run", "sys", "var/lib/mooring"), 0o755),
    "root": 0o700,
    "tmp": 0o1777,
}


@dataclass(frozen=True)
class Package:
    name: str
    provides: frozenset[str]
    depends: tuple[tuple[str, ...], ...]
    """Alternatives: of each entry one is needed."""


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    folder, wanted = Path(arguments[0]), arguments[1:]
    chosen = closure((FOUNDATION, *wanted), installed())
    folder.mkdir(parents=True, exist_ok=True)
    for name in chosen:
        for path in kept(_query("--listfiles", name).splitlines()):
            copy(path, folder)
    _write(folder / "var/lib/dpkg/status", "\n".join(_query("--status", name) for name in chosen))
    for name, text in SETTINGS.items():
        _write(folder / name, text)
    for name, mode in MOUNT_POINTS.items():
        path = folder / name
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(mode)
    return 0


def installed() -> dict[str, Package]:
    """What dpkg has installed here, by name."""
    form = "${db:Status-Abbrev}\t${Package}\t${Provides}\t${Pre-Depends}\t${Depends}\n"
    found = {}
    for line in _query("--show", "--showformat", form).splitlines():
        status, name, provides, before, depends = line.split("\t")
        if status.startswith("ii"):
            provided = frozenset(each for names in parse(provides) for each in names)
            found[name] = Package(name, provided, (*parse(before), *parse(depends)))
    return found


def parse(relations: str) -> Iterator[tuple[str, ...]]:
    """`libc6 (>= 2.38), media-types | mime-support` is (("libc6",), ("media-types", "mime-support"))."""
    for entry in filter(str.strip, relations.split(",")):
        yield tuple(re.split(r"[\s:(]", alternative.strip())[0] for alternative in entry.split("|"))


def closure(wanted: Iterable[str], packages: Mapping[str, Package]) -> list[str]:
    """The names of the packages and of all that they depend on, sorted; KeyError where one is not installed."""
    chosen: dict[str, Package] = {}
    waiting = [(name,) for name in wanted]
    while waiting:
        alternatives = waiting.pop()
        if INSTALLATION_ONLY.intersection(alternatives):
            continue
        package = _first(alternatives, packages)
        if package.name not in chosen:
            chosen[package.name] = package
            waiting.extend(package.depends)
    return sorted(chosen)


def _first(alternatives: Sequence[str], packages: Mapping[str, Package]) -> Package:
    for name in alternatives:
        if name in packages:
            return packages[name]
        for package in packages.values():
            if name in package.provides:
                return package
    raise KeyError(f"not installed here: {' or '.join(alternatives)}")


def kept(paths: Iterable[str]) -> Iterator[str]:
    """Those that belong into an image."""
    for path in paths:
        # Of packages from one source the documentation may be a link to one's folder.
        licence = path.endswith("/copyright") or os.path.islink(path)
        if path.startswith("/") and path != "/." and (licence or not path.startswith(LEFT_OUT)):
            yield path


def copy(path: str, folder: Path) -> None:
    """One file, link or folder, with its mode and owner, but never a program that gives rights to who runs it."""
    if not os.path.lexists(path):
        return  # the base image was made without documentation
    # Debian's packages may say /lib where it is a link to /usr/lib.
    real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    target = folder / real.lstrip("/")
    if target.is_symlink() or target.is_file():
        return
    if real != path or not target.parent.is_dir():
        target.parent.mkdir(parents=True, exist_ok=True)
    found = os.lstat(real)
    if stat.S_ISDIR(found.st_mode):
        target.mkdir(exist_ok=True)
    elif stat.S_ISLNK(found.st_mode):
        target.symlink_to(os.readlink(real))
        return
    else:
        shutil.copy2(real, target)
    os.chown(target, found.st_uid, found.st_gid)
    target.chmod(stat.S_IMODE(found.st_mode) & ~(stat.S_ISUID | stat.S_ISGID))


def _query(*arguments: str) -> str:
    return subprocess.run(("dpkg-query", *arguments), check=True, capture_output=True, text=True).stdout


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o644)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
