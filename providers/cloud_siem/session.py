"""What one provider process knows: settings, identity, the shared look, what this run declares.

Called by the providers' verbs. The engine starts one process for a preview and another for the
update, and runs four verbs at a time in each; so everything here is shared between threads.

A process asks the cloud as little as it can:

1. before its first call, once per perspective, STS says whose credentials they are; credentials of
   another account get no further (at a refresh they would empty the stack);
2. one ListDelivery answers for all deliveries of a perspective, whoever asks;
3. after writes, ``settle`` looks again until the account shows them; whoever waits at the same
   time shares the look.

A look or a proof that failed for good has failed for the whole process: hundreds of deliveries
must not wait out the same deadline one after the other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeVar

from cloud_siem import guard
from cloud_siem.api import Api
from cloud_siem.codes import Code
from cloud_siem.errors import CloudSiemError, Refusal, RefusedError, SettleError, StackError
from cloud_siem.guard import Closing, Closings, Conflict
from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    KeyIndex,
    Perspective,
    Region,
    Snapshot,
    Standing,
    State,
    Verdict,
    by_name,
    judge,
)
from cloud_siem.origin import Origin, commit_of
from cloud_siem.other_stacks import OtherStacks
from cloud_siem.pacing import Clock, Deadline, backoff
from cloud_siem.settings import CLOSE_WORD, Settings
from cloud_siem.stack import build_stack
from cloud_siem.tally import Tally
from cloud_siem.tickets import CloseRequest, Tickets
from cloud_siem.unrecorded import Unrecorded

T = TypeVar("T")
Others = Callable[[], OtherStacks]
"""Reads what the other stack files declare open; called when something would close."""


class DeclarationScope(Enum):
    """How much of what the program declares the engine has shown to this process."""

    NONE = "none"
    """Nothing: no program runs. A destroy, or the rest of one that failed half-way."""
    PARTIAL = "partial"
    """Some deliveries, and the gate not, or the gate refused: ``--target`` hides the rest."""
    FULL = "full"
    """All of it, by the gate; or that it all ends, by the settled resource's delete."""


class _NoTicket(NamedTuple):
    """Why a log has no ticket, and what to do."""

    cause: str
    remedy: str


