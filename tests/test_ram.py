"""Every policy is enough for what it is for, and no more; a permission that is missing is named."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any, cast

import pytest

from cloud_siem.cli import main
from cloud_siem.model import Delivery, State
from cloud_siem.ram import PURPOSES, Purpose, purposes_table
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, ANY_CLOSE, AUDIT, HERE, PROC, WAF
from tests.harness import Harness, Program, Run

ROOT = Path(__file__).parent.parent
APPLY, REVIEW, NEVER_CLOSE, _ = PURPOSES
ASSUME = "sts:AssumeRole"
ROLE = f"acs:ram::{ACCOUNT}:role/siem-delivery"
STACK = f"""
config:
  cloud-siem:account: "{ACCOUNT}"
  cloud-siem:region: cn-hangzhou
  cloud-siem:deliveries:
    waf: {{"*": open}}
"""

Told = list[str]
"""What a flow told that went wrong."""


def grant(siem: EmulatorServer, *purposes: Purpose) -> None:
    """Allow the key of the environment what these say together, and nothing else."""
    parts: list[Any] = [part for one in purposes for part in cast("Any", one.policy["Statement"])]
    some = [part for part in parts if part["Action"]]  # no policy may have a statement of nothing
    siem.control("grants", key=siem.key().id, policy={"Version": "1", "Statement": some})


def without(purpose: Purpose, action: str) -> Purpose:
    """The same purpose with one permission taken away."""
    return replace(purpose, allowed=tuple(one for one in purpose.allowed if one != action))


def harness_on(siem: EmulatorServer, folder: Path, **settings: str) -> Harness:
    environ = {"CLOUD_SIEM_ENDPOINT": siem.url, "CLOUD_SIEM_REQUEST_RATE": "100000"}

    return Harness(environ=environ | settings, folder=folder)


def program(audit: State = State.OPEN) -> Program:
    """One log that is open already, one that is not, and a whole product."""
    declared = ((AUDIT, audit), (PROC, State.OPEN), (WAF, State.OPEN))
    deliveries = tuple(Delivery(key=key, state=state) for key, state in declared)

    return Program(perspective=HERE, deliveries=deliveries)


def told_of(runs: Sequence[Run]) -> Told:
    return [failure for run in runs for failure in run.failures]


# --- the flows -----------------------------------------------------------------------------------


def applies(siem: EmulatorServer, purpose: Purpose, folder: Path) -> Told:
    """Open, close, destroy."""
    grant(siem, purpose)
    harness = harness_on(siem, folder, **ANY_CLOSE)

    return told_of(
        [harness.up(program()), harness.up(program(audit=State.CLOSED)), harness.destroy()]
    )


def reviews(siem: EmulatorServer, purpose: Purpose, folder: Path) -> Told:
    """Look at what somebody else has applied: preview, refresh, `cloud-siem list`."""
    harness = harness_on(siem, folder)
    assert harness.up(program()).ok
    siem.calls.clear()
    grant(siem, purpose)
    file = folder / "Pulumi.dev.yaml"
    file.write_text(STACK, encoding="utf-8")
    told = told_of(
        [
            harness.preview(program(audit=State.CLOSED)),
            harness.preview(program(), refresh=True),
            harness.refresh(),
        ]
    )

    return told or ([] if main(["list", str(file)]) == 0 else ["cloud-siem list failed"])


def opens(siem: EmulatorServer, purpose: Purpose, folder: Path) -> Told:
    """Open, and open again what was closed by hand."""
    grant(siem, purpose)
    harness = harness_on(siem, folder)
    first = harness.up(program())
    siem.switch("waf", state="closed")

    return told_of([first, harness.up(program(), refresh=True)])


def lists_members(siem: EmulatorServer, purpose: Purpose, folder: Path) -> Told:
    """`cloud-siem fleet accounts`, of a project that has no stack yet."""
    grant(siem, purpose)
    told = StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stderr(told):
        main(["fleet", "accounts", "--administrator", ACCOUNT, "--region", "cn-hangzhou"])

    return told.getvalue().splitlines()


FLOWS: dict[str, Callable[[EmulatorServer, Purpose, Path], Told]] = {
    "apply": applies,
    "review": reviews,
    "never-close": opens,
    "accounts": lists_members,
}


@pytest.fixture(autouse=True)
def at_the_emulator(siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the command line, which reads the environment itself."""
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)


