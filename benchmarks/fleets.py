"""Many stacks with recorded states on one emulator: for what runs the engine over some of them.

The states are honest and cheap: the first stack is made by a real `pulumi up`; every other stack
gets that state with its own name and account in it, as a file of the backend. Nothing else in it
differs between stacks that declare the same.
"""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.project import BIN, ROOT, EngineError, Run, clean_environment, reaching, running
from benchmarks.usage import measure
from siem_emulator import EmulatorServer, World
from siem_emulator.catalog import Catalog
from siem_emulator.world import Opening

ROLE = "acs:ram::{account}:role/siem-delivery"


class Fleet:
    """So many stacks, each an account of its own with a role to assume, all of them as declared.

    Each account has one log more than its stack declares, which is closed.

    Args:
        folder: Where the project is made; an empty one.
        stacks: How many.
        logs: How many logs each declares, all of them open.
    """

    def __init__(self, folder: Path, *, stacks: int, logs: int) -> None:
        *declared, self._spare = Catalog.with_logs(logs + 1).places
        self._declared = declared
        opened = tuple(Opening(product=product, log=log) for product, log in declared)
        world = World.build(accounts=stacks, logs=logs + 1, opened=opened)
        self.siem = EmulatorServer(world, calls_kept=1)
        self._accounts = {f"s{at:04d}": one for at, one in enumerate(world.accounts)}
        self._folder = folder
        for name in ("stacks", "backend", "person"):
            (folder / name).mkdir(parents=True)
        (folder / ".venv").symlink_to(sys.prefix)
        for name in ("Pulumi.yaml", "__main__.py"):
            shutil.copy(ROOT / name, folder)

    @property
    def names(self) -> list[str]:
        return list(self._accounts)

    def __enter__(self) -> Self:
        self.siem.start()
        self._environment = {
            **clean_environment(),
            **running(self._folder),
            **reaching(self.siem),
            "PULUMI_HOME": str(self._folder / "person" / ".pulumi"),
        }
        first, *others = self.names
        self.pulumi(first, "stack", "init")
        self._salt = self._file(first).read_text()
        self.declare(self.names)
        self.pulumi(first, "up", "--yes", "--skip-preview")
        for name in others:
            self._state(name).write_text(self._as(name, self._state(first).read_text()))
        # The engine itself says that the last of them is as good as one of its own.
        self.pulumi(self.names[-1], "preview", "--refresh", "--expect-no-changes")
        shutil.copytree(self._folder / "backend", self._folder / "saved")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.siem.close()

    # --- what is declared -------------------------------------------------------------------------

    def declare(self, names: Iterable[str], *, more: bool = False) -> None:
        """Write stack files; ``more`` declares the spare log, too."""
        text = self._salt + "config:\n"
        lines = [f'account: "{_ACCOUNT}"', "region: cn-hangzhou", f"roleArn: {ROLE}", "deliveries:"]
        text += "".join(f"  cloud-siem:{line}\n" for line in lines)
        product = ""
        for place in (*self._declared, *([self._spare] if more else [])):
            if place[0] != product:
                product = place[0]
                text += f"    {product}:\n"
            text += f"      {place[1]}: open\n"
        for name in names:
            self._file(name).write_text(text.replace(_ACCOUNT, self._accounts[name]))

    def fresh(self, names: Iterable[str], *, latency_ms: float) -> None:
        """Have these stacks and all accounts as at the start; records of earlier runs stay."""
        self.siem.reset()
        self.siem.configure(latency_ms=latency_ms)
        saved = self._folder / "saved"
        for name in names:
            file = self._state(name)
            shutil.copy(saved / file.relative_to(self._folder / "backend"), file)
        self.declare(names)

    # --- what is run ------------------------------------------------------------------------------

    def up(self, *arguments: str) -> Run:
        """`fleet up` over all; it must succeed."""
        return self._run([str(BIN / "cloud-siem"), "fleet", "up", "--yes", *arguments])

    def preview(self) -> Run:
        """`fleet preview` over all; it must succeed."""
        return self._run([str(BIN / "cloud-siem"), "fleet", "preview"])

    def pulumi(self, stack: str, *words: str) -> Run:
        """The engine on one stack; it must succeed."""
        return self._run(["pulumi", *words, "--stack", stack, "--non-interactive", "--color=never"])

    def _run(self, command: Sequence[str]) -> Run:
        before = Counter(self.siem.counts().actions)
        usage = measure(command, cwd=self._folder, env=self._environment)
        if usage.code:
            words = " ".join(command)
            raise EngineError(f"`{words}` ended with {usage.code}:\n{usage.text[-4000:]}")
        return Run(usage=usage, calls=dict(Counter(self.siem.counts().actions) - before))

    @property
    def kept_bytes(self) -> int:
        """How large the backend is."""
        files = (self._folder / "backend").rglob("*")
        return sum(file.stat().st_size for file in files if file.is_file())

    # --- inside -----------------------------------------------------------------------------------

    def _as(self, name: str, state: str) -> str:
        """The first stack's state as that of another one."""
        first = self.names[0]
        return state.replace(first, name).replace(self._accounts[first], self._accounts[name])

    def _file(self, name: str) -> Path:
        return self._folder / "stacks" / f"Pulumi.{name}.yaml"

    def _state(self, name: str) -> Path:
        return self._folder / "backend" / ".pulumi" / "stacks" / "cloud-siem" / f"{name}.json"


_ACCOUNT = "<account>"
