"""The operator's settings, declared once: flag, environment variable, default and words for each."""

import argparse
import os
import socket
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

from mooring_api.duration import Duration


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """`HOST:PORT`, an IPv6 host in brackets; ValueError when it is not of that form."""
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > 65535:
            raise ValueError(f"{text!r} is not HOST:PORT, such as 0.0.0.0:9651 or [::]:9651")
        return cls(host.strip("[]"), int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _seconds(least: str, most: str) -> Callable[[str], Duration]:
    def parse(text: str) -> Duration:
        value = Duration.parse(text)
        if not Duration.parse(least) <= value <= Duration.parse(most):
            raise ValueError(f"{text} is not between {least} and {most}")
        return value

    return parse


def _choice(*words: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return text

    return parse


def _name(text: str) -> str:
    if not text or len(text) > 253 or text.split() != [text]:
        raise ValueError(f"{text!r} is no name")
    return text


def _about(parse: Callable[[str], Any], metavar: str, words: str) -> dict[str, Any]:
    return {"parse": parse, "metavar": metavar, "help": words}


@dataclass(frozen=True)
class Settings:
    """What `mooring-operator run` can be told; `docs/operator.md` has the table."""

    kubeconfig: Path | None = field(
        default=None, metadata=_about(Path, "FILE", "how to reach the API server; left out: the pod's service account")
    )
    namespace: str = field(
        default="mooring-system", metadata=_about(_name, "NAME", "Mooring's own namespace, where the Lease is")
    )
    lease_name: str = field(
        default="mooring-operator", metadata=_about(_name, "NAME", "the Lease by which one operator of several leads")
    )
    identity: str = field(
        default="",
        metadata=_about(
            _name,
            "NAME",
            "this process in the Lease; the pod's name lets a container that is started again lead at once;"
            " left out: host name and a random number",
        ),
    )
    lease_duration: Duration = field(
        default=Duration.of(s=15),
        metadata=_about(_seconds("3s", "10m"), "TIME", "others wait so long for a leader that is silent"),
    )
    renew_deadline: Duration = field(
        default=Duration.of(s=10),
        metadata=_about(_seconds("2s", "9m"), "TIME", "a leader that could not renew for so long ends itself"),
    )
    retry_period: Duration = field(
        default=Duration.of(s=2),
        metadata=_about(_seconds("500ms", "3m"), "TIME", "between two renewals of the Lease"),
    )
    resync: Duration = field(
        default=Duration.of(s=300),
        metadata=_about(_seconds("10s", "24h"), "TIME", "so often everything is listed anew, beside the watches"),
    )
    metrics_address: Address = field(
        default=Address("0.0.0.0", 9651),
        metadata=_about(Address.parse, "HOST:PORT", "/healthz, /readyz and /metrics; port 0: none"),
    )
    log_format: str = field(
        default="text", metadata=_about(_choice("text", "json"), "FORMAT", "text or json, a line for each event")
    )
    log_level: str = field(
        default="info",
        metadata=_about(_choice("debug", "info", "warning", "error"), "LEVEL", "debug, info, warning or error"),
    )

    def problems(self) -> list[str]:
        """What does not fit together."""
        found = []
        if not self.retry_period < self.renew_deadline < self.lease_duration:
            found.append(
                f"--retry-period {self.retry_period}, --renew-deadline {self.renew_deadline} and --lease-duration"
                f" {self.lease_duration} must be each longer than the one before"
            )
        return found

    @property
    def own_identity(self) -> str:
        return self.identity or f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"


class BadSetting(Exception):  # noqa: N818 - it names the thing
    """A setting that cannot be used; the text names the flag or the variable."""


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    return "MOORING_" + name.upper()


def add_flags(parser: argparse.ArgumentParser, names: Collection[str] = ()) -> None:
    """One flag for each setting, or for those of these names; --help names its variable and its default."""
    for each in (each for each in fields(Settings) if not names or each.name in names):
        shown = "" if each.default in (None, "", MISSING) else f" (default {each.default})"
        parser.add_argument(
            flag(each.name),
            metavar=each.metadata["metavar"],
            help=f"{each.metadata['help']}{shown} [{variable(each.name)}]",
        )


def chosen(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Settings:
    """The settings from flags, else from the environment, else the defaults; BadSetting names what is wrong.

    One that has no flag here has its default.
    """
    given: dict[str, Any] = {}
    for each in (each for each in fields(Settings) if hasattr(options, each.name)):
        text, origin = getattr(options, each.name), flag(each.name)
        if text is None:
            text, origin = environ.get(variable(each.name)), variable(each.name)
        if text is None:
            continue
        try:
            given[each.name] = each.metadata["parse"](text)
        except ValueError as error:
            raise BadSetting(f"{origin}: {error}") from error
    settings = Settings(**given)
    if found := settings.problems():
        raise BadSetting("; ".join(found))
    return settings


def table() -> Sequence[tuple[str, str, str, str]]:
    """Flag, variable, default and meaning of each setting, for the documentation."""
    return [
        (flag(each.name), variable(each.name), "" if each.default in (None, "") else str(each.default), help_)
        for each in fields(Settings)
        if (help_ := each.metadata["help"])
    ]
