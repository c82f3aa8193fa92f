"""Between the machine's words and those of configuration and users. Pure."""

from mooring_node.vrrp.config import GroupConfig
from mooring_node.vrrp.states import (
    Active,
    Doubting,
    Fault,
    Initialize,
    Leaving,
    Router,
    Settings,
    Stopped,
)


def visible_state(router: Router) -> str:
    """The state as users know it (RFC 9568's words, and Fault)."""
    match router.state:
        case Active() | Doubting() | Leaving():
            return "Active"
        case Fault():
            return "Fault"
        case Initialize() | Stopped():
            return "Initialize"
        case _:
            return "Backup"


def settings_of(config: GroupConfig, maintenance: bool) -> Settings:
    """The machine's part of a configuration."""
    return Settings(
        version=config.version,
        priority=config.priority,
        interval_ns=config.interval_ns,
        active_down_factor=config.active_down_factor,
        preempt=config.preempt,
        preempt_delay_ns=config.preempt_delay_ns,
        eligible=config.eligible and not maintenance,
        alone=all(member.alone for member in config.members),
        damping_transitions=config.damping_transitions,
        damping_window_ns=config.damping_window_ns,
        damping_hold_down_ns=config.damping_hold_down_ns,
    )
