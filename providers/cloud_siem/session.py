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
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from cloud_siem import guard
from cloud_siem.api import Api
from cloud_siem.errors import CloudSiemError, RefusedError, SettleError, StackError
from cloud_siem.guard import Closing
from cloud_siem.model import (
    Delivery,
    DeliveryKey,
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
from cloud_siem.pacing import Clock, Deadline, backoff
from cloud_siem.settings import Settings
from cloud_siem.stack import build_stack
from cloud_siem.tally import Tally
from cloud_siem.unrecorded import Unrecorded

T = TypeVar("T")


class Sight(Enum):
    """How much of what the program declares the engine has told this process."""

    NONE = "none"
    """Nothing: no program runs. A destroy, or the rest of one that failed half-way."""
    PART = "part"
    """Some deliveries, and the gate not, or the gate refused: ``--target`` hides the rest."""
    WHOLE = "whole"
    """All of it, by the gate; or that it all ends, by the settled bookend's delete."""


class Session:
    """One perspective in one process."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._proof = threading.Lock()
        self._proved = False
        self._looking = threading.Lock()
        self._snapshot: Snapshot | None = None
        self._begun = float("-inf")
        """When the last look began."""
        self._failure: CloudSiemError | None = None
        self.written: dict[DeliveryKey, State] = {}
        """What this process wrote."""
        self._sight = Sight.NONE
        self._fuse = threading.Lock()
        self._admitted: dict[DeliveryKey, Closing] = {}
        self._opened = 0
        """How many deliveries the stack had declared open, as far as a bookend has told."""

    @property
    def perspective(self) -> Perspective:
        return self._api.perspective

    @property
    def sight(self) -> Sight:
        """Whether a delete can know that nothing else declares what it would close."""
        return self._sight

    def sees(self, sight: Sight) -> None:
        """Note what the engine has told; it never takes anything back."""
        with self._proof:
            if self._sight is not Sight.WHOLE:
                self._sight = sight

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

    def admit(self, closing: Sequence[Closing], *, opened: int = 0) -> None:
        """Let all of these closes happen in this run, or none.

        The one door to every close: the bookends ask for all that they know of before anything
        runs, and each write asks for itself, so that what no bookend was asked of is counted, too.

        Args:
            closing: What would be closed; what was let in before does not count twice.
            opened: How many deliveries the stack had declared open, from who knows it.

        Raises:
            RefusedError: The run would close more than the limit, or the account's last open log.
        """
        snapshot = self.look()
        with self._fuse:
            self._opened = max(self._opened, opened)
            new = [one for one in closing if one.key not in self._admitted]
            if not new:
                return
            together = [*self._admitted.values(), *new]
            refusal = guard.refusal(
                together,
                opened=self._opened,
                left_open=guard.left_open(together, snapshot),
                settings=self._api.settings,
            )
            if refusal:
                raise RefusedError(f"{refusal} {guard.way_out(len(together))}")
            self._admitted |= {one.key: one for one in new}

    def switch(self, key: DeliveryKey, state: State) -> str:
        """Open or close; returns the RequestId. Whether it shows is for ``settle``.

        :raises RefusedError: closing it would be over the limit.
        """
        if state is State.CLOSED:
            self._fused(key)
        self.prove()
        request_id = self._api.switch(key, state)
        self.written[key] = state
        return request_id

    def _fused(self, key: DeliveryKey) -> None:
        self.look()
        try:
            self.admit([Closing(key=key)])
        except RefusedError as error:
            raise RefusedError(f"{key} was not closed: {error}") from None

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
            raise RefusedError(
                f"the credentials belong to account {identity.account} ({identity.arn}, from"
                f" {self._api.credential_source}), and the stack declares account"
                f" {perspective.account}: nothing was called or changed. Use credentials of"
                f" {perspective.account}, a role in it (CLOUD_SIEM_ROLE_ARN), or another stack."
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
                    )
                )
                self._sessions[perspective] = session
            return session

    def declare(self, delivery: Delivery) -> None:
        """Record what this run declares."""
        with self._lock:
            self._declared.setdefault(delivery.key.switch[:3], {})[delivery.key] = delivery

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

    def declared_beside(self, key: DeliveryKey) -> tuple[DeliveryKey, ...]:
        """What this run declares of the key's product, from any perspective."""
        with self._lock:
            return tuple(self._declared.get(key.switch[:3], ()))

    def configured_beside(self, key: DeliveryKey) -> tuple[DeliveryKey, ...]:
        """What the config declares of the key's product, for a delete that was not told the whole.

        With ``--target`` that may be a retry, while the program declares single logs in the place
        of the product. Where the config declares the key itself, all of it is being destroyed.
        """
        try:
            declared = build_stack(self._config, name="any").deliveries
        except StackError:  # the program has its deliveries from somewhere else
            return ()
        keys = tuple(one.key for one in declared if one.key.switch[:3] == key.switch[:3])
        return () if key in keys else keys
