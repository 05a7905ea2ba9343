"""kill -9 of whatever takes part in an update, at any moment; the next update goes on from there.

A round changes the stack file, begins ``pulumi up`` and kills one of the four: the provider's
process, the program's, the engine, or the emulator. Then a person does what a person would do:
``pulumi cancel`` where the lock is left, ``pulumi up`` once more, and ``pulumi refresh`` where the
engine still warns of creates that it saw begin and not end (docs/safety.md).
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import cast

from benchmarks.project import WITHOUT_CHECKPOINTS

from campaigns.campaign import Campaign, Outcome, Plan, told
from campaigns.chance import chance
from campaigns.standalone import Standalone
from siem_emulator import EmulatorServer
from siem_emulator.calls import Received
from siem_emulator.catalog import Place
from tests.engine.engine import STACK, Engine

LATENCY_MS = 150
"""Of each call, so that an update has moments to be killed at."""
LOOK_S = 0.01
PATIENCE_S = 120
ENGINE, PROVIDER, PROGRAM, EMULATOR = "engine", "provider", "program", "emulator"
_COMMANDS = {PROVIDER: b"pulumi.dynamic", PROGRAM: b"pulumi-language-python-exec"}
_WRITES = ("OpenDelivery", "CloseDelivery")

Declared = Mapping[Place, str]
"""The words of the stack file, by log."""


@dataclass(kw_only=True)
class _Project:
    """One stack through all rounds, and its emulator."""

    siem: Standalone
    engine: Engine
    places: list[Place]
    declared: Declared = field(default_factory=dict)
    count: Counter[str]

    def declare(self, declared: Declared) -> None:
        entries: dict[str, dict[str, str]] = {}
        for (product, log), state in declared.items():
            entries.setdefault(product, {})[log] = state
        self.engine.declare(entries)

    def begin(self, random: Random) -> None:
        """As often as not, with something declared and applied already."""
        if random.random() < 1 / 2:
            self.declared = _edited(random, self.places, {})
            self.declare(self.declared)
            up = self.engine.up()
            _hold(up.code == 0, up.text)
        self._slow()

    def round(self, random: Random) -> None:
        """One update that is killed, and the one after."""
        before, wanted = self.declared, _edited(random, self.places, self.declared)
        opened = self.siem.open_logs()
        expected = _expected(opened, before, wanted)
        environment = WITHOUT_CHECKPOINTS if random.random() < 1 / 2 else {}
        self.declare(wanted)
        seen = self._killed(random, environment, writes=len(opened ^ expected))
        seen += self._again(environment)
        self.declared = wanted

        _hold(self.siem.open_logs() == expected, "another end state")
        _assert_asked_for(seen, before, wanted)
        still = self.engine.up(**environment)
        _hold(still.code == 0, still.text)
        _hold(not still.calls, "the update after it has something to do")

    def _killed(
        self, random: Random, environment: Mapping[str, str], *, writes: int
    ) -> list[Received]:
        """What was called in an update that was killed, as far as the emulator lived to tell."""
        victim = random.choice([ENGINE, PROVIDER, PROGRAM, EMULATOR])
        since = self._last_call()
        with subprocess.Popen(
            ["pulumi", "up", "--yes", "--skip-preview", "--stack", STACK, "--non-interactive"],
            cwd=self.engine.folder,
            env=self.engine.environment | dict(environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as update:
            self._wait_for_its_moment(random, update, since, writes)
            seen = self.siem.all(since=since)
            died = self._kill(victim, update)
            if died and victim == EMULATOR:
                self.siem.start()
                self._slow()
                since = 0  # it has begun a new log
            else:
                seen = []
            try:
                update.wait(PATIENCE_S)
            except subprocess.TimeoutExpired:
                update.kill()
                raise
        _wait_for(lambda: not self._processes(PROVIDER))
        with_them = " without checkpoints" if environment else ""
        self.count[f"{victim} killed{with_them}" if died else "over before it was killed"] += 1

        return [*seen, *self.siem.all(since=since)]

    def _wait_for_its_moment(
        self, random: Random, update: subprocess.Popen[bytes], since: int, writes: int
    ) -> None:
        """Some time into the update; or a little after one of its writes began."""
        if not writes or random.random() < 1 / 4:
            _wait(random.uniform(0, 4), lambda: update.poll() is not None)
            return
        number = random.randint(1, writes)

        def written() -> bool:
            calls = self.siem.all(since=since)
            return update.poll() is not None or sum(c.action in _WRITES for c in calls) >= number

        _wait(PATIENCE_S, written)
        time.sleep(random.uniform(0, 2 * LATENCY_MS / 1000))

    def _kill(self, victim: str, update: subprocess.Popen[bytes]) -> bool:
        """Whether there was something to kill."""
        if update.poll() is not None:
            return False
        if victim == EMULATOR:
            self.siem.kill()
            return True
        if victim == ENGINE:
            update.kill()
            return True
        found = self._processes(victim)
        for one in found:
            os.kill(one, signal.SIGKILL)
        return bool(found)

    def _again(self, environment: Mapping[str, str]) -> list[Received]:
        """What was called in the update after it."""
        since = self._last_call()
        again = self.engine.up(**environment)
        if "locked" in again.text:
            self.count["locks cancelled"] += 1
            cancelled = self.engine.run("cancel", "--yes")
            _hold(cancelled.code == 0, cancelled.text)
            again = self.engine.up(**environment)
        _hold(again.code == 0, again.text)
        if pending := self._pending():
            self.count["pending creates cleared"] += 1
            _hold(all(one in again.text for one in pending), "a pending operation is not told")
            cleared = self.engine.refresh("--clear-pending-creates")
            _hold(cleared.code == 0, cleared.text)
            _hold(not self._pending(), "a pending operation is left")

        return self.siem.all(since=since)

    def _pending(self) -> list[str]:
        """The resources of which the engine does not know what became of them."""
        pending = self.engine.state.get("pending_operations") or []
        return [str(one["resource"]["urn"]) for one in pending]

    def _processes(self, which: str) -> list[int]:
        """Those that the engine started for this project, which all work in its folder."""
        found = []
        for each in Path("/proc").glob("[0-9]*"):
            try:
                if (each / "cwd").resolve() == self.engine.folder and _COMMANDS[which] in (
                    each / "cmdline"
                ).read_bytes():
                    found.append(int(each.name))
            except OSError:  # it ended meanwhile
                continue

        return found

    def _last_call(self) -> int:
        return max((call.seq for call in self.siem.all()), default=0)

    def _slow(self) -> None:
        self.siem.control.post("settings", {"latency_ms": LATENCY_MS})


def _edited(random: Random, places: list[Place], declared: Declared) -> Declared:
    """Some entries more, less, or with the other state."""
    edited = dict(declared)
    for place in random.sample(places, random.randint(3, 8)):
        word = random.choice(["open", "open", "closed", ""])
        edited.pop(place, None)
        if word:
            edited[place] = word

    return edited


def _expected(opened: set[Place], before: Declared, wanted: Declared) -> set[Place]:
    """What is open in the end: what is declared so, and what nobody has to do with."""
    removed = {place for place, word in before.items() if word == "open"} - set(wanted)
    closed = {place for place, word in wanted.items() if word == "closed"} | removed

    return (opened - closed) | {place for place, word in wanted.items() if word == "open"}


def _assert_asked_for(calls: list[Received], before: Declared, wanted: Declared) -> None:
    for call in calls:
        place = (call.product, call.log)
        if call.action == "OpenDelivery":
            _hold(wanted.get(place) == "open", f"{place} was opened, and nobody asked for it")
        if call.action == "CloseDelivery":
            removed = place in before and place not in wanted
            asked = wanted.get(place) == "closed" or removed
            _hold(asked, f"{place} was closed, and nobody asked for it")


def _wait_for(what: Callable[[], bool]) -> None:
    _wait(PATIENCE_S, what)
    _hold(what(), "what was to end did not end")


def _wait(seconds: float, over: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until and not over():
        time.sleep(LOOK_S)


def _hold(true: bool, otherwise: str) -> None:
    if not true:
        raise AssertionError(otherwise[-2000:])


def _kill(plan: Plan) -> Outcome:
    home = plan.folder / "home"
    home.mkdir()
    failures: list[str] = []
    count: Counter[str] = Counter()
    with Standalone(plan.folder / "siem") as siem:
        places = [
            (product, log.code)
            for product in sorted(set(siem.world.catalog.products) - {"bastionhost", "hcloud_waf"})
            for log in siem.world.catalog.products[product].logs
        ]
        for seed in plan.seeds:
            random = chance("kill", seed)
            # A project of its own for each: what one leaves behind is not another's to explain.
            engine = Engine(
                folder=plan.folder / str(seed), home=home, siem=cast("EmulatorServer", siem)
            )
            siem.control.post("reset", {})
            project = _Project(
                siem=siem, engine=engine, places=random.sample(places, 12), count=count
            )
            try:
                project.begin(random)
                project.round(random)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                failures.append(told(seed, error))

    return Outcome(
        figures={"updates": plan.rounds, **dict(sorted(count.items())), "wrong": len(failures)},
        failures=failures,
    )


CAMPAIGN = Campaign(
    name="kill",
    claim="Whatever is killed in the middle of an update, the next one converges, and nothing"
    " closes that nobody asked for.",
    rounds=125,
    unit="`pulumi up` with a kill -9 in it, and the two after it",
    run=_kill,
)
