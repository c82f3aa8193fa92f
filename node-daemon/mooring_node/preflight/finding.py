"""What a look at the node found (pure)."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """ERROR: an address would not be held, or twice, or nobody would reach it. WARNING: it may come to that."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` stays the same for ever; `message` says what is so, `remedy` what to do."""

    code: str
    severity: Severity
    message: str
    remedy: str

    @property
    def text(self) -> str:
        return f"{self.message}; {self.remedy}"

    def to_wire(self) -> dict[str, str]:
        return {"code": self.code, "severity": self.severity, "message": self.message, "remedy": self.remedy}


def error(code: str, message: str, remedy: str) -> Finding:
    return Finding(code, Severity.ERROR, message, remedy)


def warning(code: str, message: str, remedy: str) -> Finding:
    return Finding(code, Severity.WARNING, message, remedy)
