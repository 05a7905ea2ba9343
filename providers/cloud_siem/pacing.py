"""How fast and how long: deadlines, back-off and the request rate; used by ``api`` and ``session``.

Time and chance come in through ``Clock``, so that tests run in no time and come out the same.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

BACKOFF_FIRST = 0.5
"""Seconds; the upper bound of the first wait. Each further bound doubles."""
BACKOFF_CAP = 10.0
"""Seconds; no single wait is longer, unless the cloud asks for it."""
_DOUBLINGS = 32
"""More than it takes to reach the cap; without an end the bound would outgrow every float."""


@dataclass(frozen=True, kw_only=True)
class Clock:
    """The outside world of this module."""

    now: Callable[[], float] = time.monotonic
    """Seconds, only ever growing."""
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random
    """Even in [0, 1): so that clients who failed together do not come back together."""


@dataclass(frozen=True, kw_only=True)
class Deadline:
    """When an operation has to be over."""

    clock: Clock
    seconds: float
    """How long the operation may take in all."""
    begun: float

    @classmethod
    def of(cls, seconds: float, clock: Clock) -> Deadline:
        """A deadline that begins now."""
        return cls(clock=clock, seconds=seconds, begun=clock.now())

    @property
    def left(self) -> float:
        """Seconds; zero or less when it is over."""
        return self.begun + self.seconds - self.clock.now()


def backoff(attempt: int, clock: Clock, at_least: float = 0.0) -> float:
    """Seconds to wait after the given failed attempt (counted from 1): full jitter.

    ``at_least`` is what the cloud asked for; the jitter comes on top, since everyone else was
    asked for the same.
    """
    bound: float = min(BACKOFF_CAP, BACKOFF_FIRST * 2 ** min(attempt - 1, _DOUBLINGS))
    return at_least + clock.chance() * bound


@dataclass(kw_only=True)
class RequestRate:
    """A token bucket: at most ``rate`` calls a second on average, ``burst`` at once.

    Alibaba Cloud counts requests per account and API; what it allows for Cloud SIEM is not
    published, so the default of the setting ``requestRate`` is low. Safe to use from threads.
    """

    rate: float
    burst: float
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._full_at = self.clock.now()
        """When the bucket will be full again; each call moves it by 1 / rate."""

    def wait(self) -> None:
        """Take one token, waiting for it when there is none."""
        with self._lock:
            now = self.clock.now()
            self._full_at = max(self._full_at, now) + 1 / self.rate
            wait = self._full_at - now - self.burst / self.rate
        if wait > 0:
            self.clock.sleep(wait)
