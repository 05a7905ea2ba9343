"""A scratch project: one program, one stack, a backend and an emulator of its own.

Nothing of the person's is taken along: no credentials, no settings, no proxy, no home folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.usage import Usage, measure
from siem_emulator import EmulatorServer, World
from siem_emulator.catalog import DOCUMENTED, Catalog, Place

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.prefix) / "bin"
BASELINES = Path(__file__).parent / "baselines"
STACK = "bench"
_NOT_TAKEN_ALONG = re.compile(
    r"(ALIBABA|ALICLOUD|ALIYUN|CLOUD_SIEM|PULUMI|PYTHON|GIT_).*|(HTTPS?|ALL|NO)_PROXY|DEBUG|HOME",
    re.IGNORECASE,
)
WITHOUT_CHECKPOINTS = {"PULUMI_SKIP_CHECKPOINTS": "true", "PULUMI_EXPERIMENTAL": "true"}


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One program that is measured."""

    name: str
    program: Path
    environment: tuple[tuple[str, str], ...] = ()


OURS = Subject(name="ours", program=ROOT / "__main__.py")
FLOOR = Subject(name="floor", program=BASELINES / "floor" / "__main__.py")
NAIVE = Subject(name="naive", program=BASELINES / "naive" / "__main__.py")


def rung(number: int) -> Subject:
    """A step of the ladder from the floor to ours; see baselines/ladder."""
    return Subject(
        name=f"rung {number}",
        program=BASELINES / "ladder" / "__main__.py",
        environment=(("RUNG", str(number)),),
    )


class EngineError(Exception):
    """A run that was to succeed did not."""


def clean_environment() -> dict[str, str]:
    """Ours, without anything that a person has set up for the cloud, Pulumi or Python."""
    return {n: v for n, v in os.environ.items() if not _NOT_TAKEN_ALONG.fullmatch(n)}


def _all_logs(world: World) -> str:
    """The word for a run by which every log of the first account may close."""
    return ",".join(f"{world.first.id}/{product}/*" for product in world.catalog.products)


def reaching(siem: EmulatorServer) -> dict[str, str]:
    """How a process reaches an emulator, as its first account, at no pace."""
    key = siem.key()
    return {
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        "ALIBABA_CLOUD_ACCESS_KEY_ID": key.id,
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret,
        "CLOUD_SIEM_ENDPOINT": siem.url,
        "CLOUD_SIEM_REQUEST_RATE": "100000",
    }


