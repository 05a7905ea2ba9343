"""Log deliveries of Alibaba Cloud SIEM as Pulumi resources: the door for programs.

Names are loaded when they are asked for: a command that reads stack files imports neither Pulumi
nor the Alibaba Cloud SDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cloud_siem.version import __version__

if TYPE_CHECKING:
    from cloud_siem.errors import CloudSiemError, StackError
    from cloud_siem.resource import AccountDeliveries, LogDelivery, load_stack
    from cloud_siem.stack import Stack

__all__ = [
    "AccountDeliveries",
    "CloudSiemError",
    "LogDelivery",
    "Stack",
    "StackError",
    "__version__",
    "load_stack",
]

_HOMES = {
    "AccountDeliveries": "cloud_siem.resource",
    "CloudSiemError": "cloud_siem.errors",
    "LogDelivery": "cloud_siem.resource",
    "Stack": "cloud_siem.stack",
    "StackError": "cloud_siem.errors",
    "load_stack": "cloud_siem.resource",
}


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
