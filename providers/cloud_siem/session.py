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
from collections.abc import Callable, Mapping
from typing import TypeVar

from cloud_siem.api import Api
from cloud_siem.codes import Code
from cloud_siem.errors import CloudSiemError, RefusedError, SettleError
from cloud_siem.model import (
    DeliveryKey,
    Perspective,
    Snapshot,
    Standing,
    State,
    Verdict,
    by_name,
    judge,
)
from cloud_siem.pacing import Deadline, backoff
from cloud_siem.settings import Settings

T = TypeVar("T")
GATHER_S = 0.1
"""Seconds that a look waits for writes in flight: about one round trip to a far region."""


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
        self.watcher: Callable[[Snapshot, Snapshot], None] | None = None
        """Compares each look with the one before; called while nobody else looks."""
        self._writing = threading.Condition()
        self._writes = 0
        """How many writes are in flight."""

    @property
    def perspective(self) -> Perspective:
        return self._api.perspective

    @property
    def settings(self) -> Settings:
        return self._api.settings

    def look(self) -> Snapshot:
        """What the account shows; asked for once."""
        with self._looking:
            return self._snapshot or self._look()

    def look_again(self) -> Snapshot:
        """What the account shows now: a look that began after this was called.

        It waits a moment for the writes that are in flight, so that one look serves all of them.
        """
        asked = self._api.clock.now()
        with self._writing:
            self._writing.wait_for(lambda: not self._writes, timeout=GATHER_S)
        with self._looking:
            if self._snapshot is not None and self._begun > asked:
                return self._snapshot
            return self._look()

    def look_within(self, seconds: float) -> Snapshot:
        """What the account shows; the last look if that began no longer ago than this."""
        with self._looking:
            if self._snapshot is not None and self._api.clock.now() - self._begun <= seconds:
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

    def write(self, key: DeliveryKey, state: State) -> str:
        """Open or close; returns the RequestId. Whether it shows is for ``settle``.

        Only ``closing`` may ask for a close.

        :raises ApiError: the cloud did not accept it within the deadline.
        """
        self.prove()
        with self._writing:
            self._writes += 1
        try:
            request_id = self._api.switch(key, state)
        finally:
            with self._writing:
                self._writes -= 1
                self._writing.notify_all()
        self.written[key] = state
        return request_id

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
        before, self._snapshot = self._snapshot, self._once(self._api.look)
        if before is not None and self.watcher is not None:
            self.watcher(before, self._snapshot)
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


def _odd(declared: Mapping[DeliveryKey, State], snapshot: Snapshot) -> list[Verdict]:
    verdicts = (judge(key, declared[key], snapshot) for key in sorted(declared, key=by_name))
    return [verdict for verdict in verdicts if verdict.standing is not Standing.AS_DECLARED]


def _sentences(verdicts: list[Verdict]) -> str:
    return "; ".join(verdict.sentence for verdict in verdicts)
