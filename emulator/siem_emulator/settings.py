"""What can be set while the emulator runs: speeds, the clock, one switch per unverified fact.

Made by `command.py`, tests, and `POST /_siem/settings`; read by `service.py` and `operations.py`.
docs/emulator.md tells what each switch stands for. Nobody has asked the real service: the defaults
are our reading of the pages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints


class SettingsError(ValueError):
    """A setting that does not exist, or a value that it cannot have."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """One value for each thing that can be set."""

    latency_ms: float = 0
    """How long a call takes: one half before it acts, the other half after."""
    lag_ms: float = 0
    """For how long ListDelivery does not show a write."""
    rate: float = 0
    """Calls per second that an account may make; 0 is without limit."""
    burst: float = 0
    """Calls that an account may make at once; 0 is as many as in one second."""
    clock_skew_s: float = 0
    """How far the server's clock is ahead of this machine's."""

    inoperable_write: Literal["refuse", "ignore"] = "refuse"
    """A write to a log that cannot be operated: `Data: false`, or `Data: true` without effect."""
    repeat_close: Literal["ok", "data_false", "error"] = "ok"
    """CloseDelivery of what is closed: `Data: true`, `Data: false`, or InternalError."""
    role_precedence: Literal["role_for", "role_type", "refuse"] = "role_for"
    """RoleType 1 together with RoleFor: the member's switches, the enterprise's, or an error."""
    qlcoud_cfw: Literal["refuse", "accept"] = "refuse"
    """Whether `qlcoud_cfw`, as the CloseDelivery page spells it, is taken for `qcloud_cfw`."""
    default_region: Literal["cn-hangzhou", "ap-southeast-1", "required"] = "cn-hangzhou"
    """The region that is meant when RegionId is absent; `required`: MissingRegionId."""
    enterprise_switches: Literal["separate", "members"] = "separate"
    """The enterprise view: own switches, or the administrator's and all members' at once."""
    empty_log_code: Literal["all", "error"] = "all"
    """`LogCode=` without a value: like an absent one (all logs of the product), or ErrorMapping."""
    member_operates: Literal["yes", "no"] = "yes"
    """Whether a member may switch its own logs, or only its administrator."""

    def with_changes(self, changes: Mapping[str, object]) -> Settings:
        """The same settings with some changed.

        Raises:
            SettingsError: There is no such setting, or it cannot have this value.
        """
        return dataclasses.replace(
            self, **{name: _valid(name, value) for name, value in changes.items()}
        )

    def to_mapping(self) -> dict[str, object]:
        return dataclasses.asdict(self)


def _valid(name: str, value: object) -> Any:
    hint = _HINTS.get(name)
    if hint is None:
        raise SettingsError(f"There is no setting {name}; there are {', '.join(_HINTS)}.")
    if hint is float:
        return _number(name, value)
    if value not in get_args(hint):
        raise SettingsError(f"{name} is one of {', '.join(get_args(hint))}, not {value!r}.")

    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SettingsError(f"{name} is a number, not {value!r}.")
    if value < 0 and name != "clock_skew_s":
        raise SettingsError(f"{name} is not negative.")

    return value


_HINTS = get_type_hints(Settings)
