from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import xmlschema

from cloud_siem.drift import Kind
from cloud_siem.report.as_junit import to_junit
from cloud_siem.report.contents import DriftReport
from tests.report.reports import EVERYTHING, IN_SYNC, STOPPED, hostile, with_news

SCHEMA = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


@pytest.mark.parametrize(
    "report", [EVERYTHING, IN_SYNC, STOPPED, with_news(EVERYTHING, only_new=True), hostile()]
)
def test_it_keeps_to_the_schema(report: DriftReport) -> None:
    errors = [str(one) for one in SCHEMA.iter_errors(to_junit(report))]

    assert errors == []


def test_what_counts_fails_and_what_could_not_be_read_is_an_error(
    golden: Callable[[str, str], None],
) -> None:
    golden("report/everything.xml", to_junit(EVERYTHING))


def test_its_numbers_are_those_of_the_report() -> None:
    root = ET.fromstring(to_junit(EVERYTHING))  # noqa: S314 - ours

    failing = [kind for kind in EVERYTHING.fail_on if EVERYTHING.totals.kinds[kind]]
    assert {Kind.DRIFTED, Kind.MISSING, Kind.UNAPPLIED} == set(failing)
    assert root.get("failures") == "4"
    assert root.get("errors") == "1"


def test_a_stopped_run_has_an_error_for_each_stack_that_was_not_looked_at() -> None:
    root = ET.fromstring(to_junit(STOPPED))  # noqa: S314 - ours
    errors = [one.get("message") for one in root.iter("error")]

    assert errors == [
        "dev: the run was stopped before it was looked at",
        "test: the run was stopped before it was looked at",
    ]
