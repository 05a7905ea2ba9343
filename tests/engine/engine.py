"""The real engine on one scratch project; what it did, and what it asked the emulator for.

Each ``Engine`` is a folder of its own with its own backend; only the Pulumi home, which holds
nothing of a stack, is shared by the tests of one process. Nothing of the person's is taken along:
no credentials, no settings, no proxy, no home folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from siem_emulator import EmulatorServer
from siem_emulator.calls import Received
from siem_emulator.world import Key
from tests.conftest import ANY_CLOSE
from tests.resources import Line

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
Golden = Callable[[str, str], None]
"""The fixture that holds a text against its file."""
STACK = "dev"
PROJECT = "cloud-siem"
TIMEOUT_S = 150
"""For one run of the engine; the slowest takes a tenth of it on a quiet machine."""

_NOT_TAKEN_ALONG = re.compile(  # coverage neither: it costs these processes a third of their time
    r"(ALIBABA|ALICLOUD|ALIYUN|CLOUD_SIEM|PULUMI|PYTHON|GIT_|COVERAGE).*"
    r"|(HTTPS?|ALL|NO)_PROXY|DEBUG|HOME",
    re.IGNORECASE,
)
_VERBS = {"OpenDelivery": "open", "CloseDelivery": "close"}
_COUNT = re.compile(r"(\d+) (to [a-z]+|[a-z]+ed)\b")
_CHANGING = (
    (re.compile(r"\b[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\b"), "<RequestId>"),
    (re.compile(r"http://127\.0\.0\.1:\d+"), "<endpoint>"),
)
_HEAD = re.compile(r"  (\S+) \((.+)\):")
_DIAGNOSTIC = re.compile(r"\s*(error|warning|info): (.*)")
_OF_THE_ENGINE = re.compile(
    r"(update|preview|refresh|destroy) failed$|an unhandled error occurred: |Resource monitor has "
)
_CHECK = re.compile(
    r"\S+ resource '(?P<name>[^']*)'(: property (?P<property>\S+) value \{.*?\})?"
    r" has a problem: (?P<words>.*)"
)
_EXCEPTION = re.compile(r"(CloudSiemError|Exception calling application): (.*)")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One run of the engine."""

    code: int
    stdout: str
    stderr: str
    calls: tuple[Received, ...]
    """What the emulator was asked for meanwhile."""
    verbs: tuple[str, ...] = ()
    """The calls of the provider's verbs in order, if they are traced; as ``tests.resources.Run``
    has them."""
    printed: tuple[Line, ...] = ()
    """The lines that the provider printed, if they are traced."""

    @property
    def text(self) -> str:
        return self.stdout + self.stderr

    @property
    def lines(self) -> list[str]:
        """What a person reads, without the blanks at both ends of each line."""
        return [line.strip() for line in self.text.splitlines()]

    @property
    def diagnostics(self) -> str:
        """The engine's last word on what went wrong, by resource, without what changes by run."""
        _, _, rest = self.text.partition("\nDiagnostics:\n")
        text = re.split(r"\n(?=(?:Outputs|Resources):\n)", rest)[0]
        for pattern, stands_for in _CHANGING:
            text = pattern.sub(stands_for, text)
        parts = sorted(text.strip("\n").split("\n\n"))
        return "\n".join(line.rstrip() for part in parts for line in part.splitlines()) + "\n"

    @property
    def messages(self) -> str:
        """Our own errors among the diagnostics, one a line: ``resource > property: message``.

        What the engine and its SDK put around them differs from version to version.
        """
        messages: list[str] = []
        resource, ours = "", False
        for line in self.diagnostics.splitlines():
            if head := _HEAD.fullmatch(line):
                resource, ours = "" if head[1] == "pulumi:pulumi:Stack" else head[2], False
            elif begun := _DIAGNOSTIC.fullmatch(line):
                ours = begun[1] == "error" and not _OF_THE_ENGINE.match(begun[2])
                if ours:
                    messages.append(_own_words(resource, begun[2]))
            elif ours and line.strip():
                messages.append(line.strip())
        return "".join(f"{line}\n" for line in messages)

    @property
    def counts(self) -> dict[str, int]:
        """How many resources were ``created``, are ``unchanged``, are ``to delete`` and so on."""
        _, _, rest = self.text.partition("\nResources:\n")
        return {what: int(number) for number, what in _COUNT.findall(rest)}

    @property
    def actions(self) -> dict[str, int]:
        """How many calls of each action."""
        return dict(Counter(call.action for call in self.calls))

    @property
    def writes(self) -> list[str]:
        """``open sas/x``, ``close waf``; sorted, since the engine runs them side by side."""
        return written(self.calls)


