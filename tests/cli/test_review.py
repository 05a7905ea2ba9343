from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_siem.cli import main
from cloud_siem.model import OnRemove, State
from tests.test_review import Plan, delivery, plan_of

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
    """In each format; 20 says that something closes, within the limit."""
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


def test_over_the_limit_it_says_so_and_exits_with_21(
    plan: Callable[[Plan], str], capsys: pytest.CaptureFixture[str]
) -> None:
    many = [delivery(f"oss/{n}") for n in range(9)]

    assert main(["review", plan(plan_of(many, many[:1]))]) == 21
    assert "Refused: 8 deliveries would close" in capsys.readouterr().out


def test_without_a_close_it_exits_with_0(
    plan: Callable[[Plan], str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["review", plan(plan_of([], [delivery("oss/a")]))]) == 0
    assert main(["review", plan(plan_of([], []))]) == 0
    assert capsys.readouterr().out == (
        "1 opens.\n  oss/a opens: it is new here\nNothing opens, and nothing closes.\n"
    )


def test_a_preview_that_a_guard_rail_refused_exits_with_21(
    plan: Callable[[Plan], str], capsys: pytest.CaptureFixture[str]
) -> None:
    refused = {"diagnostics": [{"severity": "error", "message": "6 ... Nothing was closed."}]}

    assert main(["review", plan(refused)]) == 21
    assert "6 ... Nothing was closed." in capsys.readouterr().err


def test_standard_input_is_read_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(plan_of([], []))))

    assert main(["review", "-"]) == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
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
