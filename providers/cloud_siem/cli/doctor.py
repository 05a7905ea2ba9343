"""``cloud-siem doctor``: what stands between this machine and a working ``pulumi up``.

All is looked at, whatever was found before: each part runs as far as it can, and says what it could
not try. Nothing is changed, here or in the cloud: one identity and one ListDelivery are asked for.
"""

from __future__ import annotations

import argparse
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from cloud_siem import doctor, machine
from cloud_siem.api import Api
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.stackfiles import file_of
from cloud_siem.doctor import Check, Verdict, untried
from cloud_siem.endpoint import Endpoint
from cloud_siem.errors import CloudSiemError, Reason, StackError
from cloud_siem.keys import ACCOUNT, MEMBER, REGION, VIEW
from cloud_siem.loading import load_stack_file
from cloud_siem.origin import Origin, commit_of
from cloud_siem.preflight import faults
from cloud_siem.project import Project, stack_of
from cloud_siem.reach import Reached, reach
from cloud_siem.settings import BY_CONFIG_KEY, Settings
from cloud_siem.stack import Stack, build_stack
from cloud_siem.stackfile import StackFile, read_stack_file
from cloud_siem.wording import counted, printable

T = TypeVar("T")

_SECONDS = 20.0
"""For one question to the cloud, its retries included: a doctor does not wait out an hour."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stack",
        metavar="STACK",
        nargs="?",
        help="a stack's name, or its file; without it, the machine alone is looked at",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.epilog = "Run it in the project's folder. Credentials are used and never shown."


def run(args: argparse.Namespace) -> int:
    visit = _Visit(folder=Path.cwd(), environ=dict(os.environ))
    checks = [*visit.machine(), *(visit.stack(args.stack) if args.stack else visit.no_stack())]
    print(_as_json(checks) if args.json else _as_text(checks))
    failed = any(one.verdict is Verdict.PROBLEM for one in checks)
    return ExitCode.ERROR if failed else ExitCode.OK


@dataclass(kw_only=True)
class _Visit:
    """One look at a machine, and at what a stack needs of it."""

    folder: Path
    environ: Mapping[str, str]

    # --- the machine ------------------------------------------------------------------------------

    @cached_property
    def _engine(self) -> machine.Engine | None:
        return machine.engine(self.environ)

    @cached_property
    def _project(self) -> Project:
        return Project.find(self.folder)

    def machine(self) -> Iterator[Check]:
        yield from doctor.check_engine(self._engine)
        runtime = machine.runtime(self._project, self.environ)
        usable = runtime.python and not self._project.failure
        python = machine.interpreter(runtime.python, self.environ) if usable else None
        yield from doctor.check_python(self._project, runtime, python)

    def _backend(self, stack: str) -> Check:
        if self._engine is None or self._project.failure:
            return untried("backend", "there is no engine, or no project")
        folder = self._project.folder
        return doctor.check_backend(stack, *machine.stacks(self._engine, folder, self.environ))

    def _locks(self, stack: str) -> Iterator[Check]:
        if self._engine is not None and not self._project.failure:
            yield from doctor.check_locks(
                machine.locks(self._engine, self._project, self.environ, stack=stack)
            )

    # --- the stack --------------------------------------------------------------------------------

    def no_stack(self) -> Iterator[Check]:
        yield self._backend("")
        yield from self._locks("")
        try:
            overridden = Settings.read({}, self.environ).overridden
        except StackError as error:
            yield from doctor.check_environment(error.reasons)
        else:
            yield from doctor.check_overrides(overridden, self.environ)
        yield untried("cloud", "name a stack, to have its account looked at")

    def stack(self, name: str) -> Iterator[Check]:
        try:
            file = file_of(name)
        except CloudSiemError as error:
            yield self._backend("")
            yield doctor.problem("stack file", str(error))
            yield untried("cloud", "the stack's account is not known")
            return
        yield self._backend(stack_of(file))
        yield from self._locks(stack_of(file))
        yield from doctor.check_passphrase(_text(file), self.environ)
        read = read_stack_file(file)
        reasons: tuple[Reason, ...] = ()
        try:
            stack: Stack | None = load_stack_file(file, self.environ)
        except StackError as error:
            stack, reasons = _as_far_as_known(read, self.environ), error.reasons
        deliveries = len(stack.deliveries) if stack else 0
        yield from doctor.check_stack_file(file, deliveries, reasons, read.engine_only)
        if stack is None:
            yield untried("cloud", "whose account it is, and how it is reached, is not known")
            return
        yield from doctor.check_overrides(stack.settings.overridden, self.environ)
        yield from self._cloud(stack, declares=not reasons)

    # --- the cloud --------------------------------------------------------------------------------

    def _cloud(self, stack: Stack, *, declares: bool) -> Iterator[Check]:
        region = stack.perspective.region
        siem, sts = stack.settings.api_endpoint(region), stack.settings.sts_endpoint(region)
        answers: dict[Endpoint, Reached] = {}
        for endpoint in dict.fromkeys((siem, sts)):
            yield from doctor.check_proxies(endpoint, self.environ)
            answers[endpoint] = reach(endpoint, self.environ)
        yield doctor.check_reached("endpoint", answers[siem])
        if sts != siem:
            yield doctor.check_reached("STS", answers[sts])
        yield doctor.check_clock(tuple(answers.values()))
        lost = [str(one.endpoint) for one in answers.values() if one.failure]
        if lost:
            yield untried("credentials", f"no answer from {' and '.join(lost)}")
        else:
            yield from _asked(stack, declares=declares)
        yield doctor.check_writes()


def _text(file: str) -> str:
    """The text of a stack file, as far as there is one."""
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _as_far_as_known(read: StackFile, environ: Mapping[str, str]) -> Stack | None:
    """Whose account a faulty file is about, and how it is reached, where that much is sound."""
    if read.engine_only or not read.whole:
        return None
    wanted = (ACCOUNT, REGION, VIEW, MEMBER, *BY_CONFIG_KEY)
    values = {key: value for key, value in read.values.items() if key in wanted}
    try:
        return build_stack(values, name=stack_of(read.path), environ=environ)
    except StackError:
        return None


def _asked(stack: Stack, *, declares: bool) -> Iterator[Check]:
    """What the account itself says: who is asking, and one ListDelivery."""
    settings = replace(stack.settings, deadline=min(stack.settings.deadline, _SECONDS))
    origin = Origin(stack=stack.name, commit=commit_of(Path.cwd()))
    api = Api(settings=settings, perspective=stack.perspective, origin=origin)
    identity = _tried(api.identity)
    source = "" if isinstance(identity, CloudSiemError) else api.credential_source
    yield from doctor.check_identity(identity, source, stack.perspective)
    if isinstance(identity, CloudSiemError) or identity.account != stack.perspective.account:
        # A caller of another account gets no further, here as in an update.
        yield untried("ListDelivery", f"nobody is here to ask for {stack.perspective}")
        return
    snapshot = _tried(api.look)
    yield from doctor.check_list(snapshot)
    if declares and not isinstance(snapshot, CloudSiemError):
        declared = [(one.key, one.state) for one in stack.deliveries]
        yield from doctor.check_deliveries(len(declared), faults(declared, snapshot))


def _tried(ask: Callable[[], T]) -> T | CloudSiemError:
    try:
        return ask()
    except CloudSiemError as error:
        return error


# --- the report -----------------------------------------------------------------------------------


def _as_text(checks: Sequence[Check]) -> str:
    """A line for each check, what to do below it, and the sum."""
    width = max(len(one.name) for one in checks)
    lines = []
    for one in checks:
        lines.append(f"{one.verdict.value:<8} {one.name:<{width}}  {printable(one.said)}")
        if one.remedy:
            lines.append(f"{'':<8} {'':<{width}}  -> {printable(one.remedy)}")
    found = Counter(one.verdict for one in checks)
    problems = counted(found[Verdict.PROBLEM], "problem")
    return "\n".join([*lines, "", f"{problems}, {counted(found[Verdict.WARNING], 'warning')}"])


def _as_json(checks: Sequence[Check]) -> str:
    rows = [
        {"name": one.name, "verdict": one.verdict.value, "said": one.said, "remedy": one.remedy}
        for one in checks
    ]
    return json.dumps({"version": 1, "checks": rows}, indent=2)
