"""Counting what is sent, and what came of it."""

from __future__ import annotations

import threading
from pathlib import Path

from cloud_siem.model import State
from cloud_siem.process import Process
from cloud_siem.settings import CLOSE_WORD, LogName
from cloud_siem.tally import ENVIRON_NAME, Counts, Tally, counted_in
from siem_emulator import EmulatorServer
from tests.conftest import HERE, PROC, spare_authorities


def test_a_process_adds_its_calls_and_the_switches_that_were_accepted(
    siem: EmulatorServer, tmp_path: Path
) -> None:
    """Repeated calls count, refused switches do not; and so does a second process."""
    spare_authorities()
    file = tmp_path / "tally"
    environ = {
        "CLOUD_SIEM_ENDPOINT": siem.url,
        "CLOUD_SIEM_REQUEST_RATE": "100000",
        ENVIRON_NAME: str(file),
    }
    siem.fault("internal_error", action="OpenDelivery", times=1)
    first = Process({}, environ, folder=tmp_path).session(HERE, "dev")
    first.write(PROC, State.OPEN)
    named = {CLOSE_WORD: str(LogName.of(PROC))}
    second = Process({}, {**environ, **named}, folder=tmp_path)
    second.closer(HERE, "dev").close(PROC)

    counts = counted_in(file)
    assert (counts.opened, counts.closed) == (1, 1)
    assert counts.calls == sum(siem.counts().actions.values())


def test_without_a_file_nothing_is_counted_and_nobody_fails(tmp_path: Path) -> None:
    Tally.of({}).called()
    Tally(str(tmp_path / "no" / "folder")).switched(State.OPEN)

    assert counted_in(tmp_path / "tally") == Counts()


def test_lines_of_many_threads_never_mix(tmp_path: Path) -> None:
    tally = Tally(str(tmp_path / "tally"))

    def count() -> None:
        for _ in range(50):
            tally.called()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert counted_in(tmp_path / "tally").calls == 400
