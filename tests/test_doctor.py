from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cloud_siem import doctor
from cloud_siem.convert import Identity
from cloud_siem.doctor import Check, Verdict
from cloud_siem.endpoint import Endpoint
from cloud_siem.errors import DeniedError, Place, Reason
from cloud_siem.machine import DISTRIBUTION, Answer, Engine, Interpreter, Runtime
from cloud_siem.model import Log, Snapshot, State
from cloud_siem.preflight import Fault
from cloud_siem.project import Project
from cloud_siem.reach import Reached
from cloud_siem.versions import dotted
from tests.conftest import ACCOUNT, HERE, OTHER_ACCOUNT, PROC

OK, WARNING, PROBLEM, UNTRIED = Verdict
ROOT = Path(__file__).parent.parent
SIEM = Endpoint.parse("cloud-siem.cn-shanghai.aliyuncs.com")
LOCAL = Endpoint.parse("127.0.0.1:1")


def verdicts(checks: Iterable[Check]) -> list[tuple[str, Verdict]]:
    return [(one.name, one.verdict) for one in checks]


# --- the machine ----------------------------------------------------------------------------------


def engine(version: str, missing: tuple[str, ...] = (), failure: str = "") -> Engine:
    return Engine(path="/p", version=Answer(said=version, failure=failure), missing=missing)


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("v3.229.0\n", OK),
        ("v3.259.0", OK),
        ("v3.274.9", OK),
        ("v3.275.0", WARNING),
        ("3.1000.0", WARNING),
        ("v3.228.9", PROBLEM),
        ("v2.99.0", PROBLEM),
        ("", PROBLEM),
    ],
)
def test_an_engine_is_recent_enough_or_a_problem(version: str, verdict: Verdict) -> None:
    """One that does not tell its version is not known to be."""
    assert verdicts(doctor.check_engine(engine(version))) == [
        ("engine", verdict),
        ("language host", OK),
    ]


def test_a_missing_engine_and_a_missing_host_are_problems_with_a_way_out() -> None:
    """The host's parts are named."""
    none = list(doctor.check_engine(None))
    no_host = list(doctor.check_engine(engine("v3.259.0", missing=("pulumi-language-python",))))
    broken = list(doctor.check_engine(engine("", failure="it does not start")))

    assert verdicts(none) == [("engine", PROBLEM), ("language host", UNTRIED)]
    assert no_host[1].said == "pulumi-language-python: neither beside pulumi nor on PATH"
    assert "it does not start" in broken[0].said
    assert all(one.remedy for one in (none[0], no_host[1], broken[0]))


def test_the_tested_versions_are_those_of_the_readme_and_of_our_own_tools() -> None:
    """One number, in three places."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    spec = importlib.util.find_spec("engine")  # tools/engine.py
    assert spec
    assert spec.loader
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)

    assert tool.MINIMUM == doctor.ENGINE_AT_LEAST
    assert tool.VERSIONS["oldest"] == f"v{dotted(doctor.ENGINE_AT_LEAST)}"
    assert tool.VERSIONS["newest"].startswith(f"v{dotted(doctor.ENGINE_TRIED)}.")
    tested = "CLI {}.{} to {}.{}".format(*doctor.ENGINE_AT_LEAST[:2], *doctor.ENGINE_TRIED)
    assert tested in readme
    assert "{}.{} to {}.{}".format(*doctor.PYTHON_AT_LEAST, *doctor.PYTHON_TRIED) in readme


SOUND = Interpreter(
    version=(3, 11, 7),
    packages={DISTRIBUTION: "0.1.0", "pulumi": "3.272.0", "pyyaml": "6.0.3"},
    requires=("pulumi<4,>=3.216", "pyyaml<7,>=6.0.1", 'aiohttp>=3; extra == "emulator"'),
)
PROJECT = Project(folder=Path(), stack_folder=Path("stacks"), name="cloud-siem")
RUNTIME = Runtime(python="/v/bin/python", virtualenv=".venv")


@pytest.mark.parametrize(
    ("python", "found"),
    [
        (SOUND, [("python", OK), ("packages", OK)]),
        (replace(SOUND, version=(3, 10, 1)), [("python", PROBLEM), ("packages", OK)]),
        (replace(SOUND, version=(3, 99, 0)), [("python", WARNING), ("packages", OK)]),
        (replace(SOUND, packages={}), [("python", OK), ("packages", PROBLEM)]),
        (Interpreter(failure="does not start"), [("python", PROBLEM)]),
        (None, [("python", PROBLEM)]),
    ],
)
def test_the_python_of_the_program_and_its_packages(
    python: Interpreter | None, found: list[tuple[str, Verdict]]
) -> None:
    """Not that of the person: the program runs in an environment of its own."""
    assert verdicts(doctor.check_python(PROJECT, RUNTIME, python)) == [("project", OK), *found]


def test_each_package_that_does_not_fit_is_named_with_what_is_needed() -> None:
    """An extra's packages may be missing."""
    packages = {DISTRIBUTION: "0.1.0", "pulumi": "3.215.0"}
    *_, check = doctor.check_python(PROJECT, RUNTIME, replace(SOUND, packages=packages))

    assert check.said == (
        "pulumi 3.215.0 (pulumi-cloud-siem needs <4,>=3.216),"
        " pyyaml is missing (pulumi-cloud-siem needs <7,>=6.0.1)"
    )


