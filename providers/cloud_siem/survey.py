"""Many stacks, one look each: bounded concurrency, shared credentials, and nobody hides anybody.

Called by the commands that review accounts without the engine. Read only: nothing here can switch.

1. Stacks whose calls are made with the same credential share it: its client, its request rate, and
   the one question whose it is.
2. A few threads take the stacks one by one; each asks for one ListDelivery.
3. Whatever fails is the outcome of that stack alone.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from traceback import extract_tb
from typing import TypeVar

from cloud_siem.api import Api, Credential
from cloud_siem.drift import Comparison, compare
from cloud_siem.errors import ApiError, CloudSiemError
from cloud_siem.model import DeliveryKey, Snapshot
from cloud_siem.origin import Origin
from cloud_siem.pacing import Clock
from cloud_siem.recorded import Recorded
from cloud_siem.report.contents import Outcome
from cloud_siem.session import Session
from cloud_siem.stack import Stack
from cloud_siem.wording import counted

T = TypeVar("T")
R = TypeVar("R")

Recording = Callable[[Stack], Recorded | None]
"""Reads what the last ``pulumi up`` recorded of a stack; None where that need not be read."""


class Survey:
    """Looks at stacks; safe to use from threads.

    Args:
        stacks: All that will be looked at.
        neighbors: Stacks that will not be looked at: what they declare is not unmanaged.
        commit: The commit that is checked out, for the cloud's audit trail.
        recording: For the third side; None when it is not asked for.
        clock: The outside world of waiting.
    """

    def __init__(
        self,
        stacks: Sequence[Stack],
        *,
        neighbors: Iterable[Stack] = (),
        commit: str = "",
        recording: Recording | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._commit = commit
        self._recording = recording
        self._clock = clock or Clock()
        self._declared = _by_owner((*stacks, *neighbors))
        self._credentials = self._shared(stacks)

    def outcome(self, stack: Stack) -> Outcome:
        """What is to be said of one stack; never raises."""
        outcome = Outcome(stack=stack.name, file=stack.file, perspective=stack.perspective)
        errors: list[str] = []
        api = self._api(stack)
        snapshot = _or_error(lambda: _look(api, stack), errors)
        recorded = _or_error(lambda: self._recorded(stack), errors)
        comparison: Comparison | None = None
        if snapshot:  # also where the record could not be read: what went dark is told all the same
            elsewhere = self._declared[_owner(stack)]
            comparison = _or_error(
                lambda: compare(stack, snapshot, recorded=recorded, elsewhere=elsewhere), errors
            )
        return replace(
            outcome,
            comparison=comparison,
            recorded=recorded,
            errors=tuple(errors),
            calls=api.calls,
        )

    def look(self, stack: Stack) -> Snapshot:
        """What the account of a stack shows.

        :raises CloudSiemError: it cannot be read.
        """
        return _look(self._api(stack), stack)

    def session(self, stack: Stack) -> Mapping[str, str]:
        """The session of the stack's role, as an environment for a process that runs for it.

        :raises CloudSiemError: the role could not be assumed.
        """
        return self._api(stack).session()

    def _api(self, stack: Stack) -> Api:
        credential = self._credentials[credential_key(stack)]
        return Api(
            settings=stack.settings,
            perspective=stack.perspective,
            origin=credential.origin,
            clock=self._clock,
            credential=credential,
        )

    def _recorded(self, stack: Stack) -> Recorded | None:
        return self._recording(stack) if self._recording else None

    def _shared(self, stacks: Sequence[Stack]) -> Mapping[object, Credential]:
        """A credential for all stacks that use the same one, at the pace of the slowest."""
        users: dict[object, list[Stack]] = {}
        for stack in stacks:
            users.setdefault(credential_key(stack), []).append(stack)
        return {key: self._credential(group) for key, group in users.items()}

    def _credential(self, users: Sequence[Stack]) -> Credential:
        first, alone = users[0], len(users) == 1
        rate = min(one.settings.request_rate for one in users)
        return Credential(
            settings=replace(first.settings, request_rate=rate),
            perspective=first.perspective,
            origin=Origin(stack=first.name if alone else "", commit=self._commit),
            clock=self._clock,
            users="" if alone else f"the {counted(len(users), 'stack')} with these credentials",
        )


def each(items: Sequence[T], act: Callable[[T], R], *, concurrency: int) -> Iterator[R]:
    """What ``act`` makes of each item, as it is done, in a few threads.

    The threads are left to themselves when the caller stops listening: at Ctrl-C nobody waits for
    what is under way. ``act`` must not raise.
    """
    todo: queue.SimpleQueue[T] = queue.SimpleQueue()
    done: queue.SimpleQueue[R] = queue.SimpleQueue()
    for item in items:
        todo.put(item)
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            try:
                item = todo.get_nowait()
            except queue.Empty:
                return
            done.put(act(item))

    for _ in range(min(concurrency, len(items))):
        threading.Thread(target=work, daemon=True).start()
    try:
        for _ in items:
            yield done.get()
    finally:
        stopped.set()


def _look(api: Api, stack: Stack) -> Snapshot:
    snapshot = Session(api).look()
    if not snapshot.logs and stack.deliveries:
        raise ApiError(
            f"ListDelivery for {snapshot.perspective} lists no products at all, though this"
            " stack has deliveries there. Nothing was taken as missing. Check the account, the"
            " region and whether Cloud SIEM is still activated."
            f" [RequestId {snapshot.request_id}]",
            action="ListDelivery",
            request_id=snapshot.request_id,
        )
    return snapshot


def _or_error(act: Callable[[], T], errors: list[str]) -> T | None:
    """What ``act`` makes; None where it fails, with the reason noted."""
    try:
        return act()
    except CloudSiemError as error:
        errors.append(str(error))
    except Exception as error:  # noqa: BLE001 - one stack's failure, ours included, hides no other
        frame = extract_tb(error.__traceback__)[-1]
        errors.append(
            f"unexpected {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}:"
            f" {error}. This is a fault of pulumi-cloud-siem; please report it."
        )
    return None


def _owner(stack: Stack) -> tuple[str, str]:
    return (stack.perspective.owner, stack.perspective.region.value)


def _by_owner(stacks: Iterable[Stack]) -> Mapping[tuple[str, str], Sequence[DeliveryKey]]:
    """What all stacks declare, by the account and center whose switches these are."""
    found: dict[tuple[str, str], list[DeliveryKey]] = {}
    for stack in stacks:
        found.setdefault(_owner(stack), []).extend(one.key for one in stack.deliveries)
    return found


def credential_key(stack: Stack) -> object:
    """What tells credentials apart: where they come from, and where they are used."""
    settings, seen = stack.settings, stack.perspective
    return (
        settings.profile,
        settings.role_for(seen.account),
        settings.role_session_name,
        settings.role_duration,
        settings.role_external_id,
        settings.sts_endpoint(seen.region),
        settings.api_endpoint(seen.region),
    )
