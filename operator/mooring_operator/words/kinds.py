"""What conditions and events there are, and what is known of each reason that one is told for."""

from enum import StrEnum
from typing import Self

from mooring_api.virtualip import ConditionStatus


class ConditionType(StrEnum):
    """What a condition is about. All keep one rule: Unknown is under way and ends by itself, or nobody can tell;
    False wants a person. A VirtualIP has the first three, a VirtualServer the first two and Ready."""

    ACCEPTED = "Accepted"
    PROGRAMMED = "Programmed"
    HELD = "Held"
    READY = "Ready"


class EventType(StrEnum):
    """Kubernetes' two kinds of events."""

    NORMAL = "Normal"
    WARNING = "Warning"


class ConditionReason(StrEnum):
    """Why a condition is as it is; each reason belongs to one status of one condition."""

    condition: ConditionType
    status: ConditionStatus
    meaning: str
    remedy: str

    def __new__(cls, value: str, condition: ConditionType, status: ConditionStatus, meaning: str, remedy: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.condition, member.status, member.meaning, member.remedy = condition, status, meaning, remedy
        return member


class NewsReason(StrEnum):
    """Why an event is told that tells of no condition."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member