# --- the policies --------------------------------------------------------------------------------


@pytest.mark.parametrize("purpose", PURPOSES, ids=lambda one: one.name)
def test_each_policy_is_enough_and_no_permission_in_it_is_idle(
    siem: EmulatorServer, purpose: Purpose, tmp_path: Path
) -> None:
    """The flow goes through, and uses each action that is allowed and none besides."""
    told = FLOWS[purpose.name](siem, purpose, tmp_path)
    used = {f"yundun-sas:{call.action}" for call in siem.calls.all()}

    assert told == []
    assert used - {"yundun-sas:GetCallerIdentity"} == set(purpose.allowed)


@pytest.mark.parametrize(
    ("purpose", "action"),
    [(purpose, action) for purpose in PURPOSES for action in purpose.allowed],
    ids=lambda one: one.name if isinstance(one, Purpose) else one.partition(":")[2],
)
def test_a_missing_permission_is_named_with_the_way_out(
    siem: EmulatorServer, purpose: Purpose, action: str, tmp_path: Path
) -> None:
    """The 403 becomes a sentence: which action of which call, what to grant, and the RequestId."""
    told = FLOWS[purpose.name](siem, without(purpose, action), tmp_path)
    refused = [call.request_id for call in siem.calls.all() if call.status == 403]

    assert told
    for sentence in told:
        assert f"{action.partition(':')[2]} " in sentence
        assert f"failed: the caller has no permission for {action} " in sentence
        assert f"grant {action} on * to the user or role" in sentence
        assert re.search(r"\[NoPermission, HTTP 403, RequestId ([0-9A-F-]{36})\]$", sentence)
        assert sentence.rpartition("RequestId ")[2].rstrip("]") in refused


@pytest.mark.parametrize("also", [(), (APPLY,)], ids=["alone", "beside a policy that allows it"])
def test_who_may_never_close_does_not_close_whatever_else_allows_it(
    siem: EmulatorServer, also: tuple[Purpose, ...], tmp_path: Path
) -> None:
    """A declared close and a destroy are refused in words that say why no grant will help."""
    harness = harness_on(siem, tmp_path, **ANY_CLOSE)
    grant(siem, APPLY)
    assert harness.up(program()).ok
    before = siem.open_logs()

    grant(siem, NEVER_CLOSE, *also)
    told = told_of([harness.up(program(audit=State.CLOSED)), harness.destroy()])

    assert len(told) >= 2
    for sentence in told:
        assert (
            "failed: a policy of the caller explicitly denies yundun-sas:CloseDelivery" in sentence
        )
        assert "a grant does not help, since a Deny wins" in sentence
        assert re.search(r"\[NoPermission, HTTP 403, RequestId [0-9A-F-]{36}\]$", sentence)
    assert siem.open_logs() == before


# --- roles ---------------------------------------------------------------------------------------


def test_with_a_role_the_policy_is_the_roles_and_the_caller_needs_only_to_assume_it(
    siem: EmulatorServer, tmp_path: Path
) -> None:
    """As --help says; without that one permission the sentence names it."""
    caller = Purpose(name="caller", doc="", allowed=(ASSUME,))
    grant(siem, caller)
    siem.control("grants", account=ACCOUNT, role="siem-delivery", policy=APPLY.policy)
    settings = {"CLOUD_SIEM_ROLE_ARN": ROLE, **ANY_CLOSE}
    harness = harness_on(siem, tmp_path, **settings)

    assert told_of([harness.up(program()), harness.destroy()]) == []

    grant(siem, without(caller, ASSUME))
    [told] = told_of([harness.up(program())])

    assert "the role could not be assumed" in told
    assert f"that the caller may do {ASSUME}" in told
    assert re.search(r"\[NoPermission, HTTP 403, RequestId [0-9A-F-]{36}\]$", told)


# --- one truth -----------------------------------------------------------------------------------


def test_the_docs_have_the_table() -> None:
    assert purposes_table() in (ROOT / "docs" / "safety.md").read_text(encoding="utf-8")