class Session:
    """One perspective in one process."""

    def __init__(
        self, api: Api, tickets: Tickets | None = None, others: Others | None = None
    ) -> None:
        self._api = api
        self.tickets = tickets or Tickets()
        self._others = others or OtherStacks
        self._proof = threading.Lock()
        self._proved = False
        self._looking = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._begun = float("-inf")
        """When the last look began."""
        self._failure: CloudSiemError | None = None
        self.written: dict[DeliveryKey, State] = {}
        """What this process wrote."""
        self._scope = DeclarationScope.NONE
        self.recorded_unseen = False
        """Whether deliveries are recorded that no gate of this run has compared with."""
        self.announced: set[object] = set()
        """What was printed as closing, by what it switches."""
        self.unfinished = Closings()
        """What an earlier run was authorized to close, and is still open."""

    @property
    def perspective(self) -> Perspective:
        return self._api.perspective

    @property
    def scope(self) -> DeclarationScope:
        """How much of what the program declares this process has seen."""
        return self._scope

    def widen_scope(self, scope: DeclarationScope) -> None:
        """Note what the engine has shown; it never takes anything back."""
        with self._proof:
            if self._scope is not DeclarationScope.FULL:
                self._scope = scope

    def look(self) -> Snapshot:
        """What the account shows; asked for once."""
        with self._looking:
            return self._snapshot or self._look()

    def look_again(self) -> Snapshot:
        """What the account shows now: a look that began after this was called."""
        asked = self._api.clock.now()
        with self._looking:
            if self._snapshot is not None and self._begun > asked:
                return self._snapshot
            return self._look()

    def prove(self) -> None:
        """Refuse to go on unless the credentials are the account's own.

        :raises RefusedError: they belong to another account.
        :raises ApiError: STS could not say.
        """
        with self._proof:
            if not self._proved:
                self._once(self._check_identity)
                self._proved = True

    def closings(self, before: Iterable[Delivery], after: Iterable[Delivery]) -> Closings:
        """The logs that an update from one declaration to another closes, as the account is now."""
        return guard.closings(before, after, self.look(), self.claimed)

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
        snapshot, settings = self.look(), self._api.settings
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
        logs = guard.open_logs(key, self.look())
        missing = self._missing(logs, creates=creates)
        if any(one.key in missing for one in self.unfinished.logs):
            conflicts = guard.declared_elsewhere(self.unfinished.conflicts)
            self._authorize_all(self.unfinished.logs, conflicts)
            missing = self._missing(logs, creates=creates)
        named = [Closing(key=log, entry=key) for log in missing if self._api.settings.names(log)]
        if named:
            conflicts = guard.declared_elsewhere(
                Conflict(key=one.key, entry=key, stack=stack)
                for one in named
                if (stack := self.claimed(one.key))
            )
            self._authorize_all(named, conflicts)
            missing = self._missing(logs, creates=creates)
        return missing

    def _authorize_all(self, closing: Sequence[Closing], broken: Iterable[Refusal]) -> None:
        refusals = self.authorize(closing, broken=broken)
        if refusals:
            raise RefusedError(*refusals)

    def _missing(self, logs: Sequence[DeliveryKey], *, creates: bool) -> tuple[DeliveryKey, ...]:
        return self.tickets.missing(logs, creates=creates, recorded=self.recorded_unseen)

    def switch(self, key: DeliveryKey, state: State, *, creates: bool = False) -> str:
        """Open or close; returns the RequestId. Whether it shows is for ``settle``.

        The one place that sends OpenDelivery and CloseDelivery.

        Args:
            key: Which delivery.
            state: Open or closed.
            creates: Whether this creates a delivery that is declared closed.

        Raises:
            RefusedError: A log that would close has no ticket.
        """
        logs = self._checked(key, creates=creates) if state is State.CLOSED else ()
        self.prove()
        request_id = self._api.switch(key, state)
        self.tickets.used(logs, request_id)
        self.written[key] = state
        return request_id

    def _checked(self, key: DeliveryKey, *, creates: bool) -> tuple[DeliveryKey, ...]:
        """The logs that closing a key closes, each of which has a ticket."""
        missing = self.obtain(key, creates=creates)
        if missing:
            raise RefusedError(self.not_authorized(key, missing))
        return guard.open_logs(key, self.look())

    def not_authorized(self, key: DeliveryKey, logs: Sequence[DeliveryKey]) -> Refusal:
        """Why logs without a ticket do not close, and what to do."""
        names = ",".join(guard.log_names(logs))
        return Refusal(
            code=Code.NOT_AUTHORIZED,
            message=f"{key} was not closed: {_WITHOUT_TICKET[self._scope].cause}",
            remedy=f"{_WITHOUT_TICKET[self._scope].remedy} Or name the logs for one run:"
            f" {CLOSE_WORD}={names}.",
            entry=key.entry,
        )

    def settle(self, declared: Mapping[DeliveryKey, State]) -> None:
        """Look until the account shows what is declared.

        Only what this process wrote is waited for; anything else that is not as declared was
        changed by somebody else, and waiting does not mend it.

        :raises SettleError: some are not as declared, with their names.
        """
        deadline = Deadline.of(self._api.settings.deadline, self._api.clock)
        attempt = 1
        while odd := _odd(declared, self.look_again()):
            pause = backoff(attempt, self._api.clock)
            awaited = any(self.written.get(verdict.key) is verdict.declared for verdict in odd)
            if not awaited or pause >= deadline.left:
                raise self._not_settled(odd, deadline)
            self._api.clock.sleep(pause)
            attempt += 1

    def _look(self) -> Snapshot:
        self.prove()
        self._begun = self._api.clock.now()
        self._snapshot = self._once(self._api.look)
        return self._snapshot

    def _once(self, ask: Callable[[], T]) -> T:
        """Ask, unless asking has failed before."""
        if self._failure is not None:
            raise self._failure
        try:
            return ask()
        except CloudSiemError as error:
            self._failure = error
            raise

    def _check_identity(self) -> None:
        perspective = self._api.perspective
        identity = self._api.identity()
        if identity.account != perspective.account:
            raise RefusedError.of(
                Code.OTHER_ACCOUNT,
                f"the credentials belong to account {identity.account} ({identity.arn}, from"
                f" {self._api.credential_source}), and the stack declares account"
                f" {perspective.account}: nothing was called or changed. Use credentials of"
                f" {perspective.account}, a role in it (CLOUD_SIEM_ROLE_ARN), or another stack.",
            )

    def _not_settled(self, odd: list[Verdict], deadline: Deadline) -> SettleError:
        mine = [v for v in odd if self.written.get(v.key) is v.declared]
        other = [v for v in odd if v not in mine]
        lines = []
        if mine:
            lines.append(
                f"written, and not shown by the account within {deadline.seconds:g} s:"
                f" {_sentences(mine)}. `pulumi up --refresh` looks, and writes what is left."
            )
        if other:
            lines.append(
                f"not as declared, and not by this update: {_sentences(other)}. Somebody changed"
                " it by hand; `pulumi up --refresh` sets it back."
            )
        return SettleError(f"{self._api.perspective}: {' Also '.join(lines)}")


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


def _odd(declared: Mapping[DeliveryKey, State], snapshot: Snapshot) -> list[Verdict]:
    verdicts = (judge(key, declared[key], snapshot) for key in sorted(declared, key=by_name))
    return [verdict for verdict in verdicts if verdict.standing is not Standing.AS_DECLARED]


