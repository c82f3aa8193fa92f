"""The keys that instances name: which states of which Secret this node has, and which one an instance means. Pure.

A Secret that is deleted or made unusable takes nothing away: the states that were good stay, on disk too, and a
remark says what is wrong. Nothing here shows a key but `KeyState.password`.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from mooring_api.problems import Problem
from mooring_api.secret import PASSWORD_KEY, SECRET_TYPE
from mooring_node.agent.secrets import name_of, password_of, version_of
from mooring_node.agent.versions import is_older
from mooring_node.judge.messages import KeyPlace
from mooring_node.vrrp.config import GroupConfig, MemberConfig

FORMAT = 1
#: What an instance may name, its own and four that it also accepts, and the newest. More only where more are named.
MOST_STATES = 6
#: As many as a CredentialReport may list.
MOST_REPORTED = 8
#: Secrets of our type beyond these are not read: whoever fills the namespace must not fill our memory.
MOST_SECRETS = 256

#: Which states of which Secrets a configuration names, those that are spoken before those that are accepted;
#: None is the one that is in use.
References: TypeAlias = Mapping[str, tuple[str | None, ...]]


@dataclass(frozen=True, slots=True)
class KeyState:
    """One state of a Secret that can be used, by its resourceVersion."""

    version: str
    password: str = field(repr=False)


@dataclass(slots=True)
class _Secret:
    states: tuple[KeyState, ...] = ()
    """Oldest first."""
    fault: str = ""
    """Why the Secret as it is now gives no key; empty: it does."""
    seen: str = ""
    """The newest version that was looked at, usable or not."""
    in_use: str = ""
    """The state that a reference without a version means; empty while there is no such reference, or no state."""

    @property
    def newest(self) -> str:
        return self.states[-1].version if self.states else ""

    def has(self, version: str | None) -> bool:
        return any(state.version == version for state in self.states)

    gone: bool = False
    """Whether it is kept although there is no such Secret any more."""


@dataclass(frozen=True, slots=True)
class CredentialReport:
    """A Secret that the configuration names, as the status tells of it; never what is in it."""

    name: str
    current: str | None
    """The state that a reference without a version means; None: there is none."""
    versions: tuple[str, ...]
    """The states that the node has, oldest first."""

    def to_wire(self) -> dict[str, Any]:
        """As JSON values, with the names of the API."""
        current = {} if self.current is None else {"current": self.current}
        return {"name": self.name, **current, "versions": list(self.versions)}


def references_of(keys: Iterable[KeyPlace]) -> References:
    """What these name, by the Secret's name."""
    found: dict[str, dict[str | None, None]] = {}
    # What is spoken before what is accepted: see KeyBook._settle.
    for each in sorted(keys, key=lambda place: place.form is not None):
        found.setdefault(each.secret, {})[each.version] = None
    return {name: tuple(versions) for name, versions in found.items()}


