"""A thousand updates in one process: what they leave behind."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from campaigns.campaign import Campaign, Outcome, Plan, told
from campaigns.chance import chance
from campaigns.standalone import Standalone
from cloud_siem.model import Delivery, DeliveryKey, State
from tests.conftest import ANY_CLOSE, HERE, FakeTime, spare_authorities
from tests.edits import FAULTS
from tests.harness import Harness, Program

LOGS = ["dns", "login_event", "proc", "netstat", "vul_log", "sas_alert"]
STRUCK = 0.1
"""How many updates are struck by a fault: what failed must leave nothing behind either."""
WARM = 0.3
"""After this part of the rounds all is loaded that is loaded once."""
SPARE_KIB = 2048
"""Memory that an allocator may take between two looks though nothing grows."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """What this process holds at one moment."""

    kib: int
    threads: int
    files: int
    connections: int

    @classmethod
    def now(cls) -> Held:
        gc.collect()
        open_files = [_target(each) for each in Path("/proc/self/fd").iterdir()]
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return cls(
            kib=pages * os.sysconf("SC_PAGE_SIZE") // 1024,
            threads=threading.active_count(),
            files=len(open_files),
            connections=sum(one.startswith("socket:") for one in open_files),
        )

    def __str__(self) -> str:
        return (
            f"{self.kib / 1024:.1f} MiB, {self.threads} threads, {self.files} files,"
            f" {self.connections} connections"
        )

    def grown_to(self, later: Held) -> list[str]:
        """What is more than it was."""
        spare = {"kib": SPARE_KIB}
        return [
            f"{name}: {before} -> {after}"
            for name in ("kib", "threads", "files", "connections")
            if (after := getattr(later, name))
            > (before := getattr(self, name)) + spare.get(name, 0)
        ]


def _target(link: Path) -> str:
    with contextlib.suppress(OSError):  # the one that lists them is closed by now
        return str(link.readlink())
    return ""


def _soak(plan: Plan) -> Outcome:
    spare_authorities()
    failures: list[str] = []
    struck = 0
    with Standalone(plan.folder / "siem") as siem:
        environ = {
            "CLOUD_SIEM_ENDPOINT": siem.url,
            "CLOUD_SIEM_REQUEST_RATE": "100000",
            **ANY_CLOSE,
        }
        harness = Harness(environ=environ, folder=plan.folder, clock=FakeTime().clock)
        warm = Held.now()
        for number, seed in enumerate(plan.seeds):
            if number == int(plan.rounds * WARM):
                warm = Held.now()
            try:
                struck += _round(seed, siem, harness)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                failures.append(told(seed, error))
        end = Held.now()
    failures += [f"grown: {what}" for what in warm.grown_to(end)]

    return Outcome(
        figures={
            "updates": plan.rounds,
            "struck by a fault": struck,
            f"held after {WARM:.0%}": str(warm),
            "held at the end": str(end),
        },
        failures=failures,
    )


def _round(seed: int, siem: Standalone, harness: Harness) -> bool:
    """Declare something else, with a fault now and then; whether there was one."""
    random = chance("soak", seed)
    deliveries = tuple(
        Delivery(
            key=DeliveryKey(perspective=HERE, product="sas", log=f"cloud_siem_aegis_{log}"),
            state=random.choice([State.OPEN, State.CLOSED]),
        )
        for log in random.sample(LOGS, 4)
    )
    program = Program(perspective=HERE, deliveries=deliveries)
    struck = random.random() < STRUCK
    with contextlib.redirect_stdout(io.StringIO()):
        if struck:
            fault = random.choice(FAULTS).to_mapping()
            siem.control.post("faults", [fault])
            harness.up(program, refresh=random.random() < STRUCK)
            siem.control.delete("faults")
        done = harness.up(program, refresh=random.random() < STRUCK)
    if not done.ok:
        raise AssertionError(done.failures)

    return struck


CAMPAIGN = Campaign(
    name="soak",
    claim="However many updates a process lives through, it holds no more memory, threads, files"
    " or connections than before.",
    rounds=1000,
    unit="update of four deliveries to something else, one in ten after a fault",
    run=_soak,
)
