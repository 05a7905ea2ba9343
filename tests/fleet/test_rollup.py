"""The roll-up: what comes first, its formats, its exit codes, and shards merged into one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
import xmlschema
from jsonschema import Draft202012Validator
from markdown_it import MarkdownIt

from cloud_siem.cli.fleet_telling import exit_code
from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet.formats.as_html import to_html
from cloud_siem.fleet.formats.as_json import read_rollup, schema_text, to_json
from cloud_siem.fleet.formats.as_junit import to_junit
from cloud_siem.fleet.formats.as_markdown import to_markdown
from cloud_siem.fleet.formats.as_text import to_text
from cloud_siem.fleet.need import BY_EXPORT, BY_RECORD
from cloud_siem.fleet.rollup import Rollup, merged
from cloud_siem.fleet.tasks import Operation, Result, Status

Golden = Callable[[str, str], None]
EVIL = '<script>alert(1)</script> @all #1 | \x1b[31m "&'
CHANGED = Result(
    stack="prod",
    status=Status.CHANGED,
    opened=2,
    closed=1,
    calls=9,
    seconds=6.1,
    why=("sas/x is closed, declared open",),
    changes=("sas/z closes: its entry is removed (undo: sas: {z: open})", "sas/x opens: it is new"),
    notes=("run again: another update held the lock of the stack",),
    log_file="/logs/prod.log",
)
FAILED = Result(
    stack="broken",
    status=Status.FAILED,
    calls=1,
    errors=("the role could not be assumed\nfor account 1",),
    log_file="/logs/broken.log",
)
SKIPPED = Result(stack="a", status=Status.SKIPPED, calls=1, why=(BY_EXPORT,))


def rollup(*results: Result, operation: Operation = Operation.UP, **more: object) -> Rollup:
    return replace(
        Rollup(
            operation=operation,
            began=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            seconds=12.3,
            results=Rollup.ordered(results),
            notes=("the engine ran on this machine, 2 at a time",),
        ),
        **more,  # type: ignore[arg-type] # fields of a roll-up
    )


EVERYTHING = rollup(
    CHANGED,
    SKIPPED,
    replace(SKIPPED, stack="b", why=(BY_RECORD,)),
    replace(SKIPPED, stack="c", why=(BY_RECORD,)),
    FAILED,
    Result(stack="same", status=Status.UNCHANGED, calls=4, seconds=5.0, why=("another program",)),
    Result(stack="late", status=Status.NOT_STARTED),
    interrupted=True,
)
REFUSED = rollup(
    Result(stack="over", status=Status.REFUSED, errors=("9 deliveries would close",)),
    Result(stack="held", status=Status.NOT_STARTED, changes=("sas/x opens: it is new here",)),
    refusal="a guardrail refuses 1 stack (over)",
)
ASKED = rollup(replace(CHANGED, status=Status.TO_CHANGE), asked=True)
HOSTILE = rollup(
    replace(FAILED, stack=EVIL, errors=(EVIL,), notes=(EVIL,), log_file="/logs/<x>.log"),
    refusal=EVIL,
    notes=(EVIL,),
)
ALL = {"everything": EVERYTHING, "refused": REFUSED, "asked": ASKED, "hostile": HOSTILE}


def test_what_needs_a_person_comes_first() -> None:
    assert [one.stack for one in EVERYTHING.results] == [
        *("broken", "late", "prod", "same", "a", "b", "c")
    ]


@pytest.mark.parametrize("name", ["everything", "refused", "asked"])
def test_the_text(golden: Golden, name: str) -> None:
    golden(f"fleet/{name}.txt", to_text(ALL[name]))


def test_of_many_skipped_stacks_the_number_says_enough() -> None:
    text = to_text(rollup(*(replace(SKIPPED, stack=f"s{number}") for number in range(13))))

    assert "s7" not in text
    assert "up: 13 stacks skipped;" in text
    assert f"skipped 13 stacks: {BY_EXPORT}." in text


def test_the_markdown(golden: Golden) -> None:
    golden("fleet/everything.md", to_markdown(EVERYTHING))


def test_a_long_markdown_is_cut_to_what_a_comment_can_be() -> None:
    many = rollup(*(replace(CHANGED, stack=f"s{number:04}") for number in range(900)))
    text = to_markdown(many)

    assert len(text) < 65_000
    assert "and 700 more" in text
    assert "There is no room here for" in text


@pytest.mark.parametrize("name", ALL)
def test_the_json_keeps_to_its_published_schema_which_knows_every_field(name: str) -> None:
    schema = json.loads(
        schema_text(),
        object_hook=lambda one: (
            {**one, "additionalProperties": False} if "properties" in one else one
        ),
    )
    Draft202012Validator.check_schema(schema)

    assert list(Draft202012Validator(schema).iter_errors(json.loads(to_json(ALL[name])))) == []


@pytest.mark.parametrize("name", ALL)
def test_the_junit_keeps_to_the_schema(name: str) -> None:
    schema = xmlschema.XMLSchema(Path(__file__).parents[1] / "report" / "junit.xsd")

    assert [str(one) for one in schema.iter_errors(to_junit(ALL[name]))] == []


def test_the_junit_has_an_error_for_each_failure_and_a_failure_for_each_refusal() -> None:
    assert 'errors="2"' in to_junit(EVERYTHING)
    assert 'skipped="3"' in to_junit(EVERYTHING)
    assert 'failures="2"' in to_junit(REFUSED), "the stack, and the fleet for it"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ALL)
def test_the_page_is_well_formed_and_links_to_its_logs_alone(name: str) -> None:
    text = to_html(ALL[name])
    tags = Tags()
    tags.feed(text)

    assert tags.open == []
    assert tags.links == [Path(one.log_file).as_uri() for one in ALL[name].results if one.log_file]
    assert "default-src 'none'" in text.replace("&#39;", "'")


def test_nothing_that_comes_from_outside_is_markup() -> None:
    assert "<script>" not in to_html(HOSTILE)
    assert "\x1b" not in to_html(HOSTILE) + to_text(HOSTILE) + to_markdown(HOSTILE)
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(to_markdown(HOSTILE))
    assert "<script>" not in rendered
    assert "@all" not in rendered


# --- exit codes -----------------------------------------------------------------------------------

TO_CLOSE = replace(CHANGED, status=Status.TO_CHANGE)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        (rollup(CHANGED, SKIPPED), 0),
        (rollup(TO_CLOSE, operation=Operation.PREVIEW), 20),
        (rollup(replace(TO_CLOSE, closed=0), operation=Operation.PREVIEW), 0),
        (ASKED, 20),
        (REFUSED, 21),
        (rollup(CHANGED, FAILED), 1),
        (rollup(FAILED, refusal="no"), 1),
        (rollup(Result(stack="a", status=Status.NOT_STARTED)), 1),
        (EVERYTHING, 130),
    ],
)
def test_the_exit_code_is_the_worst_of_what_is_told(told: Rollup, code: int) -> None:
    assert exit_code(told) == code


# --- shards ---------------------------------------------------------------------------------------


def file_of(folder: Path, name: str, one: Rollup) -> Path:
    file = folder / name
    file.write_text(to_json(one), encoding="utf-8")
    return file


@pytest.mark.parametrize("name", ALL)
def test_a_result_file_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    assert read_rollup(file_of(tmp_path, "one.json", ALL[name])) == ALL[name]


def test_shards_come_together_as_one_run() -> None:
    one = rollup(CHANGED, seconds=10.0)
    other = rollup(SKIPPED, FAILED, seconds=30.0, interrupted=True)
    both = merged([one, other])

    assert [result.stack for result in both.results] == ["broken", "prod", "a"]
    assert (both.seconds, both.interrupted, both.calls) == (30.0, True, 11)
    assert both.notes == one.notes, "what all say is said once"


def test_what_does_not_belong_together_is_not_merged() -> None:
    with pytest.raises(CloudSiemError, match="prod: in more than one of these results"):
        merged([rollup(CHANGED), rollup(CHANGED)])
    with pytest.raises(CloudSiemError, match="of different operations: preview, up"):
        merged([rollup(CHANGED), rollup(SKIPPED, operation=Operation.PREVIEW)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[]", "is not a result file of version 1"),
        ('{"format": "cloud-siem drift", "version": 1}', "is not a result file of version 1"),
        ('{"format": "cloud-siem fleet", "version": 2}', "is not a result file of version 1"),
        ('{"format": "cloud-siem fleet", "version": 1}', "is not a whole result file"),
    ],
)
def test_a_file_that_is_no_result_is_told(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(CloudSiemError, match=said):
        read_rollup(file)
    with pytest.raises(CloudSiemError, match="cannot be read: No such file"):
        read_rollup(tmp_path / "missing.json")