class KeyBook:
    """All that is known of Secrets. `namespace` is Mooring's own, for what is said."""

    def __init__(self, namespace: str, text: str = "") -> None:
        self._namespace = namespace
        # Until a configuration has been read, what is on disk is what the last one named.
        self._secrets, self._references = _from_json(text)

    # What the API says.

    def listed(self, items: Iterable[Mapping[str, Any]]) -> bool:
        """Everything there is; whether that is news. A list is the present, also where its versions are lower."""
        before = self._known()
        given = {name_of(item): item for item in items}
        for name in self._secrets.keys() - given.keys():
            self._gone(name)
        for name, item in given.items():
            self._observe(name, item, newest=True)
        return self._known() != before

    def changed(self, item: Mapping[str, Any]) -> bool:
        """One Secret is new or other than before; whether that is news. What comes late changes nothing."""
        before = self._known()
        self._observe(name_of(item), item, newest=False)
        return self._known() != before

    def deleted(self, item: Mapping[str, Any]) -> bool:
        """One Secret is gone; whether that is news."""
        before = self._known()
        self._gone(name_of(item))
        return self._known() != before

    def refer(self, references: References) -> None:
        """What the configuration names: these states are kept, whatever comes, and what it does not name is not."""
        before, self._references = self._references, references
        self._secrets = {n: secret for n, secret in self._secrets.items() if n in references or not secret.gone}
        for name in self._secrets:
            self._settle(name, before.get(name, ()))

    # What instances get.

    def choose(self, name: str, version: str | None) -> KeyState | None:
        """The state that is named, or the one in use; the newest where none is.

        What is in use stays until another is named: a newer one that each node took up for itself would make the
        members deaf to each other.
        """
        secret = self._secrets.get(name, _Secret())
        meant = version if version is not None else secret.in_use or secret.newest
        return next((state for state in secret.states if state.version == meant), None)

    def with_passwords(
        self, groups: Sequence[GroupConfig], keys: Sequence[KeyPlace], node: str
    ) -> tuple[tuple[GroupConfig, ...], tuple[Problem, ...]]:
        """The groups with the passwords that they name; one of which a member lacks one is left out whole."""
        missing = {place: why for place in keys if (why := self._missing(place))}
        problems = [
            Problem(f"NodeConfig {node}", each.path, why, instance=each.instance) for each, why in missing.items()
        ]
        told = {each.instance for each in missing}
        passwords = {(each.instance, each.form): self._password(each) for each in keys if each.instance not in told}
        good = []
        for group in groups:
            lacking = next((member.name for member in group.members if member.name in told), None)
            if lacking is None:
                good.append(_filled(group, passwords))
                continue
            message = f"left out with {lacking} of its sync group; correct that one"
            problems += [
                Problem(f"NodeConfig {node}", "spec.instances[]", message, instance=member.name)
                for member in group.members
                if member.name not in told
            ]
        return tuple(good), tuple(problems)

    def _missing(self, place: KeyPlace) -> str:
        """What to do about a key that is not here; empty when it is."""
        name, version = place.secret, place.version
        if self.choose(name, version) is not None:
            return ""
        secret = self._secrets.get(name, _Secret())
        called = f"Secret {self._namespace}/{name}"
        if version is None or not secret.states:
            reason = secret.fault or f"is not there (one of another type than {SECRET_TYPE} is not read)"
            return f"{called} {reason}; {self._remedy(name)}"
        have = ", ".join(state.version for state in secret.states)
        return f"this node has no state {version} of {called}, only {have}; name one of these, or leave keyVersion out"

    def _remedy(self, name: str) -> str:
        return (
            f"create it: kubectl -n {self._namespace} create secret generic {name} --type={SECRET_TYPE}"
            f" --from-literal={PASSWORD_KEY}=..."
        )

    def _password(self, place: KeyPlace) -> str:
        state = self.choose(place.secret, place.version)
        assert state is not None, "_missing was asked first"
        return state.password

    # What is told.

    def reports(self) -> tuple[CredentialReport, ...]:
        """The Secrets that the configuration names, by name, and their states; never what is in them."""
        return tuple(self._report(name, self._secrets.get(name, _Secret())) for name in sorted(self._references))

    def _report(self, name: str, secret: _Secret) -> CredentialReport:
        told = self._ranked(name, secret.states)[:MOST_REPORTED]
        return CredentialReport(
            name=name,
            current=secret.in_use or secret.newest or None,
            versions=tuple(state.version for state in secret.states if state in told),
        )

    def remarks(self) -> tuple[str, ...]:
        """What is wrong with Secrets whose last good key is still in use, and what to do."""
        found = []
        for name in sorted(self._references):
            secret = self._secrets.get(name)
            if secret is not None and secret.fault and secret.states:
                called = f"Secret {self._namespace}/{name} {secret.fault}"
                found.append(f"{called}; its good state {secret.in_use or secret.newest} stays in use")
        return tuple(found)

    def to_json(self) -> str:
        """What is to be kept on disk: the states of the Secrets that the configuration names."""
        kept = {
            name: {
                "fault": secret.fault,
                "states": [{"version": each.version, "password": each.password} for each in secret.states],
                "named": list(self._references[name]),
                "inUse": secret.in_use,
            }
            for name, secret in sorted(self._secrets.items())
            if name in self._references and secret.states
        }
        return json.dumps({"format": FORMAT, "secrets": kept}, indent=1)

    # How it is done.

    def _known(self) -> Mapping[str, tuple[tuple[KeyState, ...], str]]:
        return {name: (secret.states, secret.fault) for name, secret in self._secrets.items()}

    def _settle(self, name: str, before: Sequence[str | None] = ()) -> None:
        """Which state is in use, and which are kept, after the states are others or what is named is (`before`)."""
        secret, named = self._secrets[name], self._references.get(name, ())
        if None not in named:
            secret.in_use = ""
        elif not secret.has(secret.in_use):
            # What was spoken by its version and is named no more goes on without it.
            spoken = before[0] if before and before[0] not in named and secret.has(before[0]) else None
            secret.in_use = spoken or secret.newest
        secret.states = self._trimmed(name, secret.states)

    def _observe(self, name: str, item: Mapping[str, Any], *, newest: bool) -> None:
        secret = self._secrets.get(name)
        if secret is None:
            if len(self._secrets) >= MOST_SECRETS and name not in self._references:
                return
            secret = self._secrets[name] = _Secret()
        version = version_of(item)
        if not newest and is_older(version, secret.seen):
            return
        secret.seen, secret.gone = version, False
        password, secret.fault = password_of(item)
        if password is not None:
            others = tuple(state for state in secret.states if state.version != version)
            secret.states = (*others, KeyState(version, password))
            self._settle(name)

    def _gone(self, name: str) -> None:
        secret = self._secrets.get(name)
        if secret is None:
            return
        if name in self._references:
            secret.gone, secret.fault = True, f"was deleted; {self._remedy(name)}"
        else:
            del self._secrets[name]

    def _trimmed(self, name: str, states: tuple[KeyState, ...]) -> tuple[KeyState, ...]:
        """The newest and all that the configuration names; with others MOST_STATES; in order."""
        needed = sum(self._is_named(name, state.version) for state in states[:-1]) + 1
        kept = self._ranked(name, states)[: max(MOST_STATES, needed)]
        return tuple(state for state in states if state in kept)

    def _ranked(self, name: str, states: tuple[KeyState, ...]) -> tuple[KeyState, ...]:
        """The newest, then those that the configuration names, then the others; newer ones before older ones."""
        others = sorted(reversed(states[:-1]), key=lambda state: not self._is_named(name, state.version))
        return (*states[-1:], *others)

    def _is_named(self, name: str, version: str) -> bool:
        return version == self._secrets[name].in_use or version in self._references.get(name, ())


