"""What a try came to, and what a check says of its backend."""

import errno
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a backend is good or bad; a closed set, for status and metrics."""

    SUCCESS = "Success"
    TIMEOUT = "Timeout"
    REFUSED = "Refused"
    RESET = "Reset"
    UNREACHABLE = "Unreachable"
    CLOSED = "Closed"
    TLS_FAILED = "TLSFailed"
    CERTIFICATE_INVALID = "CertificateInvalid"
    REPLY_MALFORMED = "ReplyMalformed"
    REPLY_TOO_LARGE = "ReplyTooLarge"
    REPLY_WRONG = "ReplyWrong"
    STATUS_WRONG = "StatusWrong"
    DIGEST_WRONG = "DigestWrong"
    PATTERN_NOT_FOUND = "PatternNotFound"
    PATTERN_FOUND = "PatternFound"
    EXIT_CODE = "ExitCode"
    SCRIPT_UNUSABLE = "ScriptUnusable"
    SETTINGS_UNUSABLE = "SettingsUnusable"
    INTERNAL = "Internal"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one try came to. `words` say what was seen; `weight` is a script's."""

    reason: Reason
    words: str = ""
    weight: int | None = None

    @property
    def good(self) -> bool:
        """Whether the backend did what was asked."""
        return self.reason is Reason.SUCCESS


GOOD = Outcome(Reason.SUCCESS)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check says of its backend, thresholds counted in."""

    good: bool
    reason: Reason
    words: str
    weight: int | None


class Withheld(Exception):  # noqa: N818  (nothing went wrong with the backend)
    """A try that tells nothing of the backend: this host lacks what it takes. The words say what."""


class Failed(Exception):  # noqa: N818  (not an error of ours)
    """A try that ended badly, raised from its depths."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.outcome = Outcome(reason, words)


#: This host is short of something, or does not let us: no backend is to blame, and none may pay for it.
_OURS = {
    errno.EMFILE: "no more file descriptors are allowed to this process (RLIMIT_NOFILE)",
    errno.ENFILE: "the host has no more file descriptors",
    errno.ENOBUFS: "the kernel has no more buffers",
    errno.ENOMEM: "the kernel has no more memory",
    errno.ENOSPC: "the kernel lets this user wait for no more descriptors (fs.epoll.max_user_watches)",
    errno.EAGAIN: "the kernel allows no more processes or local ports",
    errno.EAFNOSUPPORT: "the kernel lacks this family of addresses",
    errno.EPROTONOSUPPORT: "the kernel lacks this protocol",
}
_THEIRS = {
    errno.ECONNREFUSED: Reason.REFUSED,
    errno.ECONNRESET: Reason.RESET,
    errno.EPIPE: Reason.RESET,
    errno.ETIMEDOUT: Reason.TIMEOUT,
}


def outcome_of(error: OSError) -> Outcome:
    """What a refused system call says of the backend; Withheld where it says something of this host."""
    if error.errno in _OURS:
        raise Withheld(_OURS[error.errno]) from error
    words = error.strerror or str(error)
    return Outcome(_THEIRS.get(error.errno or 0, Reason.UNREACHABLE), words[:1].lower() + words[1:])
