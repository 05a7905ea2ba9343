"""An engine that is killed takes its provider along, and the next update goes on from there."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from siem_emulator import EmulatorServer
from tests.engine.engine import STACK, Engine

LOGS = 24
LATENCY_MS = 500
THREADS = 4
"""Of the provider's process: so many writes may be on their way."""
PATIENCE_S = 60


def wait_for(what: Callable[[], object]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < until, "it does not come to pass"
        time.sleep(0.01)


def processes_in(folder: Path) -> list[int]:
    """The processes that work in a folder; the engine starts all of its own in the project's."""
    found = []
    for each in Path("/proc").glob("[0-9]*"):
        try:
            if (each / "cwd").resolve() == folder and b"pulumi.dynamic" in (
                each / "cmdline"
            ).read_bytes():
                found.append(int(each.name))
        except OSError:  # it ended meanwhile
            continue

    return found


def test_what_an_engine_left_behind_when_it_was_killed_ends_and_is_taken_up_again(
    engine: Engine, siem: EmulatorServer
) -> None:
    """No write begins once the engine is gone; then all goes as docs/safety.md has it."""
    products = siem.world.catalog.products
    places = [
        (product, log.code)
        for product in sorted(set(products) - siem.world.first.not_connected - {"bastionhost"})
        for log in products[product].logs
    ][:LOGS]
    declared: dict[str, dict[str, str]] = {}
    for product, log in places:
        declared.setdefault(product, {})[log] = "open"
    engine.declare(declared)
    siem.control("settings", latency_ms=LATENCY_MS)

    with subprocess.Popen(
        ["pulumi", "up", "--yes", "--skip-preview", "--stack", STACK, "--non-interactive"],
        cwd=engine.folder,
        env=engine.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as killed:
        wait_for(lambda: siem.calls_of("OpenDelivery"))
        killed.kill()
    begun = len(siem.calls_of("OpenDelivery"))
    wait_for(lambda: not processes_in(engine.folder))

    assert len(siem.calls_of("OpenDelivery")) <= begun + THREADS
    assert begun + THREADS < LOGS

    siem.control("settings", latency_ms=0)
    locked = engine.up()
    assert locked.code != 0
    assert "locked" in locked.text
    assert engine.run("cancel", "--yes").code == 0
    up = engine.up()

    assert up.code == 0, up.text
    assert set(places) <= siem.open_logs()
    assert not siem.calls_of("CloseDelivery")

    assert engine.refresh("--clear-pending-creates").code == 0
    last = engine.up()
    assert last.actions == {}
    assert "pending" not in last.text