def test_outside_of_a_project_nobody_knows_which_python_it_is() -> None:
    """Which is said, not guessed."""
    nowhere = replace(PROJECT, failure="there is no Pulumi.yaml")
    checks = doctor.check_python(nowhere, RUNTIME, None)

    assert verdicts(checks) == [("project", PROBLEM), ("python", UNTRIED)]


# --- the backend ----------------------------------------------------------------------------------


def test_the_backend_has_the_stack_or_the_way_to_it_is_told() -> None:
    """A stack that is not initialised, and a backend that nobody is logged in to."""
    there = doctor.check_backend("prod", ["dev", "prod"], "")
    absent = doctor.check_backend("prod", ["dev"], "")
    failed = doctor.check_backend("prod", [], "PULUMI_ACCESS_TOKEN must be set")

    assert [one.verdict for one in (there, absent, failed)] == [OK, PROBLEM, PROBLEM]
    assert absent.remedy == "`pulumi stack init prod`"
    assert "login" in failed.remedy


@pytest.mark.parametrize(
    ("text", "environ", "found"),
    [
        ("config: {}\n", {}, []),
        ("secretsprovider: awskms://x\nconfig: {}\n", {}, []),
        ("# x\nencryptionsalt: v1:x\n", {}, [WARNING]),
        ("encryptionsalt: v1:x\n", {"PULUMI_CONFIG_PASSPHRASE": ""}, [OK]),
        ("encryptionsalt: v1:x\n", {"PULUMI_CONFIG_PASSPHRASE_FILE": "f"}, [OK]),
    ],
)
def test_a_passphrase_that_will_be_asked_for_is_a_warning(
    text: str, environ: dict[str, str], found: list[Verdict]
) -> None:
    """A person can type it, a pipeline cannot; it may be empty."""
    assert [one.verdict for one in doctor.check_passphrase(text, environ)] == found


# --- the stack and the environment ----------------------------------------------------------------


def test_faults_are_of_the_file_or_of_the_environment() -> None:
    """What only the engine can read is no obstacle to the engine."""
    in_file = Reason(message="m", place=Place(file="f"))
    in_environment = Reason(message="m", path=("CLOUD_SIEM_DEADLINE",))
    secret = Reason(message="s", place=Place(file="f", line=1))
    reasons = [in_file, in_environment, secret]

    assert verdicts(doctor.check_stack_file("f", 0, reasons, [secret])) == [
        ("environment", PROBLEM),
        ("stack file", PROBLEM),
        ("stack file", WARNING),
    ]
    assert verdicts(doctor.check_stack_file("f", 3, [], [])) == [("stack file", OK)]
    assert verdicts(doctor.check_stack_file("f", 3, [in_environment], [])) == [
        ("environment", PROBLEM),
        ("stack file", OK),
    ]


def test_overrides_in_force_are_shown_and_those_that_let_more_happen_are_warned_of() -> None:
    """What the cloud's trust policy asks for stays secret."""
    environ = {
        "CLOUD_SIEM_ENDPOINT": "127.0.0.1:1",
        "CLOUD_SIEM_CLOSE_LIMIT": "99",
        "CLOUD_SIEM_ROLE_EXTERNAL_ID": "not-to-be-shown",
    }
    fields = frozenset({"own_endpoint", "close_limit", "role_external_id"})
    checks = list(doctor.check_overrides(fields, environ))

    assert [(one.verdict, one.said) for one in checks] == [
        (OK, 'CLOUD_SIEM_ENDPOINT="127.0.0.1:1" overrides cloud-siem:endpoint'),
        (OK, "CLOUD_SIEM_ROLE_EXTERNAL_ID=*** overrides cloud-siem:roleExternalId"),
        (WARNING, 'CLOUD_SIEM_CLOSE_LIMIT="99" overrides cloud-siem:closeLimit'),
    ]


