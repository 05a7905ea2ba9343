"""The log of received calls: what tests count, and what `cloud-siem emulator calls` shows.

Bounded: old calls fall out, their counts stay. It never holds a secret, a token or a signature:
`wire.Call` keeps the gateway's parameters apart from the operation's, and only the latter come
here.
"""

from __future__ import annotations

import dataclasses
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

KEPT = 20_000
"""Calls kept by default: a fleet run's worth, about 15 MB."""


@dataclass(frozen=True, kw_only=True)
class Received:
    """One call; `status` is 0 until it is answered, and stays 0 if it never was."""

    seq: int
    time: float
    action: str
    key_id: str
    parameters: Mapping[str, str]
    user_agent: str = ""
    source: str = ""
    account: str = ""
    """Whose key it is; empty if nobody's."""
    session: str = ""
    """The role session's name."""
    status: int = 0
    code: str = ""
    """The error's code; empty if there was none."""
    request_id: str = ""
    changed: int = 0
    """How many logs it switched that were not so before."""
    fault: str = ""
    """The kind of fault that struck it; what a fault switched is a `SideEffect`, not `changed`."""

    @property
    def product(self) -> str:
        return self.parameters.get("ProductCode", "")

    @property
    def log(self) -> str:
        """The log code; empty where the call was about the whole product."""
        return self.parameters.get("LogCode", "")

    def to_mapping(self) -> dict[str, object]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class SideEffect:
    """A log that the service closed by itself: no call and no person named it."""

    time: float
    cause: int
    """The number of the call that it followed from."""
    account: str
    """Whose switch it is."""
    region: str
    view: str
    product: str
    log: str

    def to_mapping(self) -> dict[str, object]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """How many calls there were since the log was cleared."""

    total: int = 0
    changed: int = 0
    actions: Mapping[str, int] = field(default_factory=dict)
    codes: Mapping[str, int] = field(default_factory=dict)
    """By error code, `OK`, or `no answer`."""
    accounts: Mapping[str, int] = field(default_factory=dict)

    def to_mapping(self) -> dict[str, object]:
        return dataclasses.asdict(self)


class CallLog:
    """The last calls, counters of all, and what the service did by itself in between."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._seq = 0
        self.clear()

    def clear(self) -> None:
        """Forget all calls; numbers go on, so that `since` stays true."""
        with self._lock:
            self._calls: dict[int, Received] = {}
            self._effects: deque[SideEffect] = deque(maxlen=self._kept)
            self._actions: Counter[str] = Counter()
            self._codes: Counter[str] = Counter()
            self._accounts: Counter[str] = Counter()
            self._changed = 0

    def next_number(self) -> int:
        """A number for a call that arrives."""
        with self._lock:
            self._seq += 1

            return self._seq

    def arrived(self, received: Received) -> Received:
        """Write down a call before it acts."""
        with self._lock:
            self._calls[received.seq] = received
            self._actions[received.action] += 1
            if len(self._calls) > self._kept:
                del self._calls[next(iter(self._calls))]

        return received

    def answered(self, received: Received) -> None:
        """Write down how it ended."""
        with self._lock:
            if received.seq in self._calls:
                self._calls[received.seq] = received
            self._codes[_outcome(received)] += 1
            self._accounts[received.account] += 1
            self._changed += received.changed

    def affected(self, effect: SideEffect) -> None:
        """Write down what the service did by itself."""
        with self._lock:
            self._effects.append(effect)

    def effects(self) -> list[SideEffect]:
        """What the service did by itself, oldest first."""
        with self._lock:
            return list(self._effects)

    def all(self, *, action: str | None = None, since: int = 0) -> list[Received]:
        """The calls kept, oldest first; of one action, and with numbers above `since`."""
        with self._lock:
            calls = list(self._calls.values())

        return [each for each in calls if each.seq > since and action in (None, each.action)]

    def counts(self) -> Counts:
        with self._lock:
            return Counts(
                total=self._actions.total(),
                changed=self._changed,
                actions=dict(self._actions),
                codes=dict(self._codes),
                accounts=dict(self._accounts),
            )

    def __len__(self) -> int:
        with self._lock:
            return len(self._calls)


def _outcome(received: Received) -> str:
    if not received.status:
        return "no answer"

    return received.code or "OK"
