"""The state file: what was acknowledged survives, whatever happens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from siem_emulator import EmulatorServer, journal
from siem_emulator.catalog import DOCUMENTED
from siem_emulator.events import Event, Switched, to_line
from siem_emulator.journal import Journal, JournalError
from siem_emulator.service import Service
from siem_emulator.state import Panel
from siem_emulator.world import Region, World, demo_world
from tests.emulator.signing import STS, Client
from tests.emulator.test_ram import assume

PLACE = ("sas", "cloud_siem_aegis_proc")


@contextmanager
def process(state: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    """An emulator in a process of its own, and a client of the demo account."""
    port_file = state.with_suffix(".port")
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "siem_emulator", "start"]
    files = ["--state", str(state), "--port-file", str(port_file)]
    running = subprocess.Popen([*command, *files, *options], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not port_file.exists():
            assert running.poll() is None, "it ended"
            assert time.monotonic() < deadline, "it did not start"
            time.sleep(0.01)
        key = demo_world().first.keys[0]
        yield running, Client(f"127.0.0.1:{int(port_file.read_text())}", key.id, key.secret)
    finally:
        running.kill()
        running.wait()


@pytest.mark.parametrize("kill_after", [1, 12, 30])
def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, kill_after: int) -> None:
    """Killed while four callers write: every write that was acknowledged is there."""
    state = tmp_path / "state"
    places = [place for place in DOCUMENTED.places if place[0] not in ("hcloud_waf", "bastionhost")]
    acknowledged: list[tuple[str, str]] = []

    def write(client: Client, mine: list[tuple[str, str]]) -> None:
        for product, log in mine:
            try:
                if client.call("OpenDelivery", ProductCode=product, LogCode=log).data is True:
                    acknowledged.append((product, log))
            except OSError:
                return

    with process(state) as (running, client):
        threads = [
            threading.Thread(target=write, args=(client, places[start::4])) for start in range(4)
        ]
        for thread in threads:
            thread.start()
        while len(acknowledged) < kill_after and any(thread.is_alive() for thread in threads):
            time.sleep(0.0005)
        running.send_signal(signal.SIGKILL)
        for thread in threads:
            thread.join()

    with process(state) as (_, client):
        assert client.call("ListDelivery").open_logs() >= set(acknowledged)
    assert len(acknowledged) >= kill_after


def test_sigterm_ends_the_process_well(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with process(state) as (running, client):
        client.call("OpenDelivery", ProductCode="waf")
        running.terminate()

        assert running.wait(10) == 0
    assert not state.with_suffix(".port").exists()


def test_everything_that_can_be_set_in_the_state_survives(tmp_path: Path) -> None:
    file = tmp_path / "state"
    with EmulatorServer(state_file=file) as siem:
        siem.switch("waf")
        siem.switch("sas", "cloud_siem_aegis_dns", state="closed", member="1234567890123456")
        siem.control("operable", product="nas", operable=False)
        siem.control("disconnect", product="rds")
        siem.control("connect", product="hcloud_waf")
        siem.control("keys", id="testid-new", secret="testsecret-new", actions=["ListDelivery"])
        siem.control("grants", role="siem-delivery", actions=["ListDelivery"])
        siem.control("expire")
        story = list(siem.state.so_far())

    for _ in range(2):
        with EmulatorServer(state_file=file) as siem:
            assert list(siem.state.so_far()) == story
            assert siem.status("waf", "cloud_siem_waf_flow")
            new = Client(siem.host, "testid-new", "testsecret-new")
            assert new.call("ListDelivery").status == 200
            assert new.call("OpenDelivery", ProductCode="waf").status == 403


def test_a_restart_does_not_bring_ended_sessions_back(tmp_path: Path) -> None:
    arn = "acs:ram::1234567890123456:role/siem-delivery"
    with EmulatorServer(state_file=tmp_path / "state") as siem:
        key = siem.key()
        session = assume(Client(siem.host, key.id, key.secret), arn)
        siem.control("expire")
        port = siem.address.port
    with EmulatorServer(state_file=tmp_path / "state", port=port):
        answer = session.call("GetCallerIdentity", version=STS)

        assert answer.code == "InvalidSecurityToken.Expired"


def test_a_reset_survives_too(tmp_path: Path) -> None:
    with EmulatorServer(state_file=tmp_path / "state") as siem:
        siem.switch("*")
        siem.reset()
        siem.switch("waf")
    with EmulatorServer(state_file=tmp_path / "state") as siem:
        assert siem.open_logs() == {
            ("actiontrail", "cloud_siem_trail_actiontrail"),
            ("waf", "cloud_siem_waf_flow"),
            ("waf", "cloud_siem_waf_alert"),
        }


# --- the file ------------------------------------------------------------------------------------


def switched(opened: bool = True) -> Switched:
    return Switched(
        account=World.build().first.id,
        region="cn-hangzhou",
        view="account",
        places=(PLACE,),
        opened=opened,
    )


def service(file: Path) -> Service:
    return Service(World.build(), journal=Journal(file))


def close(running: Service) -> None:
    assert running.journal
    running.journal.close()


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    """It was never acknowledged: the newline is written with it."""
    file = tmp_path / "state"
    file.write_text(to_line(switched()) + to_line(switched(opened=False))[:-20])
    running = service(file)

    assert running.state.open_places(running_panel(running)) == {PLACE}
    assert file.read_text() == to_line(switched())
    close(running)


def running_panel(running: Service) -> Panel:
    return Panel(running.world.first.id, Region.HANGZHOU)


def test_a_file_that_is_none_of_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "state"
    file.write_text("hello\nworld\n")

    with pytest.raises(JournalError, match=":1: This is no event: 'hello'"):
        service(file)
    assert file.read_text() == "hello\nworld\n"


def test_two_emulators_do_not_share_a_file(tmp_path: Path) -> None:
    first = service(tmp_path / "state")

    with pytest.raises(JournalError, match="Another emulator uses the state file"):
        service(tmp_path / "state")
    close(first)
    close(service(tmp_path / "state"))


def test_events_about_what_is_no_more_are_dropped(tmp_path: Path) -> None:
    file = tmp_path / "state"
    gone = Switched(
        account="9999999999999999",
        region="cn-hangzhou",
        view="account",
        places=(PLACE,),
        opened=True,
    )
    file.write_text(to_line(gone) + to_line(switched()))
    running = service(file)

    assert running.forgotten == 1
    assert running.state.open_places(running_panel(running)) == {PLACE}
    close(running)


def test_a_long_file_is_shortened_while_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "SHORTEN_AFTER", 50)
    running = service(tmp_path / "state")
    panel = running_panel(running)
    for turn in range(201):
        running.state.switch(panel, [PLACE], opened=turn % 2 == 0)
        running.commit()

    assert len((tmp_path / "state").read_text().splitlines()) <= 52
    close(running)
    again = service(tmp_path / "state")
    assert again.state.open_places(panel) == {PLACE}
    close(again)


def test_shortening_loses_nothing_that_is_written_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight threads write and commit while the file is shortened all the time."""
    monkeypatch.setattr(journal, "SHORTEN_AFTER", 3)
    running = service(tmp_path / "state")
    panel = running_panel(running)

    def write(places: list[tuple[str, str]]) -> None:
        for place in places:
            running.state.switch(panel, [place], opened=True)
            running.commit()

    threads = [
        threading.Thread(target=write, args=(list(DOCUMENTED.places[start::8]),))
        for start in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close(running)

    again = service(tmp_path / "state")
    assert again.state.open_places(panel) == set(DOCUMENTED.places)
    close(again)


def test_writes_that_wait_together_share_a_sync(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = []
    real = os.fsync

    def counted(descriptor: int) -> None:
        syncs.append(descriptor)
        time.sleep(0.05)
        real(descriptor)

    running = service(tmp_path / "state")
    monkeypatch.setattr(os, "fsync", counted)
    panel = running_panel(running)

    def write(place: tuple[str, str]) -> None:
        running.state.switch(panel, [place], opened=True)
        running.commit()

    threads = [threading.Thread(target=write, args=(each,)) for each in DOCUMENTED.places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(syncs) < len(threads) / 2
    close(running)


def test_a_full_disk_is_an_error_and_not_an_acknowledgement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EmulatorServer(state_file=tmp_path / "state") as siem:
        key = siem.key()
        client = Client(siem.host, key.id, key.secret)

        def full(_descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", full)
            answer = client.call("OpenDelivery", ProductCode="waf")
        assert (answer.status, answer.code) == (500, "InternalError")

        assert client.call("OpenDelivery", ProductCode="nas").data is True
    with EmulatorServer(state_file=tmp_path / "state") as siem:
        assert siem.status("nas", "cloud_siem_nas_audit_log")


class TornFile:
    """A file on a disk that fills up in the middle of a line."""

    def __init__(self, real: IO[bytes]) -> None:
        self._real = real

    def write(self, data: bytes) -> int:
        self._real.write(data[: len(data) // 2])
        self._real.flush()
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        self._real.close()


def test_half_a_line_is_mended_by_the_next_write(tmp_path: Path) -> None:
    running = service(tmp_path / "state")
    panel = running_panel(running)
    assert running.journal
    running.journal._file = TornFile((tmp_path / "state").open("ab"))  # type: ignore[assignment]
    running.state.switch(panel, [PLACE], opened=True)
    with pytest.raises(OSError, match="No space left"):
        running.commit()

    running.state.switch(panel, [("waf", "cloud_siem_waf_flow")], opened=True)
    running.commit()
    close(running)

    again = service(tmp_path / "state")
    assert again.state.open_places(panel) == {PLACE, ("waf", "cloud_siem_waf_flow")}
    close(again)


def test_the_short_form_holds_each_log_once(tmp_path: Path) -> None:
    running = service(tmp_path / "state")
    assert running.journal
    running.state.switch(running_panel(running), [PLACE], opened=True)
    running.journal.shorten()
    assert (tmp_path / "state").read_text() == to_line(switched())

    running.state.switch(running_panel(running), [PLACE], opened=False)
    running.commit()
    close(running)
    assert (tmp_path / "state").read_text() == to_line(switched()) + to_line(switched(opened=False))


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    close(service(tmp_path / "state"))

    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600


def test_an_event_survives_being_written_and_read(tmp_path: Path) -> None:
    running = service(tmp_path / "state")
    assert running.journal
    kept: list[Event] = [switched(), switched(opened=False)]
    for event in kept:
        running.journal.keep(event)
    running.commit()

    assert list(running.journal.past()) == kept
    close(running)