@pytest.mark.parametrize(
    ("endpoint", "environ", "said"),
    [
        (SIEM, {}, []),
        (SIEM, {"HTTPS_PROXY": "http://p:1"}, ["go through http://p:1 (HTTPS_PROXY)"]),
        (SIEM, {"ALL_PROXY": "http://p:1"}, ["go through http://p:1 (ALL_PROXY)"]),
        (SIEM, {"https_proxy": "http://p:1", "no_proxy": ".com"}, ['go directly, by ".com"']),
        (SIEM, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "x"}, ["go through http://p:1"]),
        (SIEM, {"HTTP_PROXY": "http://p:1"}, []),
        (LOCAL, {"HTTP_PROXY": "http://p:1", "NO_PROXY": "x"}, []),
        (LOCAL, {"HTTP_PROXY": "http://p:1", "NO_PROXY": "*"}, []),
    ],
)
def test_the_proxy_of_the_calls_is_reported_or_the_entry_by_which_they_go_directly(
    endpoint: Endpoint, environ: dict[str, str], said: list[str]
) -> None:
    checks = list(doctor.check_proxies(endpoint, environ))

    assert [one.verdict for one in checks] == [OK] * len(said)
    for check, words in zip(checks, said, strict=True):
        assert words in check.said


# --- the cloud ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ahead", "verdict", "said"),
    [
        (None, UNTRIED, "nobody told the time"),
        (0.4, OK, "0 s behind"),
        (-299.0, OK, "299 s ahead of"),
        (300.0, WARNING, "300 s behind"),
        (-899.0, WARNING, "899 s ahead of"),
        (901.0, PROBLEM, "901 s behind"),
    ],
)
def test_a_clock_is_a_problem_where_the_cloud_refuses_its_calls(
    ahead: float | None, verdict: Verdict, said: str
) -> None:
    """The worst of all that were asked counts."""
    near = Reached(endpoint=LOCAL, ahead=None if ahead is None else 0.1)
    check = doctor.check_clock([near, Reached(endpoint=SIEM, ahead=ahead)])

    assert check.verdict is verdict
    assert check.said.startswith(said)


def test_an_endpoint_answers_or_the_cause_is_told() -> None:
    """With its name, and what to look at."""
    there = doctor.check_reached("endpoint", Reached(endpoint=SIEM, seconds=0.0834))
    lost = doctor.check_reached("STS", Reached(endpoint=SIEM, failure="Connection refused"))

    assert (there.verdict, there.said) == (OK, f"{SIEM} answers in 83 ms")
    assert (lost.name, lost.verdict) == ("STS", PROBLEM)
    assert lost.said == f"{SIEM}: Connection refused"


def test_credentials_are_told_by_source_and_account() -> None:
    """Another account's are a problem; an error of the cloud's says itself what to do."""
    mine = doctor.check_identity(Identity(account=ACCOUNT, arn="arn"), "default/env", HERE)
    theirs = list(
        doctor.check_identity(Identity(account=OTHER_ACCOUNT, arn="arn"), "default/env", HERE)
    )
    none = doctor.check_identity(DeniedError("no", action="GetCallerIdentity"), "", HERE)

    assert verdicts(mine) == [("credentials", OK), ("identity", OK)]
    assert verdicts(theirs) == [("credentials", OK), ("identity", PROBLEM)]
    assert f"account {OTHER_ACCOUNT} (arn), and the stack declares account {ACCOUNT}" in (
        theirs[1].said
    )
    assert verdicts(none) == [("credentials", PROBLEM), ("identity", UNTRIED)]


def test_a_caller_that_may_switch_nothing_is_a_warning() -> None:
    """A stack of deliveries that are as declared needs no more."""
    log = Log(product="a", log="b", state=State.OPEN, operable=False)
    none = Snapshot(perspective=HERE, logs=(log,), taken_at=datetime.now(UTC))
    some = replace(none, logs=(log, replace(log, log="c", operable=True)))

    assert verdicts(doctor.check_list(none)) == [("ListDelivery", OK), ("operable", WARNING)]
    assert [one.said for one in doctor.check_list(some)] == [
        "2 logs of 1 product",
        "1 of 2 logs",
    ]
    assert verdicts(doctor.check_list(DeniedError("no", action="ListDelivery"))) == [
        ("ListDelivery", PROBLEM)
    ]


def test_what_the_gate_would_refuse_is_a_problem_each() -> None:
    """In the gate's own words."""
    fault = Fault(key=PROC, field="log", message="sas has no log x")

    assert [one.said for one in doctor.check_deliveries(2, [fault, fault])] == [
        "sas has no log x",
        "sas has no log x",
    ]
    assert verdicts(doctor.check_deliveries(2, [])) == [("deliveries", OK)]


def test_writes_are_only_said_to_be_untried() -> None:
    """There is no way to ask without writing; the permissions are named."""
    assert doctor.check_writes().verdict is UNTRIED
    assert "yundun-sas:CloseDelivery" in doctor.check_writes().said
