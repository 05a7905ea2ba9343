"""The calls per second that an account may make: one token bucket for all its keys together."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from . import errors


class Throttle:
    """The buckets of all accounts."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def clear(self) -> None:
        with self._lock:
            self._buckets.clear()

    def take(self, account: str, *, rate: float, burst: float) -> None:
        """Count a call.

        Raises:
            errors.ThrottlingUser: It is one too many. It does not count.
        """
        if rate <= 0:
            return
        size = max(burst or rate, 1)
        with self._lock:
            now = self._clock()
            tokens, since = self._buckets.get(account, (size, now))
            tokens = min(size, tokens + (now - since) * rate)
            self._buckets[account] = (tokens - (tokens >= 1), now)
        if tokens < 1:
            raise errors.ThrottlingUser
