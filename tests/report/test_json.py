from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from cloud_siem.cli import main
from cloud_siem.report.as_json import schema_text, to_json
from cloud_siem.report.contents import DriftReport
from tests.report.reports import EVERYTHING, IN_SYNC, STOPPED, hostile, with_news

SCHEMA = json.loads(schema_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())


@pytest.mark.parametrize(
    "report", [EVERYTHING, IN_SYNC, STOPPED, with_news(EVERYTHING, only_new=True), hostile()]
)
def test_a_report_keeps_to_the_published_schema(report: DriftReport) -> None:
    assert list(VALIDATOR.iter_errors(json.loads(to_json(report)))) == []


def test_the_schema_is_one_and_knows_every_field() -> None:
    """A field that the schema does not know would be published by accident."""
    Draft202012Validator.check_schema(SCHEMA)
    strict = json.loads(schema_text(), object_hook=_closed)

    assert list(Draft202012Validator(strict).iter_errors(json.loads(to_json(EVERYTHING)))) == []


def _closed(schema: dict[str, object]) -> dict[str, object]:
    return {**schema, "additionalProperties": False} if "properties" in schema else schema


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"format": "something else"},
        {"inSync": "yes"},
        {"stacks": [{"stack": "prod"}]},
    ],
)
def test_the_schema_refuses_what_is_no_report(change: dict[str, object]) -> None:
    assert not VALIDATOR.is_valid(json.loads(to_json(EVERYTHING)) | change)


def test_everything_is_there(golden: Callable[[str, str], None]) -> None:
    golden("report/everything.json", to_json(with_news(EVERYTHING)))


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "drift"]) == 0
    assert capsys.readouterr().out == schema_text()
