"""Which logs this process may close: a close is sent by ticket alone.

A ticket authorizes the close of one log in this process. It is given by who has compared the whole
declaration with what was recorded before it: the gate's check with its old inputs, or the settled
resource's delete at a destroy; or by a person who named the log for this run. What one process was
given is worth nothing in another. ``Session.close`` asks for the tickets of every log that a call
would close, right before it sends the call.

All requests of one process are counted together, so that no order of requests gets past a limit.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloud_siem import guard
from cloud_siem.errors import Refusal
from cloud_siem.guard import Closing
from cloud_siem.model import DeliveryKey, Perspective, Snapshot
from cloud_siem.settings import Settings

Switch = tuple[object, ...]
"""What a log's key switches, whatever the view: owner account, region, product and log."""


@dataclass(frozen=True, kw_only=True)
class CloseRequest:
    """A request for the tickets of all these logs, or none of them."""

    closing: Sequence[Closing]
    snapshot: Snapshot
    """What the account shows."""
    opened: int
    """How many logs are open now under what was recorded as open; a percentage is of them."""
    broken: Sequence[Refusal] = ()
    """Broken rules that the caller knows of; with any of them no ticket is given."""
    creates_only: bool = False
    """Whether a log may only be closed by creating a delivery that is declared closed, since it is
    not known what was recorded before."""
    dry: bool = False
    """Whether to return the broken rules alone and to give nothing."""


class Tickets:
    """The tickets of one process; safe to use from threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: dict[Switch, Closing] = {}
        self._for_creates: set[Switch] = set()
        """Of these, what a gate without old inputs authorized."""
        self._opened: dict[Perspective, int] = {}
        self._sent: dict[Switch, DeliveryKey] = {}
        self._closed: dict[Switch, str] = {}

    def request(self, request: CloseRequest, settings: Settings) -> tuple[Refusal, ...]:
        """Give a ticket for each of these logs; or give none, and return every broken rule.

        Logs that have a ticket already do not count twice. ``settings`` have the limit, and the
        words for this run.
        """
        with self._lock:
            new = [one for one in request.closing if one.key.switch not in self._given]
            opened = self._opened_with(request)
            refusals = [*request.broken, *(self._broken(new, request, opened, settings))]
            if refusals or request.dry:
                return tuple(refusals)
            self._opened = opened
            self._given |= {one.key.switch: one for one in new}
            if request.creates_only:
                self._for_creates |= {one.key.switch for one in new}
            else:
                self._for_creates -= {one.key.switch for one in request.closing}
            return ()

    def _opened_with(self, request: CloseRequest) -> dict[Perspective, int]:
        perspective = request.snapshot.perspective
        return self._opened | {perspective: max(request.opened, self._opened.get(perspective, 0))}

    def _broken(
        self,
        new: Sequence[Closing],
        request: CloseRequest,
        opened: Mapping[Perspective, int],
        settings: Settings,
    ) -> Iterable[Refusal]:
        if not new:
            return ()
        together = [*self._given.values(), *new]
        return guard.refusals(
            together,
            request.snapshot.perspective,
            opened=sum(opened.values()),
            left_open=guard.left_open(together, request.snapshot),
            settings=settings,
        )

    def missing(
        self, logs: Iterable[DeliveryKey], *, creates: bool, recorded: bool
    ) -> tuple[DeliveryKey, ...]:
        """The logs that have no ticket.

        Args:
            logs: What a call would close.
            creates: Whether the call creates a delivery that is declared closed.
            recorded: Whether deliveries are known to be recorded that no gate has compared with:
                what a gate without old inputs authorized is then void.
        """
        with self._lock:
            return tuple(log for log in logs if not self._valid(log, creates and not recorded))

    def _valid(self, log: DeliveryKey, creates: bool) -> bool:
        if log.switch not in self._given or log.switch in self._sent:
            return False
        return creates or log.switch not in self._for_creates

    def for_creates(self) -> tuple[DeliveryKey, ...]:
        """The logs that a gate without old inputs authorized, and that no call has closed yet."""
        with self._lock:
            switches = self._for_creates - self._sent.keys()
            return tuple(self._given[one].key for one in self._given if one in switches)

    def last_log(self, snapshot: Snapshot, settings: Settings) -> Refusal | None:
        """The refusal of what was authorized, if by now no log of the account would stay open."""
        with self._lock:
            given = list(self._given.values())
        return guard.last_log_refusal(
            given, snapshot.perspective, guard.left_open(given, snapshot), settings
        )

    def send(self, logs: Iterable[DeliveryKey]) -> None:
        """Note, right before a call, what it closes; each ticket counts for one call."""
        with self._lock:
            self._sent |= {log.switch: log for log in logs}

    def done(self, logs: Iterable[DeliveryKey], request_id: str) -> None:
        """Note what a call has closed."""
        with self._lock:
            self._closed |= {log.switch: request_id for log in logs}

    def sent(self, perspective: Perspective) -> bool:
        """Whether this process has asked to close anything in the account of a perspective."""
        with self._lock:
            return any(log.perspective.owner == perspective.owner for log in self._sent.values())

    def is_sent(self, log: DeliveryKey) -> bool:
        """Whether this process has asked to close a log."""
        with self._lock:
            return log.switch in self._sent

    def is_closed(self, log: DeliveryKey) -> bool:
        """Whether this process has closed a log."""
        with self._lock:
            return log.switch in self._closed

    def closed(self, perspective: Perspective) -> dict[DeliveryKey, str]:
        """What this process has closed from a perspective, with the RequestIds."""
        with self._lock:
            return {
                self._sent[switch]: request_id
                for switch, request_id in self._closed.items()
                if self._sent[switch].perspective == perspective
            }

    @property
    def count(self) -> int:
        """How many logs this process has closed."""
        with self._lock:
            return len(self._closed)