def _own_words(resource: str, error: str) -> str:
    """A message without what the engine or the SDK says before it."""
    if check := _CHECK.fullmatch(error):
        path = " > ".join(part for part in (check["name"], check["property"]) if part)
        return f"{path}: {check['words']}"
    exception = _EXCEPTION.fullmatch(error)
    words = exception[2] if exception else error
    return f"{resource}: {words}" if resource else words


def stand_ins(home: Path) -> Path:
    """A folder for PYTHONPATH: its ``pip`` knows of no packages, and it has the tracer."""
    pip = home / "stand-ins" / "pip"
    pip.mkdir(parents=True, exist_ok=True)
    (pip / "__init__.py").touch()
    (pip / "__main__.py").write_text('print("[]")')
    shutil.copy(Path(__file__).with_name("tracer.py"), pip.parent / "sitecustomize.py")

    return pip.parent


def written(calls: tuple[Received, ...]) -> list[str]:
    """The writes among some calls; a whole product has no slash."""
    return sorted(
        f"{_VERBS[call.action]} {call.product}{'/' + call.log if call.log else ''}"
        for call in calls
        if call.action in _VERBS
    )


@dataclass(kw_only=True)
class Engine:
    """One scratch project with one stack.

    Args:
        folder: Where the project is made; an empty one.
        home: The Pulumi home.
        siem: The emulator that it talks to.
        program: The text of its ``__main__.py``; that of this project if not given.
        venv: The virtual environment that it runs in; the running one if not given.
        project: Its ``Pulumi.yaml``; that of this project if not given.
        quick: Whether the language host is spared half a second of ``pip list`` in each run: it
            looks for packages that bring plugins, and dynamic providers need none.
    """

    folder: Path
    home: Path
    siem: EmulatorServer
    program: str = ""
    venv: Path = Path(sys.prefix)
    project: str = ""
    quick: bool = True
    stack: str = STACK
    timeout: float = TIMEOUT_S
    traced: bool = False
    """Whether each run's result has the calls of the provider's verbs, and the lines it printed."""
    environment: dict[str, str] = field(init=False)
    """Of every run; change it to let a setting hold from now on."""

    def __post_init__(self) -> None:
        for name in ("stacks", "backend", "person"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        if not (self.folder / ".venv").exists():
            (self.folder / ".venv").symlink_to(self.venv)
        if not (self.folder / "Pulumi.yaml").exists():
            project = self.project or _of_this_project("Pulumi.yaml")
            (self.folder / "Pulumi.yaml").write_text(project)
            self.rewrite(self.program or _of_this_project("__main__.py"))
        self.environment = clean_environment() | {
            "PATH": os.pathsep.join([str(self.venv / "bin"), os.environ["PATH"]]),
            "HOME": str(self.folder / "person"),
            "PULUMI_HOME": str(self.home),
            "PULUMI_BACKEND_URL": f"file://{self.folder / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "scratch",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
            "CLOUD_SIEM_ENDPOINT": self.siem.url,
            "CLOUD_SIEM_REQUEST_RATE": "100000",
            **ANY_CLOSE,
        }
        if self.quick:
            self.environment["PYTHONPATH"] = str(stand_ins(self.home))
        self.be(self.siem.key())
        self._make_stack()

    def beside(self, stack: str) -> Engine:
        """Another stack of the same project."""
        other = replace(self, stack=stack)
        other.environment = self.environment
        return other

    # --- what it is told -------------------------------------------------------------------------

    @property
    def file(self) -> Path:
        """The stack file."""
        return self.folder / "stacks" / f"Pulumi.{self.stack}.yaml"

    def declare(self, deliveries: Mapping[str, Any], **config: object) -> None:
        """Write the stack file: the deliveries by product and log, and other config of ours."""
        whose = {"account": self.siem.world.first.id, "region": "cn-hangzhou"}
        keys = {**whose, **config, "deliveries": deliveries}
        self.write(
            yaml.safe_dump(
                {"config": {f"cloud-siem:{key}": value for key, value in keys.items()}},
                sort_keys=False,
            )
        )

    def write(self, text: str) -> None:
        """Write the stack file as it is, after the salt that the engine wants to see again."""
        self.file.write_text(self._salt + text)

    def rewrite(self, program: str) -> None:
        """Replace the program."""
        (self.folder / "__main__.py").write_text(program)

    def be(self, key: Key) -> None:
        """Use this key from now on."""
        self.environment |= {
            "ALIBABA_CLOUD_ACCESS_KEY_ID": key.id,
            "ALIBABA_CLOUD_ACCESS_KEY_SECRET": key.secret,
        }

    # --- what it does ----------------------------------------------------------------------------

    def up(self, *arguments: str, **environment: str) -> Result:
        """Update without a preview before it."""
        return self.run("up", "--yes", "--skip-preview", *arguments, **environment)

    def preview(self, *arguments: str, **environment: str) -> Result:
        return self.run("preview", *arguments, **environment)

    def refresh(self, *arguments: str, **environment: str) -> Result:
        """Refresh without a preview before it."""
        return self.run("refresh", "--yes", "--skip-preview", *arguments, **environment)

    def destroy(self, *arguments: str, **environment: str) -> Result:
        """Destroy without a preview before it."""
        return self.run("destroy", "--yes", "--skip-preview", *arguments, **environment)

    def run(self, command: str, *arguments: str, **environment: str) -> Result:
        """Run any command on the stack; ``environment`` holds for this run alone."""
        return self._pulumi(command, *arguments, "--stack", self.stack, **environment)

    def move(self, urn: str, other: Engine) -> Result:
        """Move a resource to another stack."""
        stacks = ("--source", self.stack, "--dest", other.stack)
        return self._pulumi("state move", *stacks, urn, "--yes")

    def _pulumi(self, command: str, *arguments: str, **environment: str) -> Result:
        since = max((call.seq for call in self.siem.calls.all()), default=0)
        trace = self.folder / "trace"
        trace.unlink(missing_ok=True)
        if self.traced:
            environment["TRACE_FILE"] = str(trace)
        # Files: an engine that is killed leaves processes behind that keep a pipe open.
        with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
            done = subprocess.run(
                ["pulumi", *command.split(), *arguments, "--non-interactive", "--color=never"],
                cwd=self.folder,
                env=self.environment | environment,
                stdout=stdout,
                stderr=stderr,
                timeout=self.timeout,
                check=False,
            )
            stdout.seek(0)
            stderr.seek(0)
            texts = stdout.read(), stderr.read()
        noted = (
            [json.loads(line) for line in trace.read_text().splitlines()] if trace.exists() else []
        )
        return Result(
            code=done.returncode,
            stdout=texts[0],
            stderr=texts[1],
            calls=tuple(self.siem.calls.all(since=since)),
            verbs=tuple(each["verb"] for each in noted if "verb" in each),
            printed=tuple(
                Line(text=each["line"], time=each["time"]) for each in noted if "line" in each
            ),
        )

    def end_leftovers(self) -> None:
        """End what a killed engine left running in this project, and give its lock back."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile
                if (process / "cwd").resolve() == self.folder.resolve():
                    os.kill(int(process.name), signal.SIGKILL)
        self.run("cancel --yes")

    # --- what it recorded ------------------------------------------------------------------------

    @property
    def state(self) -> dict[str, Any]:
        """The state as the backend has it."""
        file = self.folder / "backend" / ".pulumi" / "stacks" / self._name / f"{self.stack}.json"
        state: dict[str, Any] = json.loads(file.read_text())
        return state["checkpoint"]["latest"] or {}

    @property
    def resources(self) -> dict[str, dict[str, Any]]:
        """Our recorded resources by name; the engine's own and the component are left out."""
        return {
            resource["urn"].rpartition("::")[2]: resource
            for resource in self.state.get("resources", [])
            if resource["type"].startswith("pulumi-python:")
        }

    # --- inside ----------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return str(yaml.safe_load((self.folder / "Pulumi.yaml").read_text())["name"])

    def _make_stack(self) -> None:
        """Take an empty stack from the home: ``stack init`` takes most of a second."""
        made = self.home / "stacks" / self._name / self.stack
        own = Path(".pulumi") / "stacks" / self._name / f"{self.stack}.json"
        if not made.is_dir():
            answer = self.run("stack init")
            assert answer.code == 0, answer.text
            (made / own).parent.mkdir(parents=True)
            for file in (own, f"{own}.attrs", ".pulumi/meta.yaml", ".pulumi/meta.yaml.attrs"):
                shutil.copy(self.folder / "backend" / file, made / file)
            shutil.copy(self.file, made / "salt")
        shutil.copytree(made / ".pulumi", self.folder / "backend" / ".pulumi", dirs_exist_ok=True)
        self._salt = (made / "salt").read_text()
        self.write("")


def clean_environment() -> dict[str, str]:
    """The environment without anything of the person's."""
    return {
        name: value for name, value in os.environ.items() if not _NOT_TAKEN_ALONG.fullmatch(name)
    }


def program(*, prefix: str = "", parent: str = "") -> str:
    """This project's program, with other names for its resources or another parent."""
    text, declared = _of_this_project("__main__.py"), '("deliveries", stack)'
    assert declared in text
    box = f'pulumi.ComponentResource("{parent}", "box")' if parent else "None"
    options = f'"deliveries", stack, prefix="{prefix}", opts=pulumi.ResourceOptions(parent={box})'

    return text.replace(declared, f"({options})")


def make_venv(folder: Path) -> None:
    """An empty virtual environment, with the Python that runs this."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    subprocess.run([base, "-m", "venv", "--without-pip", str(folder)], check=True)


def _of_this_project(name: str) -> str:
    return (ROOT / name).read_text()
