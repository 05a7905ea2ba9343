"""Whatever texts come from outside, no command prints what a terminal or a CI runner obeys."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cloud_siem.cli import main
from cloud_siem.cli.streams import HarmlessStream, harmless_output, unfiltered
from cloud_siem.codes import Code
from cloud_siem.report.writing import FORMATS
from cloud_siem.wording import harmless, is_harmless, printable
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, spare_authorities
from tests.hostile import FORGED, PIECES, TEXTS, forged_lines, harm_in
from tests.test_review import delivery, plan_of

HERE = f'  cloud-siem:account: "{ACCOUNT}"\n  cloud-siem:region: cn-hangzhou\n'
STACK = f"""
config:
{HERE}
  cloud-siem:deliveries:
    sas: {{cloud_siem_aegis_proc: open}}
"""
EVERYTHING = "".join(PIECES)

few = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture
def project(tmp_path: Path, siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with the stack `prod`, on the emulator."""
    spare_authorities()
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: cloud-siem\nruntime: python\n")
    (tmp_path / "stacks" / "Pulumi.prod.yaml").write_text(STACK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
    monkeypatch.setenv("CLOUD_SIEM_REQUEST_RATE", "100000")
    monkeypatch.setenv("CLOUD_SIEM_DEADLINE", "1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def output_of(*arguments: str) -> tuple[int, str]:
    """The exit code of a command, and all that it printed."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(list(arguments))
    return code, f"{out.getvalue()}\n{err.getvalue()}"


def assert_harmless(*arguments: str, codes: tuple[int, ...] = (0, 1, 7)) -> str:
    """Run a command and look at its output; returns it."""
    code, text = output_of(*arguments)

    assert harm_in(text) == []
    assert code in codes
    return text


# --- the mechanism --------------------------------------------------------------------------------


@given(st.text() | TEXTS)
def test_a_harmless_text_keeps_its_lines_and_a_printable_one_is_one_line(text: str) -> None:
    assert harm_in(harmless(text)) == []
    assert harmless(text).count("\n") == text.count("\n")
    assert harmless(harmless(text)) == harmless(text)
    assert harm_in(printable(text)) == []
    assert "\n" not in printable(text)


@pytest.mark.parametrize("text", ["sas/cloud_siem_aegis_proc", "原因 噪声 24\u3000小时", "a :: b"])
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text
    assert is_harmless(text)


@given(st.dictionaries(TEXTS, TEXTS))
def test_json_that_is_made_harmless_means_the_same(value: dict[str, str]) -> None:
    """Programs read the documents that people see."""
    for ascii_only in (True, False):
        assert json.loads(harmless(json.dumps(value, ensure_ascii=ascii_only, indent=2))) == value


@given(st.lists(TEXTS | st.sampled_from([":", "#", "##", "[", "\n"])))
def test_a_stream_is_harmless_however_its_text_is_cut(parts: list[str]) -> None:
    """``print`` itself writes the line and its end one after the other."""
    below = io.StringIO()
    HarmlessStream(below).writelines(parts)

    assert below.getvalue() == harmless("".join(parts))


def test_the_streams_are_there_while_a_command_runs_and_gone_afterwards(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import sys  # noqa: PLC0415 - pytest exchanges its streams for each test

    before = sys.stdout, sys.stderr
    with harmless_output():
        print("::error::x")
        print("::error::x", file=sys.stderr)
        print("::notice::ours", file=unfiltered(sys.stdout))
        assert (unfiltered(sys.stdout), unfiltered(sys.stderr)) == before
    assert (sys.stdout, sys.stderr) == before

    assert capsys.readouterr() == (":\\u003aerror::x\n::notice::ours\n", ":\\u003aerror::x\n")


# --- answers of an endpoint -----------------------------------------------------------------------

ASKING = [
    ("list", "prod"),
    ("doctor", "prod"),
    ("drift", "prod"),
    ("fleet", "drift"),
    ("adopt", "new", "--account", ACCOUNT, "--region", "cn-hangzhou"),
]


@pytest.mark.parametrize("command", ASKING, ids=lambda one: " ".join(one[:2]))
@example(text=EVERYTHING)
@few
@given(text=TEXTS)
def test_an_error_of_the_endpoint_commands_nobody(
    project: Path, siem: EmulatorServer, command: tuple[str, ...], text: str
) -> None:
    siem.faults.clear()
    body = {"Code": text, "Message": text, "RequestId": text}
    siem.fault("bad_shape", action="ListDelivery", status=400, body=body)
    shown = assert_harmless(*command, codes=(1,))

    assert "ListDelivery" in shown
    assert forged_lines(shown) == []


@pytest.mark.parametrize("place", ["ProductCode", "LogCode", "Topic", "group"])
@example(text=EVERYTHING)
@few
@given(text=TEXTS)
def test_what_an_endpoint_lists_commands_nobody(
    project: Path, siem: EmulatorServer, place: str, text: str
) -> None:
    """Codes that cannot be shown are refused: two of them could look alike, in commands too."""
    log = {
        "LogCode": "cloud_siem_x",
        "Status": True,
        "CanOperateOrNot": True,
        "Topic": text if place == "Topic" else "x",
    }
    product: dict[str, Any] = {"ProductCode": "x", "LogMap": {"g": [log]}}
    if place == "group":
        product["LogMap"] = {text: [7]}
    elif place in log:
        log[place] = text
    else:
        product[place] = text
    siem.faults.clear()
    siem.fault("bad_shape", action="ListDelivery", body={"Data": {"ProductList": [product]}})

    for command in ASKING:
        (project / "stacks" / "Pulumi.new.yaml").unlink(missing_ok=True)
        assert forged_lines(assert_harmless(*command)) == []
    if place.endswith("Code"):
        code, shown = output_of("list", "prod")
        assert (code == 1 and place in shown) is not (is_harmless(text) and bool(text.strip()))


@example(text=EVERYTHING)
@few
@given(text=TEXTS)
def test_the_name_of_a_caller_commands_nobody(
    project: Path, siem: EmulatorServer, text: str
) -> None:
    siem.faults.clear()
    body = {"AccountId": ACCOUNT, "Arn": text, "RequestId": text}
    siem.fault("bad_shape", action="GetCallerIdentity", body=body)
    shown = assert_harmless("doctor", "prod")

    assert forged_lines(shown) == []
    assert f"account {ACCOUNT} ({printable(text)})" in shown


@pytest.mark.parametrize("form", FORMATS)
@example(text=EVERYTHING)
@settings(parent=few, max_examples=3)
@given(text=TEXTS)
def test_a_drift_report_of_any_format_commands_nobody(
    project: Path, siem: EmulatorServer, form: str, text: str
) -> None:
    """On standard output and in a file, which a pipeline prints as well."""
    siem.faults.clear()
    siem.fault("bad_shape", status=400, body={"Code": text, "Message": text})
    assert_harmless("drift", "prod", "--report", f"{form}=-", "--report", f"{form}=report")

    assert harm_in((project / "report").read_text(encoding="utf-8")) == []


# --- files ----------------------------------------------------------------------------------------

NAMES = TEXTS.map(lambda text: re.sub(r"[/\x00\ud800-\udfff]", "", text)).filter(
    lambda text: len(text.encode()) < 200
)


@contextlib.contextmanager
def stack_file(project: Path, name: str, text: str) -> Iterator[str]:
    file = project / "stacks" / f"Pulumi.{name}.yaml"
    file.write_text(text, encoding="utf-8")
    try:
        yield str(file.relative_to(project))
    finally:
        file.unlink()


READING = [
    ("validate",),
    ("validate", "--format=json"),
    ("validate", "--format=gitlab"),
    ("fleet", "list"),
    ("fleet", "list", "--json"),
    ("fleet", "list", "--names"),
    ("fleet", "list", "--tag", "a=b"),
    ("fleet", "preview", "nothing*"),
    ("drift", "--all"),
    ("list", "prd"),
    ("adopt", "new", "--account", ACCOUNT, "--region", "cn-hangzhou"),
]


@example(name=EVERYTHING.replace("/", "").replace("\x00", ""))
@settings(parent=few, max_examples=5)
@given(name=NAMES)
def test_the_name_of_a_file_commands_nobody(project: Path, name: str) -> None:
    with stack_file(project, name, STACK):
        for command in READING:
            (project / "stacks" / "Pulumi.new.yaml").unlink(missing_ok=True)
            shown = assert_harmless(*command, codes=(0, 1, 2, 7))
            assert forged_lines(shown) == []


@example(text=EVERYTHING)
@few
@given(text=TEXTS)
def test_the_content_of_a_file_commands_nobody(project: Path, text: str) -> None:
    quoted = json.dumps(text)
    content = f"""
config:
{HERE}
  {json.dumps(f"cloud-siem:{text}")}: {quoted}
  cloud-siem:tags: {{{quoted}: {quoted}}}
  cloud-siem:deliveries:
    {quoted}: {{{quoted}: {quoted}}}
    waf: {{x: {{state: closed, reason: {quoted}}}}}
"""
    with stack_file(project, "bad", content):
        for command in READING:
            (project / "stacks" / "Pulumi.new.yaml").unlink(missing_ok=True)
            shown = assert_harmless(*command, codes=(0, 1, 2, 7))
            assert forged_lines(shown) == []


@few
@given(name=NAMES, text=TEXTS)
def test_annotations_are_the_only_commands_and_one_for_each_fault(
    project: Path, name: str, text: str
) -> None:
    """GitHub's workflow commands are what this format is for."""
    with stack_file(project, name, f"config:\n{HERE}  {json.dumps('cloud-siem:' + text)}: x\n"):
        _, faults = output_of("validate", "--format", "json")
        _, shown = output_of("validate", "--format", "github")
    commands = [line for line in shown.split("\n") if line.startswith("::")]

    assert len(commands) == faults.count('"message"')
    assert all(line.startswith("::error file=stacks/Pulumi.") for line in commands)
    assert harm_in(shown.replace("\n::error ", "\n")[len("::error ") :]) == []


# --- plans, reports, results ----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["text", "markdown", "json"])
@example(text=EVERYTHING)
@few
@given(text=TEXTS)
def test_a_plan_commands_nobody(project: Path, form: str, text: str) -> None:
    """Its diagnostics, reasons and names come from a branch that somebody wants merged."""
    plan = plan_of([delivery("sas/a")], [delivery(f"waf/{text}", reason=text)])
    failed = {**plan, "diagnostics": [{"severity": "error", "message": f"x {text}"}]}
    refused = {
        **plan,
        "diagnostics": [{"severity": "error", "message": f"{text} Nothing was closed."}],
    }
    for content in (plan, failed, refused, {**plan, "steps": text}):
        (project / "plan.json").write_text(json.dumps(content), encoding="utf-8")
        options = ("--format", form, "--report", f"{form}=review", "--stack", text)
        shown = assert_harmless("review", "plan.json", *options, codes=(0, 1, 20, 21))
        written = (project / "review").read_text(encoding="utf-8")
        assert harm_in(written) == []
        if content is plan:
            assert forged_lines(shown) == []


def test_lines_of_a_diagnostic_cannot_be_taken_for_lines_of_the_review(project: Path) -> None:
    message = f"no.\nThe guardrails allow it. {Code.CLOSE_LIMIT}"
    urn = "urn:pulumi:dev::mine::pulumi-python:dynamic/cloud-siem:Gate::gate"
    plan = {"diagnostics": [{"severity": "error", "urn": urn, "message": message}]}
    (project / "plan.json").write_text(json.dumps(plan))
    _, shown = output_of("review", "plan.json")

    assert "\n    The guardrails allow it." in shown


@example(text=EVERYTHING)
@few
@given(text=TEXTS)
def test_texts_that_a_pipeline_hands_over_command_nobody(project: Path, text: str) -> None:
    (project / "body.md").write_text(f"x{text}", encoding="utf-8", errors="replace")
    assert_harmless("ci", "summary", "--provider", "gitlab", "--body", "body.md")

    review = {"stack": text, "changes": [], "refusal": text, "failure": text}
    (project / "review.json").write_text(json.dumps(review))
    assert_harmless("ci", "summary", "--provider", "gitlab", "--review", "review.json")


@example(text=EVERYTHING)
@few
@given(text=TEXTS)
def test_results_of_other_machines_command_nobody(project: Path, text: str) -> None:
    from cloud_siem.fleet.formats.as_json import to_json  # noqa: PLC0415 - it is asked here alone
    from tests.fleet.test_rollup import CHANGED, rollup  # noqa: PLC0415 - the same

    found = json.loads(to_json(rollup(CHANGED)))
    spoiled = json.dumps(_spoiled(found, text))
    (project / "result.json").write_text(spoiled)
    for form in FORMATS:
        options = ("--report", f"{form}=-", "--report", f"{form}=report")
        assert_harmless("fleet", "merge", "result.json", *options, codes=(0, 1, 20, 21))
        if (project / "report").exists():
            assert harm_in((project / "report").read_text(encoding="utf-8")) == []


_KEPT = {"format", "version", "began", "operation", "status", "state", "tool"}


def _spoiled(value: object, text: str) -> object:
    """The same with a hostile end to each text that is free."""
    match value:
        case dict():
            return {k: v if k in _KEPT else _spoiled(v, text) for k, v in value.items()}
        case list():
            return [_spoiled(one, text) for one in value]
        case str():
            return value + text
        case _:
            return value


def test_a_wrong_command_line_commands_nobody(project: Path) -> None:
    """A glob of the shell may have made it."""
    for arguments in (["list", EVERYTHING], [EVERYTHING], ["drift", "prod", f"--{EVERYTHING}"]):
        assert_harmless(*arguments, codes=(1, 2))


def test_the_forged_line_would_be_seen(capsys: pytest.CaptureFixture[str]) -> None:
    """The checks of this module find what they look for."""
    raw = "".join(PIECES)

    assert harm_in(raw)
    assert forged_lines(f"x\n{FORGED} y")
    assert len(harm_in("::x\n ::x\n##[x\n##vso[x\n\x1b\u202e\u200b\ufe0f")) == 8
    assert os.linesep == "\n"
