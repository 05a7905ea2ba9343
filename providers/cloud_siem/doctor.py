"""What stands between this machine and a working update: small pure checks, one per obstacle.

Called by ``cloud-siem doctor``, which collects the facts through the doors (``machine``, ``reach``,
``api``) and hands them in. A check never raises and never guesses: what could not be tried says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from cloud_siem.convert import Identity
from cloud_siem.endpoint import Endpoint
from cloud_siem.errors import MAX_REASONS, CloudSiemError, Reason
from cloud_siem.kinds import Text
from cloud_siem.machine import DISTRIBUTION, Engine, Interpreter, Lock, Runtime
from cloud_siem.model import Perspective, Snapshot
from cloud_siem.preflight import Fault
from cloud_siem.project import Project
from cloud_siem.proxies import exception_for, proxy_for
from cloud_siem.reach import Reached
from cloud_siem.settings import CLOSE_WORD, ENVIRON_PREFIX, LAST_LOG_WORD, SETTINGS
from cloud_siem.versions import dotted, requirement_of, version_of, within
from cloud_siem.wording import counted, shown

ENGINE_AT_LEAST, ENGINE_TRIED = (3, 229, 0), (3, 274)
"""The oldest and the newest Pulumi CLI that the tests run with.

The exit codes that we rely on came with 3.227.0 (pulumi/pulumi pull requests 22176 and 22205).
"""
PYTHON_AT_LEAST, PYTHON_TRIED = (3, 11), (3, 13)
"""The oldest and the newest Python that is supported."""
CLOCK_WARNING_S = 5 * 60
CLOCK_LIMIT_S = 15 * 60
"""The cloud refuses calls whose date is more than 15 minutes off (signature version 3)."""


class Verdict(Enum):
    """What a check found."""

    OK = "ok"
    WARNING = "warning"
    """It works now, or may; something should be known or done."""
    PROBLEM = "problem"
    """An update cannot work."""
    UNTRIED = "untried"
    """Not looked at, with the reason."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """One line of the report."""

    name: str
    verdict: Verdict
    said: str
    remedy: str = ""
    """What to do."""


def ok(name: str, said: str) -> Check:
    return Check(name=name, verdict=Verdict.OK, said=said)


def warning(name: str, said: str, remedy: str) -> Check:
    return Check(name=name, verdict=Verdict.WARNING, said=said, remedy=remedy)


def problem(name: str, said: str, remedy: str = "") -> Check:
    return Check(name=name, verdict=Verdict.PROBLEM, said=said, remedy=remedy)


def untried(name: str, said: str) -> Check:
    return Check(name=name, verdict=Verdict.UNTRIED, said=said)


# --- this machine ---------------------------------------------------------------------------------


def check_engine(engine: Engine | None) -> Iterator[Check]:
    """The Pulumi CLI, and what it needs for programs in Python."""
    least = dotted(ENGINE_AT_LEAST)
    install = f"install Pulumi {least} or newer, or run `make up`, which builds one"
    if engine is None:
        yield problem("engine", "there is no pulumi on PATH", install)
        yield untried("language host", "there is no engine")
        return
    said = engine.version.said.strip()
    version = version_of(said)
    if engine.version.failure:
        yield problem("engine", f"{engine.path}: {engine.version.failure}", install)
    elif not version:
        yield problem("engine", f"{engine.path} does not tell its version", install)
    elif version < ENGINE_AT_LEAST:
        yield problem("engine", f"{engine.path} is {said}, older than {least}", install)
    elif version[:2] > ENGINE_TRIED:
        remedy = f"it is newer than what was tested; the newest that was is {dotted(ENGINE_TRIED)}"
        yield warning("engine", f"pulumi {said.removeprefix('v')}, {engine.path}", remedy)
    else:
        yield ok("engine", f"pulumi {said.removeprefix('v')}, {engine.path}")
    if engine.missing:
        said = f"{', '.join(engine.missing)}: neither beside pulumi nor on PATH"
        yield problem("language host", said, "install Pulumi with its Python language host")
    else:
        yield ok("language host", "beside pulumi, or on PATH")


def check_python(project: Project, runtime: Runtime, python: Interpreter | None) -> Iterator[Check]:
    """The project, the Python that will run its program, and what is installed there."""
    if project.failure:
        yield problem("project", project.failure, "run this in the folder that has Pulumi.yaml")
        yield untried("python", "which one runs the program is not known")
        return
    yield ok("project", project.name)
    if python is None:
        if runtime.virtualenv:
            said, remedy = f"there is no {runtime.virtualenv}/bin/python", "run `make setup`"
        else:
            said, remedy = "there is no python3 on PATH", "install Python"
        yield problem("python", said, remedy)
        return
    if python.failure:
        yield problem("python", f"{runtime.python}: {python.failure}", "make the environment anew")
        return
    yield _python_version(runtime.python, python.version)
    yield _packages(python)


def _python_version(path: str, version: tuple[int, ...]) -> Check:
    said = f"Python {dotted(version)}, {path}"
    if version[:2] < PYTHON_AT_LEAST:
        return problem("python", said, f"use Python {dotted(PYTHON_AT_LEAST)} or newer")
    if version[:2] > PYTHON_TRIED:
        remedy = f"it is newer than what was tried; {dotted(PYTHON_TRIED)} is the newest that was"
        return warning("python", said, remedy)
    return ok("python", said)


def _packages(python: Interpreter) -> Check:
    if DISTRIBUTION not in python.packages:
        said = f"{DISTRIBUTION} is not installed in the program's environment"
        return problem("packages", said, "run `make setup`, or install it there")
    needed = {name: bounds for name, bounds in map(requirement_of, python.requires) if name}
    versions = {name: python.packages.get(name, "") for name in needed}
    wrong = [
        f"{name} {version or 'is missing'} ({DISTRIBUTION} needs {needed[name]})"
        for name, version in versions.items()
        if not within(version, needed[name])
    ]
    if wrong:
        return problem("packages", ", ".join(wrong), "run `make setup`, or install it there")
    ours = {DISTRIBUTION: python.packages[DISTRIBUTION], **versions}
    return ok("packages", ", ".join(f"{name} {version}" for name, version in ours.items()))


# --- the backend ----------------------------------------------------------------------------------

_ENCRYPTED_BY_PASSPHRASE = re.compile(r"^encryptionsalt:", re.MULTILINE)
_PASSPHRASES = ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE")


def check_backend(stack: str, names: Sequence[str], failure: str) -> Check:
    """Whether the engine reaches its state, and has the stack there."""
    if failure:
        return problem("backend", failure, "`pulumi login`, or set PULUMI_BACKEND_URL")
    if stack and stack not in names:
        return problem("backend", f"there is no stack {stack}", f"`pulumi stack init {stack}`")
    return ok("backend", f"stack {stack}" if stack else counted(len(names), "stack"))


def check_locks(locks: Sequence[Lock]) -> Iterator[Check]:
    """Each lock that an update would meet."""
    for lock in locks:
        locked = f"stack {lock.stack} is locked by"
        whose = f"({lock.who}, process {lock.pid}, since {lock.since})"
        cancel = f"`pulumi cancel --stack {lock.stack}`"
        if lock.here and not lock.runs:
            said = f"{locked} a run that is over {whose}"
            remedy = f"make sure that nobody updates the stack, then run {cancel}"
            yield problem("lock", said, remedy)
        elif lock.here:
            yield warning("lock", f"{locked} a run {whose}", "wait until it has ended")
        else:
            said = f"{locked} a run on another machine {whose}"
            yield warning("lock", said, f"wait until it has ended; if it was killed, run {cancel}")


def check_passphrase(text: str, environ: Mapping[str, str]) -> Iterator[Check]:
    """Whether the engine will ask for a passphrase, which a pipeline cannot answer."""
    if _ENCRYPTED_BY_PASSPHRASE.search(text):
        if any(name in environ for name in _PASSPHRASES):
            yield ok("passphrase", "set in the environment")
        else:
            said = "the stack is encrypted by a passphrase, and the engine will ask for it"
            yield warning("passphrase", said, f"set {' or '.join(_PASSPHRASES)} for pipelines")


# --- the stack and the environment ----------------------------------------------------------------


def check_stack_file(
    file: str, deliveries: int, reasons: Sequence[Reason], engine_only: Sequence[Reason]
) -> Iterator[Check]:
    """Every fault of the stack file; what only the engine can read is none to the engine."""
    yield from check_environment(reasons)
    for reason in reasons:
        if reason in engine_only:
            remedy = "nothing needs to be done for pulumi; our own commands refuse the file"
            yield warning("stack file", str(reason), remedy)
        elif not _of_environment(reason):
            yield problem("stack file", str(reason))
    if all(map(_of_environment, reasons)):
        yield ok("stack file", f"{file}, {counted(deliveries, 'delivery')}")


def check_environment(reasons: Sequence[Reason]) -> Iterator[Check]:
    """Every fault of the settings that the environment has."""
    for reason in filter(_of_environment, reasons):
        yield problem("environment", str(reason))


def _of_environment(reason: Reason) -> bool:
    return bool(reason.path) and reason.path[0].startswith(ENVIRON_PREFIX)


_LOOSENING = ("closeLimit", "otherEndpoint", "preflight")
"""Settings that are meant for one run, and that let more happen."""


def check_overrides(overridden: frozenset[str], environ: Mapping[str, str]) -> Iterator[Check]:
    """The settings that the environment says for every run of this shell."""
    for one in SETTINGS:
        if one.field not in overridden:
            continue
        secret = isinstance(one.kind, Text) and one.kind.secret
        value = "***" if secret else shown(environ[one.environ_name])
        said = f"{one.environ_name}={value} overrides {one.config_key}"
        if one.key in _LOOSENING:
            remedy = "meant for one run; unset it afterwards"
            yield warning("environment", said, remedy)
        else:
            yield ok("environment", said)
    for word in (CLOSE_WORD, LAST_LOG_WORD):
        if environ.get(word):
            said = f"{word}={shown(environ[word])} names logs that any run of this shell may close"
            yield warning("environment", said, "meant for one run; unset it afterwards")


def check_proxies(endpoint: Endpoint, environ: Mapping[str, str]) -> Iterator[Check]:
    """Which way the calls go, where the environment names a proxy."""
    exception = exception_for(endpoint, environ)
    if proxy := proxy_for(endpoint, environ):
        yield ok("proxy", f"calls to {endpoint.host} go through {proxy}")
    elif exception and not endpoint.loopback:
        said = f"calls to {endpoint.host} go directly, by {shown(exception)} in NO_PROXY"
        yield ok("proxy", said)


# --- the cloud ------------------------------------------------------------------------------------


def check_reached(what: str, reached: Reached) -> Check:
    """Whether anybody answers at an endpoint."""
    if reached.failure:
        remedy = reached.remedy or "check the network, the proxy and the endpoint's name"
        return problem(what, f"{reached.endpoint}: {reached.failure}", remedy)
    return ok(what, f"{reached.endpoint} answers in {reached.seconds * 1000:.0f} ms")


def check_clock(reached: Sequence[Reached]) -> Check:
    """This machine's clock against that of who answered."""
    known = [one for one in reached if one.ahead is not None]
    if not known:
        return untried("clock", "nobody told the time")
    worst = max(known, key=lambda one: abs(one.ahead or 0))
    off = worst.ahead or 0.0
    way = "behind" if off > 0 else "ahead of"
    said = f"{abs(off):.0f} s {way} {worst.endpoint}"
    if abs(off) >= CLOCK_LIMIT_S:
        return problem("clock", said, "set this machine's clock: the cloud refuses such calls")
    if abs(off) >= CLOCK_WARNING_S:
        return warning("clock", said, "set this machine's clock: at 15 minutes calls are refused")
    return ok("clock", said)