def running(folder: Path) -> dict[str, str]:
    """How the engine runs in a folder, with a backend there, and off the network."""
    return {
        "PATH": os.pathsep.join([str(BIN), os.environ["PATH"]]),
        "HOME": str(folder / "person"),
        "PULUMI_BACKEND_URL": f"file://{folder / 'backend'}",
        "PULUMI_CONFIG_PASSPHRASE": "scratch",
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of the engine, or of another command on the project."""

    usage: Usage
    calls: Mapping[str, int]
    """What the emulator was asked for meanwhile, by action."""

    @property
    def wall(self) -> float:
        return self.usage.wall

    @property
    def cpu(self) -> float:
        return self.usage.cpu


def account(logs: int) -> World:
    """One account with so many logs, all of them closed."""
    return World.build(logs=logs)


def account_with_large_product(logs: int) -> tuple[World, str]:
    """An account one of whose products has so many logs, and that product's code."""
    catalog = Catalog.with_logs(len(DOCUMENTED.places) + logs, logs_per_product=logs)
    return replace(World.build(), catalog=catalog), "made_up_001"


class Project:
    """One subject on one account.

    Args:
        subject: Its program.
        folder: Where it is made; an empty one.
        home: The Pulumi home.
        world: The account.
    """

    def __init__(self, subject: Subject, folder: Path, home: Path, world: World) -> None:
        self.subject = subject
        self.siem = EmulatorServer(world, calls_kept=1)
        self._folder = folder
        self._saved: dict[str, Path] = {}
        for name in ("stacks", "backend", "person"):
            (folder / name).mkdir(parents=True)
        (folder / ".venv").symlink_to(sys.prefix)
        shutil.copy(ROOT / "Pulumi.yaml", folder)
        shutil.copy(subject.program, folder)
        self._home = home

    def __enter__(self) -> Self:
        self.siem.start()
        self._environment = {
            **clean_environment(),
            **dict(self.subject.environment),
            **running(self._folder),
            **reaching(self.siem),
            "PYTHONPATH": str(ROOT),
            "PULUMI_HOME": str(self._home),
            "CLOUD_SIEM_CLOSE_LIMIT": "1000",
            "CLOUD_SIEM_CLOSE_LAST_LOG": _all_logs(self.siem.world),
            "NAIVE_ENDPOINT": self.siem.host,
        }
        self.pulumi("stack", "init")
        self._salt = self._file.read_text()
        self.save("empty")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.siem.close()

    # --- what it is told -------------------------------------------------------------------------

    @property
    def places(self) -> tuple[Place, ...]:
        """Every log of the account."""
        return self.siem.world.catalog.places

    def declare(self, places: Iterable[Place]) -> None:
        """Write the stack file: these are open, `*` for all logs of a product."""
        deliveries: dict[str, dict[str, str]] = {}
        for product, log in places:
            deliveries.setdefault(product, {})[log] = "open"
        config: dict[str, Any] = {
            "account": self.siem.world.first.id,
            "region": "cn-hangzhou",
            "deliveries": deliveries,
        }
        # JSON is YAML, for the engine's reader and for ours.
        keys = "".join(f"  cloud-siem:{key}: {json.dumps(v)}\n" for key, v in config.items())
        self._file.write_text(f"{self._salt}config:\n{keys}")

    def fresh(self, *, opened: bool = False, latency_ms: float = 0) -> None:
        """Have the account as at the start, or with everything open."""
        self.siem.reset()
        self.siem.configure(latency_ms=latency_ms)
        if opened:
            for product in self.siem.world.catalog.products:
                self.siem.switch(product, state="open")

    # --- what it does ----------------------------------------------------------------------------

    def up(self, **environment: str) -> Run:
        """Update without a preview before it."""
        return self.pulumi("up", "--yes", "--skip-preview", **environment)

    def preview_refreshed(self, **environment: str) -> Run:
        return self.pulumi("preview", "--refresh", **environment)

    def pulumi(self, command: str, *arguments: str, **environment: str) -> Run:
        """Run the engine; it must succeed."""
        options = ("--stack", STACK, "--non-interactive", "--color=never")
        return self.run(["pulumi", command, *arguments, *options], **environment)

    def run(self, command: list[str], **environment: str) -> Run:
        """Run any command on the project; it must succeed."""
        before = Counter(self.siem.counts().actions)
        env = self._environment | environment
        usage = measure(command, cwd=self._folder, env=env)
        if usage.code:
            words = " ".join(command)
            raise EngineError(
                f"{self.subject.name}: `{words}` ended with {usage.code}:\n{usage.text[-4000:]}"
            )
        return Run(usage=usage, calls=dict(Counter(self.siem.counts().actions) - before))

    # --- what it recorded ------------------------------------------------------------------------

    def save(self, name: str) -> None:
        """Keep the recorded state under a name."""
        kept = self._folder / "saved" / name
        shutil.rmtree(kept, ignore_errors=True)
        shutil.copytree(self._folder / "backend", kept)

    def restore(self, name: str) -> None:
        """Have the state that was kept under a name."""
        shutil.rmtree(self._folder / "backend")
        shutil.copytree(self._folder / "saved" / name, self._folder / "backend")

    @property
    def state_bytes(self) -> int:
        """How large the state file is."""
        return sum(file.stat().st_size for file in self._state_files())

    @property
    def resources(self) -> list[dict[str, Any]]:
        """What the state file holds."""
        (file,) = self._state_files()
        recorded: list[dict[str, Any]] = json.loads(file.read_text())["checkpoint"]["latest"][
            "resources"
        ]
        return recorded

    def _state_files(self) -> list[Path]:
        return list((self._folder / "backend" / ".pulumi" / "stacks").glob(f"*/{STACK}.json"))

    @property
    def _file(self) -> Path:
        return self._folder / "stacks" / f"Pulumi.{STACK}.yaml"