def _sentences(verdicts: list[Verdict]) -> str:
    return "; ".join(verdict.sentence for verdict in verdicts)


class Process(Unrecorded):
    """One provider process, from its ``configure`` to its end."""

    def __init__(
        self,
        config: Mapping[str, object],
        environ: Mapping[str, str],
        *,
        folder: Path,
        clock: Clock | None = None,
    ) -> None:
        self._config = config
        self._environ = environ
        self._folder = folder
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._sessions: dict[Perspective, Session] = {}
        self._declared: dict[tuple[str, Region, str], dict[DeliveryKey, Delivery]] = {}
        """By what a key switches but for the log: so that a delete finds its neighbors at once."""
        self._kept: set[DeliveryKey] = set()
        self._compared = KeyIndex()
        """What the gates of this run, as far as they have old inputs, have recorded."""
        self._tickets = Tickets()

    @cached_property
    def settings(self) -> Settings:
        """Of this run: the stack's config as the engine handed it over, then the environment.

        :raises StackError: some setting is not usable.
        """
        return Settings.read(self._config, self._environ)

    def session(self, perspective: Perspective, stack: str) -> Session:
        """The one session for a perspective; ``stack`` is for the audit trail."""
        settings = self.settings
        with self._lock:
            session = self._sessions.get(perspective)
            if session is None:
                origin = Origin(stack=stack, commit=commit_of(self._folder))
                session = Session(
                    Api(
                        settings=settings,
                        perspective=perspective,
                        origin=origin,
                        clock=self._clock,
                        tally=Tally.of(self._environ),
                    ),
                    self._tickets,
                    lambda: self._others(perspective, stack),
                )
                self._sessions[perspective] = session
            return session

    def _others(self, perspective: Perspective, stack: str) -> OtherStacks:
        return OtherStacks()

    def declare(self, delivery: Delivery) -> Delivery | None:
        """Record what this run declares; returns what it contradicts, and does not record it then.

        Two deliveries contradict each other when they have a log in common and want it in
        different states: the account could never be as both declare it.
        """
        with self._lock:
            beside = self._declared.setdefault(delivery.key.switch[:3], {})
            for other in beside.values():
                if other.state is not delivery.state and other.key.overlaps(delivery.key):
                    return other
            beside[delivery.key] = delivery
            return None

    def keep(self, keys: Iterable[DeliveryKey]) -> None:
        """Record removed entries that the gate has recorded with ``onRemove: keep``."""
        with self._lock:
            self._kept |= set(keys)

    def keeps(self, key: DeliveryKey) -> bool:
        """Whether removing the entry leaves its logs as they are."""
        with self._lock:
            return key in self._kept

    def compare(self, recorded: Iterable[Delivery]) -> None:
        """Note what a gate of this run has recorded."""
        with self._lock:
            for delivery in recorded:
                self._compared.add(delivery.key)

    def compared(self, key: DeliveryKey) -> bool:
        """Whether a gate of this run has recorded this delivery."""
        with self._lock:
            return self._compared.covers(key)

    def declared(self, perspective: Perspective) -> tuple[Delivery, ...]:
        """What this run declares from a perspective, as far as the engine has told, in order."""
        with self._lock:
            found = [
                one
                for neighbors in self._declared.values()
                for one in neighbors.values()
                if one.key.perspective == perspective
            ]
        return tuple(sorted(found, key=lambda one: by_name(one.key)))

    def open_beside(self, key: DeliveryKey) -> tuple[DeliveryKey, ...]:
        """What this run declares open of the key's product, from any perspective."""
        with self._lock:
            beside = self._declared.get(key.switch[:3], {})
            return tuple(one.key for one in beside.values() if one.state is State.OPEN)

    def configured(self, perspective: Perspective) -> tuple[Delivery, ...]:
        """What the config declares from a perspective; nothing where it declares nothing usable.

        A refresh or destroy is handed the config of the last update, whether or not that came to
        its end.
        """
        try:
            stack = build_stack(self._config, name="any")
        except StackError:  # the program has its deliveries from somewhere else
            return ()
        return stack.deliveries if stack.perspective == perspective else ()

    def configured_beside(self, key: DeliveryKey) -> tuple[DeliveryKey, ...]:
        """What the config declares open of the key's product, for a delete that saw no gate.

        With ``--target`` that may be a retry, while the program declares single logs in the place
        of the product. Where the config declares the key itself, all of it is being destroyed.
        """
        declared = self.configured(key.perspective)
        keys = [one.key for one in declared if one.key.switch[:3] == key.switch[:3]]
        if key in keys:
            return ()
        return tuple(one.key for one in declared if one.state is State.OPEN and one.key in keys)