def check_identity(
    found: Identity | CloudSiemError, source: str, perspective: Perspective
) -> Iterator[Check]:
    """Whose credentials there are."""
    if isinstance(found, CloudSiemError):
        yield problem("credentials", str(found))
        yield untried("identity", "there are no usable credentials")
        return
    yield ok("credentials", f"from {source}")
    said = f"account {found.account} ({found.arn})"
    if found.account == perspective.account:
        yield ok("identity", said)
    else:
        remedy = f"use credentials of {perspective.account}, or a role in it (cloud-siem:roleArn)"
        said += f", and the stack declares account {perspective.account}"
        yield problem("identity", said, remedy)


def check_list(found: Snapshot | CloudSiemError) -> Iterator[Check]:
    """What ListDelivery says, and how much of it this caller may switch."""
    if isinstance(found, CloudSiemError):
        yield problem("ListDelivery", str(found))
        return
    products = counted(len(found.products), "product")
    yield ok("ListDelivery", f"{counted(len(found.logs), 'log')} of {products}")
    operable = sum(log.operable for log in found.logs)
    if operable or not found.logs:
        yield ok("operable", f"{operable} of {counted(len(found.logs), 'log')}")
    else:
        said = f"this caller may switch none of {counted(len(found.logs), 'log')}"
        remedy = "only the delegated administrator of threat analysis may switch a delivery"
        yield warning("operable", said, remedy)


def check_deliveries(declared: int, faults: Sequence[Fault]) -> Iterator[Check]:
    """What the gate would refuse at the next preview."""
    for fault in faults[:MAX_REASONS]:
        yield problem("deliveries", str(fault))
    if (more := len(faults) - MAX_REASONS) > 0:
        yield problem("deliveries", f"{counted(more, 'more delivery')} like these")
    if not faults:
        yield ok("deliveries", f"all {declared} declared can be as declared")


def check_writes() -> Check:
    """What a look cannot tell."""
    return untried(
        "writes",
        "only an update writes; it needs yundun-sas:OpenDelivery and yundun-sas:CloseDelivery",
    )
