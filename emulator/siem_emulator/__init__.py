"""An emulator of the Cloud SIEM log-delivery API (Security Center, version 2022-06-16).

It answers over real HTTP as the official SDKs speak it, keeps the state of obviously fake accounts,
and breaks on request. Programs reach it with `cloud-siem emulator start`, tests with
`EmulatorServer`.

The door is lazy: importing the package, or its `command`, costs no aiohttp.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .faults import Rule
    from .server import EmulatorServer
    from .settings import Settings
    from .world import World

__all__ = ["EmulatorServer", "Rule", "Settings", "World"]

_HOMES = {"EmulatorServer": "server", "Rule": "faults", "Settings": "settings", "World": "world"}


if not TYPE_CHECKING:  # type checkers read the imports above

    def __getattr__(name: str) -> object:
        """Import the module that holds `name` when it is first asked for."""
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
