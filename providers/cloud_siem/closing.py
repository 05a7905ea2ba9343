"""Closes: which logs a run may close, and the one place that asks for a CloseDelivery.

Called by the providers' verbs, for one perspective in one process. One close goes through these
steps; all closes of a process that run side by side share their looks:

1. the account was read a moment ago: the look after the closes before this one, else a new one;
2. every log that the call would close has a ticket, and some log of the account stays open;
3. the call;
4. the account is read until it shows the close, and compared with what it showed before: if a log
   closed that nobody asked to close, or if nothing is open any more, the run stops.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from cloud_siem import guard
from cloud_siem.codes import Code
from cloud_siem.errors import CloudSiemError, Refusal, RefusedError, SettleError, StoppedError
from cloud_siem.guard import Closing, Closings, Conflict
from cloud_siem.model import Delivery, DeliveryKey, Log, Snapshot, State
from cloud_siem.other_stacks import OtherStacks
from cloud_siem.session import Session
from cloud_siem.settings import CLOSE_WORD
from cloud_siem.tickets import CloseRequest, Tickets

Others = Callable[[], OtherStacks]
"""Reads what the other stack files declare; called when something would close."""
FRESH_S = 2.0
"""Seconds; a close goes by a look that is no older than this. Two updates of one account at once
cannot be locked out against each other: what one of them closes must be seen by the other."""


class DeclarationScope(Enum):
    """How much of what the program declares the engine has shown to this process."""

    NONE = "none"
    """Nothing: no program runs. A destroy, or the rest of one that failed half-way."""
    PARTIAL = "partial"
    """Some deliveries, and the gate not, or the gate refused: ``--target`` hides the rest."""
    FULL = "full"
    """All of it, by the gate; or that it all ends, by the settled resource's delete."""


