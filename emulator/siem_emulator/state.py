"""What is open, connected, operable and permitted right now: a world, and what became of it.

`operations.py` and `control.py` read and write it, tests too, from any thread. A write is an event:
it is applied here, and given to the journal if there is one. Reading in the past serves the
read-after-write lag.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from . import events
from .catalog import EVERY_LOG, Place, Product
from .ram import Policy
from .world import Account, Key, Region, Role, View, World

HISTORY = 100_000
"""Writes of one panel that a lagging read can look behind; more in one lag are seen early."""


class Panel(NamedTuple):
    """One set of switches: an account's in one region, or its enterprise's."""

    account: str
    region: Region
    view: View = View.ACCOUNT


class Switches:
    """The switches of one panel, with their recent past."""

    def __init__(self, at_start: Mapping[Place, bool]) -> None:
        self.now: dict[Place, bool] = dict(at_start)
        self._past: deque[tuple[float, Place, bool]] = deque(maxlen=HISTORY)

    def set(self, place: Place, *, opened: bool, when: float) -> bool:
        """Switch one; whether that changed anything."""
        before = self.now[place]
        if before is opened:
            return False
        self._past.append((when, place, before))
        self.now[place] = opened

        return True

    def at(self, when: float) -> Mapping[Place, bool]:
        """The switches as they were at that time."""
        undone: dict[Place, bool] = {}
        for written, place, before in reversed(self._past):
            if written <= when:
                break
            undone[place] = before

        return {**self.now, **undone} if undone else self.now


class State:
    """All accounts of a world, and all changes since its start."""

    def __init__(
        self,
        world: World,
        *,
        clock: Callable[[], float] = time.monotonic,
        keep: Callable[[events.Event], None] = lambda _event: None,
    ) -> None:
        self.world = world
        self.lock = threading.RLock()
        self._clock = clock
        self._keep = keep
        self._start()

    def _start(self) -> None:
        self._panels: dict[Panel, Switches] = {}
        self._operable: dict[tuple[str, Place], bool] = {}
        self._connected: dict[tuple[str, str], bool] = {}
        self._made_keys: dict[str, Key] = {}
        self._granted: dict[tuple[str, str], Policy] = {}
        self.sessions_ended = 0.0
        self.changes = 0

    # --- reading ---------------------------------------------------------------------------------

    def account(self, account: str) -> Account | None:
        return self.world.accounts.get(account)

    def key(self, key_id: str) -> Key | None:
        return self._made_keys.get(key_id) or self.world.keys.get(key_id)

    def keys_of(self, account: str) -> tuple[Key, ...]:
        """All keys of an account, those made later last."""
        known = {key.id: key for key in self.world.accounts[account].keys}
        made = {key.id: key for key in self._made_keys.values() if key.account == account}

        return tuple({**known, **made}.values())

    def role(self, account: str, name: str) -> Role | None:
        found = self.account(account)
        for role in found.roles if found else ():
            if role.name == name:
                policy = self._granted.get((account, name), role.policy)
                return dataclasses.replace(role, policy=policy)

        return None

    def products(self, account: str) -> Iterator[Product]:
        """The products that are connected to an account."""
        for code, product in self.world.catalog.products.items():
            if self.is_connected(account, code):
                yield product

    def is_connected(self, account: str, product: str) -> bool:
        at_start = (
            product in self.world.catalog.products
            and product not in self.world.accounts[account].not_connected
        )

        return self._connected.get((account, product), at_start)

    def is_operable(self, account: str, place: Place) -> bool:
        fixed = self.world.accounts[account].inoperable
        at_start = not fixed or (place not in fixed and (place[0], EVERY_LOG) not in fixed)

        return self._operable.get((account, place), at_start)

    def is_open(self, panel: Panel, place: Place) -> bool:
        with self.lock:
            return self._switches(panel).now[place]

    def seen(self, panel: Panel, *, age_s: float = 0) -> Mapping[Place, bool]:
        """All switches of a panel, as they were so many seconds ago."""
        with self.lock:
            switches = self._switches(panel)

            return dict(switches.at(self._clock() - age_s) if age_s > 0 else switches.now)

    def open_places(self, panel: Panel) -> frozenset[Place]:
        return frozenset(place for place, is_open in self.seen(panel).items() if is_open)

    # --- writing ---------------------------------------------------------------------------------

    def switch(
        self, panel: Panel, places: Iterable[Place], *, opened: bool, by_service: bool = False
    ) -> tuple[Place, ...]:
        """Open or close some logs; returns those that were not so before."""
        with self.lock:
            switches = self._switches(panel)
            odd = tuple(place for place in places if switches.now[place] is not opened)
            if odd:
                self.do(
                    events.Switched(
                        account=panel.account,
                        region=panel.region,
                        view=panel.view,
                        places=odd,
                        opened=opened,
                        by_service=by_service,
                    )
                )

            return odd

    def set_policy(self, key: Key, policy: Policy) -> None:
        self.make_key(dataclasses.replace(key, policy=policy))

    def make_key(self, key: Key) -> None:
        self.do(
            events.KeyMade(
                id=key.id,
                secret=key.secret,
                account=key.account,
                user=key.user,
                policy=key.policy.to_document(),
            )
        )

    def do(self, event: events.Event) -> None:
        """Let this happen, and keep it."""
        with self.lock:
            self._apply(event)
            self.changes += 1
            self._keep(event)

    def replay(self, past: Iterable[events.Event]) -> int:
        """Let all this happen again; how many events mean nothing in this world."""
        dropped = 0
        with self.lock:
            for event in past:
                if self._means_something(event):
                    self._apply(event)
                else:
                    dropped += 1

        return dropped

    def so_far(self) -> Iterator[events.Event]:
        """The shortest story that leads from the world's start to now."""
        with self.lock:
            yield from self._switched_since_start()
            for (account, place), operable in self._operable.items():
                yield events.OperableSet(account=account, place=place, operable=operable)
            for (account, product), connected in self._connected.items():
                yield events.Connected(account=account, product=product, connected=connected)
            for key in self._made_keys.values():
                yield events.KeyMade(
                    id=key.id,
                    secret=key.secret,
                    account=key.account,
                    user=key.user,
                    policy=key.policy.to_document(),
                )
            for (account, role), policy in self._granted.items():
                yield events.RoleGranted(account=account, role=role, policy=policy.to_document())
            if self.sessions_ended:
                yield events.SessionsEnded(before=self.sessions_ended)

    # --- inside ----------------------------------------------------------------------------------

    def _switches(self, panel: Panel) -> Switches:
        if panel not in self._panels:
            self._panels[panel] = Switches(self._at_start(panel))

        return self._panels[panel]

    def _at_start(self, panel: Panel) -> Mapping[Place, bool]:
        openings = self.world.accounts[panel.account].openings(panel.region, panel.view)
        places = self.world.catalog.places
        if not openings:
            return dict.fromkeys(places, False)

        return {place: any(each.covers(place) for each in openings) for place in places}

    def _switched_since_start(self) -> Iterator[events.Switched]:
        for panel, switches in self._panels.items():
            at_start = self._at_start(panel)
            for opened in (True, False):
                odd = tuple(
                    place
                    for place, is_open in switches.now.items()
                    if is_open is opened and at_start[place] is not opened
                )
                if odd:
                    yield events.Switched(
                        account=panel.account,
                        region=panel.region,
                        view=panel.view,
                        places=odd,
                        opened=opened,
                    )

    def _means_something(self, event: events.Event) -> bool:
        """Whether its account and logs still exist: a newer catalog may have dropped some."""
        match event:
            case events.Switched(account=account, places=places):
                return account in self.world.accounts and self.world.catalog.known >= set(places)
            case events.OperableSet(account=account) | events.Connected(account=account):
                return account in self.world.accounts
            case events.KeyMade(account=account) | events.RoleGranted(account=account):
                return account in self.world.accounts
            case _:
                return True

    def _apply(self, event: events.Event) -> None:
        match event:
            case events.Switched():
                self._apply_switched(event)
            case events.OperableSet(account=account, place=place, operable=operable):
                self._operable[account, place] = operable
            case events.Connected(account=account, product=product, connected=connected):
                self._connected[account, product] = connected
            case events.KeyMade():
                self._made_keys[event.id] = _key(event)
            case events.RoleGranted(account=account, role=role, policy=document):
                self._granted[account, role] = Policy.from_document(document)
            case events.SessionsEnded(before=before):
                self.sessions_ended = before
            case events.Reset():
                self._start()

    def _apply_switched(self, event: events.Switched) -> None:
        panel = Panel(event.account, Region(event.region), View(event.view))
        switches, when = self._switches(panel), self._clock()
        for place in event.places:
            switches.set(place, opened=event.opened, when=when)


def _key(event: events.KeyMade) -> Key:
    return Key(
        id=event.id,
        secret=event.secret,
        account=event.account,
        user=event.user,
        policy=Policy.from_document(event.policy),
    )
