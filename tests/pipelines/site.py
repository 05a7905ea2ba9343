"""A person's repository in small, with all that its pipelines meet: engine, cloud, platform.

The repository is this project's program with one stack, as docs/gitops.md has people set it up; the
engine is the real one, the cloud the emulator. Pipelines run in fresh clones of it, with nothing on
PATH that they do not put there themselves.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import engine
from cloud_siem.ram import PURPOSES
from places import VENV, cache
from siem_emulator import EmulatorServer
from tests.engine.engine import ROOT, clean_environment

STACK = "demo"
"""The stack that the shipped pipelines name; its passphrase is its name, too."""
PARTS = ("Pulumi.yaml", "__main__.py", "tools", "requirements", "pyproject.toml", "Makefile")
"""Of this checkout; all that a step reads."""
TIMEOUT_S = 300


@dataclass(frozen=True, kw_only=True)
class Ran:
    """One program that ran."""

    code: int
    text: str
    """What it printed, to either side."""


@dataclass(kw_only=True)
class Site:
    """One repository with its machine and its cloud.

    Args:
        folder: Where all of it is made; an empty one.
        siem: The cloud.
    """

    folder: Path
    siem: EmulatorServer
    machine: dict[str, str] = field(init=False)
    """The environment of every step, before the pipeline adds to it."""

    def __post_init__(self) -> None:
        for name in ("bin", "home", "backend", "plain"):
            (self.folder / name).mkdir()
        self._stand_ins()
        self.machine = clean_environment() | {
            "PATH": self._path(),
            "HOME": str(self.folder / "home"),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache")),
            "PULUMI_HOME": str(self.folder / "home" / "pulumi"),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "PYTHONPATH": str(self.folder / "plain"),
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
            "CLOUD_SIEM_ENDPOINT": self.siem.url,
            "CLOUD_SIEM_REQUEST_RATE": "100000",
        }
        self._make_repository()

    # --- what stands in for what is not here ------------------------------------------------------

    def _stand_ins(self) -> None:
        """The set-up makes no environment: the clone has ours already. Python knows of no packages
        to look for plugins in, which saves half a second of each run of the engine.
        """
        base = getattr(sys, "_base_executable", None) or sys.executable
        there = "test -x .venv/bin/cloud-siem"
        self._program("make", f'test "$*" = setup && {there}')
        self._program(
            "python3", f'[ "$*" = tools/setup.py ] && {{ {there}; exit; }}; exec {base} "$@"'
        )
        pip = self.folder / "plain" / "pip"
        pip.mkdir()
        (pip / "__init__.py").touch()
        (pip / "__main__.py").write_text('print("[]")')

    def _program(self, name: str, script: str) -> None:
        file = self.folder / "bin" / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def _path(self) -> str:
        """Without the environment and the engine: the pipeline has to find both."""
        built = str(cache("engine"))
        others = [
            one
            for one in os.environ["PATH"].split(os.pathsep)
            if one != str(VENV / "bin") and not one.startswith(built)
        ]
        return os.pathsep.join([str(self.folder / "bin"), *others])

    def credentials(self, purpose: str) -> dict[str, str]:
        """What a session of the role for this purpose may do, and no more, from now on."""
        (policy,) = [json.loads(one.text) for one in PURPOSES if one.name == purpose]
        key = self.siem.key()
        self.siem.control("grants", key=key.id, policy=policy)
        return {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key.id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret,
        }

    @property
    def backend(self) -> dict[str, str]:
        """Where the state is; the person has set it up as variables and secrets."""
        return {
            "PULUMI_BACKEND_URL": (self.folder / "backend").as_uri(),
            "PULUMI_CONFIG_PASSPHRASE": STACK,
        }

    # --- the repository ---------------------------------------------------------------------------

    @property
    def origin(self) -> Path:
        return self.folder / "origin"

    def declare(self, deliveries: dict[str, Any]) -> None:
        """Write the stack file of the checkout."""
        config = {"account": self.siem.world.first.id, "region": "cn-hangzhou"}
        values = {**config, "deliveries": deliveries}
        body = yaml.safe_dump(
            {"config": {f"cloud-siem:{key}": value for key, value in values.items()}},
            sort_keys=False,
        )
        (self.origin / "stacks").mkdir(exist_ok=True)
        (self.origin / "stacks" / f"Pulumi.{STACK}.yaml").write_text(self._salt + body)

    def commit(self) -> str:
        """All that was written; the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")
        return self.git("rev-parse", "HEAD")

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "advice.detachedHead=false"]
        return self.run(["git", *who, *arguments], folder or self.origin, self.machine).strip()

    def branch(self, name: str, deliveries: dict[str, Any] | None = None) -> None:
        """A branch from main, with another stack file, or none, as its one commit."""
        self.git("checkout", "--quiet", "-B", name, "main")
        if deliveries is None:
            (self.origin / "stacks" / f"Pulumi.{STACK}.yaml").unlink()
        else:
            self.declare(deliveries)
        self.commit()

    def merge(self, name: str, into: str = "main") -> str:
        """Merge a branch; the commit."""
        self.git("checkout", "--quiet", "-B", into, "main")
        self.git("merge", "--quiet", "--no-ff", "--message", "x", name)
        return self.git("rev-parse", "HEAD")

    def clone(self, ref: str, depth: int) -> Path:
        """A fresh clone of a ref, with our environment in it."""
        folder = self.new_folder("clone")
        self.git("init", "--quiet", folder=folder)
        self.git("remote", "add", "origin", self.origin.as_uri(), folder=folder)
        shallow = [f"--depth={depth}"] if depth else []
        self.git("fetch", "--quiet", *shallow, "origin", ref, folder=folder)
        self.git("checkout", "--quiet", "FETCH_HEAD", folder=folder)
        (folder / ".venv").symlink_to(VENV)
        return folder

    def _make_repository(self) -> None:
        self.origin.mkdir()
        for part in PARTS:
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, self.origin / part)
        (self.origin / ".gitignore").write_text("/.venv\n__pycache__/\n")
        shipped = (ROOT / "stacks" / f"Pulumi.{STACK}.yaml").read_text()
        (salt,) = [line for line in shipped.splitlines() if line.startswith("encryptionsalt:")]
        self._salt = f"{salt}\n"
        self.declare({})
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")  # as the platforms allow
        self.commit()
        inside = self.clone("main", 1)
        pulumi = [str(engine.ready() / "pulumi"), "stack", "init", STACK, "--non-interactive"]
        environment = engine.environment(self.machine | self.backend, engine.ready())
        self.run(pulumi, inside, environment)

    def new_folder(self, name: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.folder))

    # --- running ----------------------------------------------------------------------------------

    def run(self, command: list[str], folder: Path, environment: dict[str, str]) -> str:
        """Run what must succeed; what it printed."""
        done = self.ran(command, folder, environment)
        assert done.code == 0, f"{command}: {done.text}"
        return done.text

    def ran(self, command: list[str], folder: Path, environment: dict[str, str]) -> Ran:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        return Ran(code=done.returncode, text=done.stdout)


def plain(text: str) -> str:
    """Markdown as it is shown."""
    return text.replace("\\", "")
