"""A folder of stack files on an emulator with as many accounts: for what looks at all of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.project import BIN, EngineError, Run, clean_environment, reaching
from benchmarks.usage import measure
from siem_emulator import EmulatorServer, World

CLOUD_SIEM = str(BIN / "cloud-siem")
ROLE = "acs:ram::{account}:role/siem-delivery"


class Many:
    """Many stacks, each with every log of its account declared as it is.

    Args:
        folder: Where the stack files are made; an empty one.
        stacks: How many.
        logs: How many logs each account has.
        members: Whether the stacks are one administrator's looks at its members, with one
            credential; else each is an account of its own, with a role to assume in it.
        rate: Calls per second that one credential makes at most.
    """

    def __init__(
        self, folder: Path, *, stacks: int, logs: int, members: bool = False, rate: float = 100_000
    ) -> None:
        world = World.build(
            accounts=1 if members else stacks, members=stacks if members else 0, logs=logs
        )
        self.siem = EmulatorServer(world, calls_kept=1)
        self._folder = folder
        self._members = members
        self._rate = rate
        (folder / "stacks").mkdir(parents=True)
        accounts = [one for one in world.accounts if not members or one != world.first.id]
        for number, account in enumerate(accounts):
            self._write(f"s{number:04d}", account)

    def _write(self, name: str, account: str) -> None:
        world = self.siem.world
        lines = [f'account: "{world.first.id if self._members else account}"']
        lines += [f'member: "{account}"'] if self._members else []
        lines += ["region: cn-hangzhou", "deliveries:"]
        text = "config:\n" + "".join(f"  cloud-siem:{line}\n" for line in lines)
        for product, logs in world.catalog.products.items():
            entries = "".join(f"      {log.code}: closed\n" for log in logs.logs)
            text += f"    {product}:\n{entries}"
        (self._folder / "stacks" / f"Pulumi.{name}.yaml").write_text(text)

    def __enter__(self) -> Self:
        self.siem.start()
        role = {} if self._members else {"CLOUD_SIEM_ROLE_ARN": ROLE}
        self._environment = {
            **clean_environment(),
            **reaching(self.siem),
            "HOME": str(self._folder),
            "CLOUD_SIEM_REQUEST_RATE": str(self._rate),
            **role,
        }
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.siem.close()

    def drift(self, *, latency_ms: float) -> Run:
        """`drift --all`; it must find everything in sync."""
        self.siem.reset()
        self.siem.configure(latency_ms=latency_ms)
        return self._run("drift", "--all")

    def validate(self) -> Run:
        """`validate` of every file; it must find no fault."""
        return self._run("validate")

    def _run(self, *arguments: str) -> Run:
        usage = measure([CLOUD_SIEM, *arguments], cwd=self._folder, env=self._environment)
        if usage.code:
            words = " ".join(arguments)
            raise EngineError(f"`{words}` ended with {usage.code}:\n{usage.text[-4000:]}")
        return Run(usage=usage, calls=dict(Counter(self.siem.counts().actions)))
