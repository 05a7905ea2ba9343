"""What one provider process knows: settings, sessions, what this run declares.

Called by the providers' verbs. The engine starts one process for a preview and another for the
update, and runs four verbs at a time in each; so everything here is shared between threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path

from cloud_siem.api import Api
from cloud_siem.closing import Closer
from cloud_siem.errors import StackError
from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    KeyIndex,
    Perspective,
    Region,
    State,
    by_name,
)
from cloud_siem.origin import Origin, commit_of
from cloud_siem.other_stacks import OtherStacks, read_other_stacks
from cloud_siem.pacing import Clock
from cloud_siem.project import Project
from cloud_siem.session import Session
from cloud_siem.settings import Settings
from cloud_siem.stack import build_stack
from cloud_siem.tally import Tally
from cloud_siem.tickets import Tickets
from cloud_siem.unrecorded import Unrecorded

_VERBS = {"up": True, "update": True} | dict.fromkeys(("destroy", "down", "dn", "refresh"), False)
"""Of the engine's command line, with its aliases: whether the program runs."""
_TARGETS = ("--target", "-t", "--exclude")


class Process(Unrecorded):
    """One provider process, from its ``configure`` to its end."""

    def __init__(
        self,
        config: Mapping[str, object],
        environ: Mapping[str, str],
        *,
        folder: Path,
        clock: Clock | None = None,
        command: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """Begin with what the engine hands over.

        Args:
            config: The stack's config, by key.
            environ: The environment.
            folder: The project's.
            clock: The outside world of waiting.
            command: Reads the engine's command line; empty where it is not known.
        """
        self._config = config
        self._command = command
        self._environ = environ
        self._folder = folder
        self._clock = clock or Clock()
        self._lock = threading.Lock()
        self._sessions: dict[Perspective, Session] = {}
        self._closers: dict[Perspective, Closer] = {}
        self._declared: dict[tuple[str, Region, str], dict[DeliveryKey, Delivery]] = {}
        """By what a key switches but for the log: so that a delete finds its neighbors at once."""
        self._kept: set[DeliveryKey] = set()
        self._spared: dict[tuple[str, Region, str], set[DeliveryKey]] = {}
        self._compared = KeyIndex()
        """What the gates of this run, as far as they have old inputs, have recorded."""
        self._tickets = Tickets()
        self._stack = ""
        """The stack's name as the program says it; what is recorded may be older than a rename."""
        self._reading = threading.Lock()
        self._read: dict[str, OtherStacks] = {}
        """By the account whose logs are switched."""

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
                others = partial(self._others, perspective, stack)
                closer = Closer(session, self._tickets, others, self._declares_closed)
                self._closers[perspective] = closer
                self._sessions[perspective] = session
            return session

    def closer(self, perspective: Perspective, stack: str) -> Closer:
        """The one closer for a perspective, on its session."""
        self.session(perspective, stack)
        return self._closers[perspective]

    @cached_property
    def is_targeted_update(self) -> bool:
        """Whether the engine's command is known to be an update of a part of the program."""
        words = self._command()[1:]
        verb = next((word for word in words if word in _VERBS), "")
        return _VERBS.get(verb, False) and any(word.startswith(_TARGETS) for word in words)

    def name_stack(self, stack: str) -> None:
        """Note the stack's name as the program says it."""
        self._stack = stack

    def _others(self, perspective: Perspective, stack: str) -> OtherStacks:
        """What the other stack files of the project declare of an account; read once."""
        with self._reading:
            others = self._read.get(perspective.owner)
            if others is None:
                file = Project.find(self._folder).stack_file(self._stack or stack)
                others = read_other_stacks(file, self._environ, [perspective.owner])
                self._read[perspective.owner] = others
            return others

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

    def spare(self, keys: Iterable[DeliveryKey]) -> None:
        """Record what other components of the program declare open; ``--target`` may hide them."""
        with self._lock:
            for key in keys:
                self._spared.setdefault(key.switch[:3], set()).add(key)

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

    def _declares_closed(self, log: DeliveryKey) -> bool:
        with self._lock:
            beside = self._declared.get(log.switch[:3], {})
            return any(one.state is State.CLOSED and one.key.covers(log) for one in beside.values())

    def open_beside(self, key: DeliveryKey) -> tuple[DeliveryKey, ...]:
        """What this run declares open of the key's product, from any perspective."""
        with self._lock:
            beside = self._declared.get(key.switch[:3], {})
            keys = {one.key for one in beside.values() if one.state is State.OPEN}
            return tuple(keys | self._spared.get(key.switch[:3], set()))

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
        of the product. Where the config declares the key itself, all of it is being destroyed;
        unless it is known to be an update.
        """
        declared = self.configured(key.perspective)
        keys = [one.key for one in declared if one.key.switch[:3] == key.switch[:3]]
        if key in keys and not self.is_targeted_update:
            return ()
        return tuple(one.key for one in declared if one.state is State.OPEN and one.key in keys)