class Closer:
    """The closes of one perspective in one process; safe to use from threads."""

    def __init__(
        self,
        session: Session,
        tickets: Tickets,
        others: Others = OtherStacks,
        declared_closed: Callable[[DeliveryKey], bool] = lambda _: False,
    ) -> None:
        """Guard the closes of a session.

        Args:
            session: Reads and writes.
            tickets: Of the process.
            others: Reads what the other stack files declare.
            declared_closed: Whether this run's program declares a log closed.
        """
        self.session = session
        self.tickets = tickets
        self._others = others
        self._own_closed = declared_closed
        self._lock = threading.Lock()
        self._scope = DeclarationScope.NONE
        self._stopped: Refusal | None = None
        self._reopened = False
        self.recorded_unseen = False
        """Whether deliveries are recorded that no gate of this run has compared with."""
        self.announced: set[object] = set()
        """What was printed as closing, by what it switches."""
        self.unfinished = Closings()
        """What an earlier run was authorized to close, and is still open."""
        session.watcher = self._watch

    @property
    def scope(self) -> DeclarationScope:
        """How much of what the program declares this process has seen."""
        return self._scope

    def widen_scope(self, scope: DeclarationScope) -> None:
        """Note what the engine has shown; it never takes anything back."""
        with self._lock:
            if self._scope is not DeclarationScope.FULL:
                self._scope = scope

    # --- authorizing ------------------------------------------------------------------------------

    def closings(self, before: Iterable[Delivery], after: Iterable[Delivery]) -> Closings:
        """The logs that an update from one declaration to another closes, as the account is now."""
        return guard.closings(before, after, self.session.look(), self.claimed)

    def claimed(self, log: DeliveryKey) -> str:
        """The name of another stack whose file declares a log open; else empty."""
        claims = self._others().claims_on(*log.switch)
        return claims[0].stack if claims else ""

    def authorize(
        self,
        closing: Sequence[Closing],
        *,
        before: Iterable[Delivery] = (),
        broken: Iterable[Refusal] = (),
        creates_only: bool = False,
        dry: bool = False,
    ) -> tuple[Refusal, ...]:
        """Give a ticket for each of these logs; or give none, and return every broken rule.

        Args:
            closing: What would close.
            before: What is recorded; a percentage is of the logs that are open now under it.
            broken: Broken rules that the caller knows of.
            creates_only: See ``CloseRequest``.
            dry: Whether to return the broken rules alone and to give nothing.
        """
        snapshot, settings = self.session.look(), self.session.settings
        unnamed = [one for one in closing if not settings.names(one.key)]
        unknown = self._others().unknown if unnamed else ()
        request = CloseRequest(
            closing=closing,
            snapshot=snapshot,
            opened=guard.opened_logs(before, snapshot),
            broken=[*broken, *guard.siblings_unknown(unknown, unnamed)],
            creates_only=creates_only,
            dry=dry,
        )
        return self.tickets.request(request, settings)

    def obtain(self, key: DeliveryKey, *, creates: bool = False) -> tuple[DeliveryKey, ...]:
        """Get the tickets for the open logs under a key, right before they are due.

        Those that the gate or the settled resource gave are there already. What an earlier run was
        authorized to close is authorized anew, all of it or nothing; then what a person named for
        this run.

        Args:
            key: What would be closed by one call.
            creates: Whether the call creates a delivery that is declared closed.

        Returns:
            The open logs that have no ticket.

        Raises:
            RefusedError: A rule is broken by what was left over, or by what was named.
        """
        logs = guard.open_logs(key, self.session.look())
        missing = self._missing(logs, creates=creates)
        if any(one.key in missing for one in self.unfinished.logs):
            self._authorize_all(self.unfinished.logs, self.unfinished.conflicts)
            missing = self._missing(logs, creates=creates)
        named = [Closing(key=log, entry=key) for log in missing if self.session.settings.names(log)]
        if named:
            conflicts = [
                Conflict(key=one.key, entry=key, stack=stack)
                for one in named
                if (stack := self.claimed(one.key))
            ]
            self._authorize_all(named, conflicts)
            missing = self._missing(logs, creates=creates)
        return missing

    def _authorize_all(self, closing: Sequence[Closing], conflicts: Iterable[Conflict]) -> None:
        refusals = self.authorize(closing, broken=guard.declared_elsewhere(conflicts))
        if refusals:
            raise RefusedError(*refusals)

    def _missing(self, logs: Sequence[DeliveryKey], *, creates: bool) -> tuple[DeliveryKey, ...]:
        return self.tickets.missing(logs, creates=creates, recorded=self.recorded_unseen)

    def not_authorized(self, key: DeliveryKey, logs: Sequence[DeliveryKey]) -> Refusal:
        """Why logs without a ticket do not close, and what to do."""
        names = ",".join(guard.log_names(logs))
        cause, remedy = _WITHOUT_TICKET[self._scope]
        return Refusal(
            code=Code.NOT_AUTHORIZED,
            message=f"{key} was not closed: {cause}",
            remedy=f"{remedy} Or name the logs for one run: {CLOSE_WORD}={names}.",
            entry=key.entry,
        )

    # --- closing ----------------------------------------------------------------------------------

    def close(self, key: DeliveryKey, *, creates: bool = False) -> str:
        """Close, and wait until the account shows it; returns the RequestId.

        The one place that asks for a CloseDelivery. Empty, and no call, if nothing is open.

        Args:
            key: One log, or all logs of a product.
            creates: Whether this creates a delivery that is declared closed.

        Raises:
            RefusedError: A log that would close has no ticket, or no log would stay open.
            StoppedError: Something closed that nobody asked to close, or no log stayed open.
            ApiError: The cloud did not accept it within the deadline.
            SettleError: The account does not show it within the deadline.
        """
        self._refuse_stopped(key)
        snapshot = self.session.look_within(FRESH_S)
        logs = guard.open_logs(key, snapshot)
        if not logs:
            return ""
        if missing := self.obtain(key, creates=creates):
            raise RefusedError(self.not_authorized(key, missing))
        if last := self.tickets.last_log(snapshot, self.session.settings):
            raise RefusedError(last)
        self.tickets.send(logs)
        request_id = self.session.write(key, State.CLOSED)
        self.tickets.done(logs, request_id)
        try:
            self.session.settle({key: State.CLOSED})
        except SettleError:
            self._refuse_stopped(key)
            raise
        self._reopen_if_last(self.session.look())
        self._refuse_stopped(key)
        return request_id

    def _refuse_stopped(self, key: DeliveryKey) -> None:
        if self._stopped is not None:
            state = "It was closed." if self.tickets.is_closed(key) else "It was not closed."
            raise StoppedError(self._stopped.then(state))

    # --- watching ---------------------------------------------------------------------------------

    def _watch(self, before: Snapshot, after: Snapshot) -> None:
        """Compare two looks, between which this run may have closed something.

        What closes later than the account shows this run's own closes is not noticed.
        """
        if self._stopped is not None or not self.tickets.sent(after.perspective):
            return
        opened = {(log.product, log.log) for log in before.logs if log.state is State.OPEN}
        gone = [
            key
            for log in after.logs
            if log.state is State.CLOSED and (log.product, log.log) in opened
            if not self._is_asked(key := _key_of(after, log))
        ]
        if gone:
            self._stopped = guard.unexpected_close(gone, self.tickets.closed(after.perspective))

    def _is_asked(self, log: DeliveryKey) -> bool:
        """Whether this run has asked to close a log, or some stack file declares it closed."""
        return self.tickets.is_sent(log) or self._own_closed(log) or self._others().closes(log)

    def _reopen_if_last(self, snapshot: Snapshot) -> None:
        """If no log of the account is open any more, open again what this run has closed.

        Two updates at once on two stacks of one account see each other's logs open before they
        close their own; the one that looks last sees that nothing is left.
        """
        with self._lock:
            closed = list(self.tickets.closed(snapshot.perspective))
            named = all(map(self.session.settings.names_last, closed))
            is_open = any(log.state is State.OPEN for log in snapshot.logs)
            if self._reopened or is_open or named:
                return
            self._reopened = True
            self._stopped = guard.stopped_at_last(closed, self._reopen(closed))

    def _reopen(self, closed: Sequence[DeliveryKey]) -> str:
        """Open these again; returns why that failed, or nothing."""
        try:
            for key in closed:
                self.session.write(key, State.OPEN)
            self.session.settle(dict.fromkeys(closed, State.OPEN))
        except CloudSiemError as error:
            return str(error)
        return ""


class _NoTicket(NamedTuple):
    """Why a log has no ticket, and what to do."""

    cause: str
    remedy: str


_WITHOUT_TICKET = {
    DeclarationScope.NONE: _NoTicket(
        "the settled resource of its stack is gone, or --target left it out, so nothing has"
        " compared this run with what was recorded.",
        "Run `pulumi up` first, which makes it again.",
    ),
    DeclarationScope.PARTIAL: _NoTicket(
        "this run did not show the whole program to its gate (--target, or a delivery without a"
        " gate), so it is not known what else declares the log.",
        "Run without --target.",
    ),
    DeclarationScope.FULL: _NoTicket(
        "the gate of this run did not authorize it. The log was opened after the gate read the"
        " account, or the gate has no record of it (it is new, replaced or tainted).",
        "Run `pulumi up --refresh` without --replace.",
    ),
}
"""By what this process has seen."""


def _key_of(snapshot: Snapshot, log: Log) -> DeliveryKey:
    return DeliveryKey(perspective=snapshot.perspective, product=log.product, log=log.log)
