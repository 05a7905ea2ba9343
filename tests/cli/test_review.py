from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_siem.cli import main
from cloud_siem.codes import Code, codes_in
from cloud_siem.model import OnRemove, State
from cloud_siem.settings import CLOSE_WORD
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, nobody
from tests.test_review import Plan, delivery, destroying, diagnostic, plan_of

Golden = Callable[[str, str], None]
BEFORE = [
    delivery("oss/a", adopted=True),
    delivery("sas/a"),
    delivery("sas/b", on_remove=OnRemove.KEEP),
    delivery("waf"),
]
AFTER = [
    delivery("oss/a", State.CLOSED, reason="CHG-1 | <b>loud</b> @all"),
    delivery("rds/a"),
    delivery("waf"),
]


@pytest.fixture
def plan(tmp_path: Path) -> Callable[[Plan], str]:
    def write(content: Plan) -> str:
        file = tmp_path / "plan.json"
        file.write_text(json.dumps(content))
        return str(file)

    return write


@pytest.mark.parametrize("kind", ["text", "markdown", "json"])
def test_a_review_reads_so(
    plan: Callable[[Plan], str], kind: str, golden: Golden, capsys: pytest.CaptureFixture[str]
) -> None:
    """In each format; 20 says that something closes, and the guardrails allow it."""
    code = main(["review", plan(plan_of(BEFORE, AFTER)), "--format", kind])

    assert code == 20
    golden(
        f"review.{ {'text': 'txt', 'markdown': 'md', 'json': 'json'}[kind] }",
        capsys.readouterr().out,
    )


def test_markup_in_a_reason_is_shown_and_not_run(
    plan: Callable[[Plan], str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The comment is made from a stack file that somebody wants merged."""
    main(["review", plan(plan_of(BEFORE, AFTER)), "--format", "markdown"])
    told = capsys.readouterr().out

    assert "<b>" not in told
    assert "@all" not in told


def test_what_no_gate_authorizes_is_refused_and_exits_with_21(
    plan: Callable[[Plan], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless a person named it for the run."""
    bare = plan(plan_of([delivery("oss/a")], [], gate=False))

    assert main(["review", bare]) == 21
    assert codes_in(capsys.readouterr().out) == (Code.NOT_AUTHORIZED,)
    monkeypatch.setenv(CLOSE_WORD, f"{ACCOUNT}/oss/a")
    assert main(["review", bare]) == 20


def test_without_a_close_it_exits_with_0(
    plan: Callable[[Plan], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", plan(plan_of([], [delivery("oss/a")]))]) == 0
    assert main(["review", plan(plan_of([], []))]) == 0
    assert capsys.readouterr().out == (
        "1 opens.\n  oss/a opens: it is new here\nNothing opens, and nothing closes.\n"
    )


LIMIT = f"6 logs would close. Nothing was closed.\n  close oss/a\nClose fewer. {Code.CLOSE_LIMIT}"
REFUSED = {"diagnostics": [diagnostic(LIMIT)]}
FAILED = {"diagnostics": [diagnostic("no permission for <b>@all</b>")]}


@pytest.mark.parametrize("kind", ["text", "markdown", "json"])
def test_a_preview_that_a_guard_rail_refused_is_told_in_every_format(
    plan: Callable[[Plan], str], kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And exits with 21; the comment on a pull request is made from it."""
    assert main(["review", plan(REFUSED), "--format", kind, "--fail-on", "refused"]) == 21

    told = capsys.readouterr().out
    assert "Nothing was closed" in told
    assert "nothing closes" not in told, "what the preview would have done is not known"
    if kind == "json":
        assert json.loads(told)["codes"] == [Code.CLOSE_LIMIT.value]
    else:
        assert codes_in(told.replace("\\", "")) == (Code.CLOSE_LIMIT,)


def test_reports_are_written_also_when_the_preview_failed(
    plan: Callable[[Plan], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that the comment says so; the exit code is that of an error."""
    markdown, as_json = tmp_path / "review.md", tmp_path / "review.json"
    reports = [f"--report=markdown={markdown}", f"--report=json={as_json}"]

    assert main(["review", plan(FAILED), "--stack", "a_b", *reports]) == 1
    assert "no permission" in capsys.readouterr().err
    told = markdown.read_text()
    assert told.startswith("### a\\_b\n\n**The preview failed: ")
    assert "no permission" in told
    assert "<b>" not in told
    assert json.loads(as_json.read_text())["failure"].endswith("no permission for <b>@all</b>")


def test_a_report_has_the_heading_that_tells_stacks_apart(
    plan: Callable[[Plan], str], tmp_path: Path
) -> None:
    file = tmp_path / "review.md"
    arguments = ["--stack", "prod", "--report", f"markdown={file}"]

    assert main(["review", plan(plan_of(BEFORE, AFTER)), *arguments]) == 20
    assert file.read_text().startswith("### prod\n\n**2 close, ")


def test_what_closes_within_the_limit_passes_where_only_refusals_count(
    plan: Callable[[Plan], str],
) -> None:
    assert main(["review", plan(plan_of(BEFORE, AFTER)), "--fail-on", "refused"]) == 0
    bare = plan_of(BEFORE, AFTER, gate=False)
    assert main(["review", plan(bare), "--fail-on", "refused"]) == 21


def test_a_destroy_is_judged_with_a_look_at_the_account(
    siem: EmulatorServer,
    plan: Callable[[Plan], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the endpoint of this shell, whatever the plan's config says."""
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
    closes = destroying([delivery("actiontrail"), delivery("waf")])
    closes["config"] = {"cloud-siem:endpoint": "http://127.0.0.1:9"}

    assert main(["review", plan(closes), "--format", "json"]) == 21
    told = json.loads(capsys.readouterr().out)
    assert (told["codes"], told["logs"]) == ([Code.LAST_OPEN_LOG.value], 1)
    assert set(siem.counts().actions) == {"GetCallerIdentity", "ListDelivery"}


def test_without_an_account_to_look_at_a_destroy_is_neither_allowed_nor_refused(
    plan: Callable[[Plan], str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", nobody())
    monkeypatch.setenv("CLOUD_SIEM_DEADLINE", "1")

    assert main(["review", plan(destroying([delivery("waf")]))]) == 20
    told = capsys.readouterr()
    assert "not known" in told.out
    assert "The guardrails allow it" not in told.out
    assert "the account was not read" in told.err


@pytest.mark.parametrize("report", ["markdown", "html=x", "json="])
def test_a_report_that_cannot_be_is_a_fault_of_the_command_line(
    report: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", "plan.json", "--report", report]) == 2
    assert "is not FORMAT=FILE, with one of json, markdown, text" in capsys.readouterr().err


def test_standard_input_is_read_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(plan_of([], []))))

    assert main(["review", "-"]) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        ("\n", "is empty: the preview made no plan, and said why where it ran"),
        ("{", "is no JSON: "),
        ("[]", "no list of steps"),
        ('{"config": {"a:b": "\\ud800"}}', "is no JSON: it has half of a character"),
    ],
)
def test_what_is_no_plan_is_one_sentence(
    tmp_path: Path, content: str | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "plan.json"
    if content is not None:
        file.write_text(content)

    assert main(["review", str(file)]) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_letters_that_the_terminal_lacks_are_shown_by_number(
    plan: Callable[[Plan], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(written, encoding="ascii"))
    closed = delivery("oss/a", State.CLOSED, reason="caf\u00e9")

    content = plan_of([delivery("oss/a"), delivery("waf")], [closed, delivery("waf")])

    assert main(["review", plan(content)]) == 20
    assert b"for the reason caf\\xe9" in written.getvalue()