def _filled(group: GroupConfig, passwords: Mapping[tuple[str, int | None], str]) -> GroupConfig:
    """`passwords`: by instance and form, None for its own."""
    return replace(group, members=tuple(_filled_member(member, passwords) for member in group.members))


def _filled_member(member: MemberConfig, passwords: Mapping[tuple[str, int | None], str]) -> MemberConfig:
    accepted = tuple(
        replace(form, password=passwords.get((member.name, index), form.password))
        for index, form in enumerate(member.accepted)
    )
    return replace(member, password=passwords.get((member.name, None), member.password), accepted=accepted)


def _from_json(text: str) -> tuple[dict[str, _Secret], References]:
    """What `to_json` wrote, also of another release; what cannot be read of it is left out."""
    try:
        raw = json.loads(text or "{}")
        listed = raw["secrets"].items() if raw.get("format") == FORMAT else ()
    except (ValueError, LookupError, TypeError, AttributeError):
        return {}, {}
    secrets: dict[str, _Secret] = {}
    references: dict[str, tuple[str | None, ...]] = {}
    for name, each in listed:
        with suppress(ValueError, LookupError, TypeError, AttributeError):
            secret = _secret(each)
            # A file from before "named": all of it is kept until a configuration says what is needed.
            references[name] = tuple(each.get("named") or (None, *(state.version for state in secret.states)))
            secrets[name] = secret
    return secrets, references


def _secret(raw: Mapping[str, Any]) -> _Secret:
    states = tuple(KeyState(str(state["version"]), str(state["password"])) for state in raw["states"])
    return _Secret(states, str(raw["fault"]), states[-1].version, str(raw.get("inUse", "")))
