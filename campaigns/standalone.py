"""The emulator as a process of its own: so that it can be killed, and does not count as ours."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from siem_emulator.calls import Received
from siem_emulator.catalog import Place
from siem_emulator.client import ControlClient
from siem_emulator.world import Key, World, demo_world
from siem_emulator.worldfile import load_world

_OURS = Path(sys.executable).with_name("cloud-siem")
START_S = 60
"""How long it may take on a machine that has other things to do."""


class Standalone:
    """One emulator; what it acknowledged outlives its end.

    Args:
        folder: Where it keeps its files; it is made.
        world: As ``cloud-siem emulator start --seed`` takes it; the demo world if not given.
    """

    def __init__(self, folder: Path, world: str = "") -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._seed = folder / "world.yaml" if world else None
        if self._seed:
            self._seed.write_text(world)
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.world: World = load_world(self._seed) if self._seed else demo_world()

    # --- its life --------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Listen; a second time on the same port."""
        port_file = self._folder / "port"
        port_file.unlink(missing_ok=True)
        command: list[str | Path] = [_OURS, "emulator", "start", "--port", str(self._port)]
        command += ["--port-file", port_file, "--state", self._folder / "siem"]
        command += ["--seed", self._seed] if self._seed else []
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until = time.monotonic() + START_S
        while not port_file.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                message = "The emulator did not start."
                raise RuntimeError(message)
            time.sleep(0.01)
        self._port = int(port_file.read_text())

    def kill(self) -> None:
        """End it in the middle of whatever it does."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    # --- what is asked of it ---------------------------------------------------------------------

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    @property
    def control(self) -> ControlClient:
        return ControlClient(self.url)

    @property
    def calls(self) -> Self:
        """As ``EmulatorServer`` has it: the log of calls is asked for what it holds."""
        return self

    def all(self, *, since: int = 0) -> list[Received]:
        return [Received(**one) for one in self.control.get("calls", {"since": since})]

    def key(self) -> Key:
        return self.world.first.keys[0]

    def open_logs(self) -> set[Place]:
        listed = self.control.get("state", {"account": self.world.first.id})
        return {
            (one["product"], one["log"]) for one in listed["deliveries"] if one["state"] == "open"
        }
