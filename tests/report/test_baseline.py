"""What is new, known and gone; from the JSON that an earlier run wrote."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cloud_siem.drift import Finding, Kind
from cloud_siem.errors import CloudSiemError
from cloud_siem.model import State
from cloud_siem.report.as_json import to_json
from cloud_siem.report.baseline import Baseline, news, read_baseline
from cloud_siem.report.contents import DriftReport, Mark, Outcome, Status
from tests.report.reports import (
    DARK,
    EVERYTHING,
    FAILED,
    FINDINGS,
    PARTIAL,
    hostile,
    outcome,
    with_news,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "last.json"


def baseline(file: Path, report: DriftReport) -> Baseline:
    file.write_text(to_json(report), encoding="utf-8")
    return read_baseline(str(file))


def report(*outcomes: Outcome) -> DriftReport:
    return replace(EVERYTHING, outcomes=outcomes)


@pytest.mark.parametrize("same", [EVERYTHING, hostile(), with_news(EVERYTHING)])
def test_the_same_again_is_known_and_nothing_is_gone(file: Path, same: DriftReport) -> None:
    found = news(same, baseline(file, same))

    assert (found.new, found.gone) == (frozenset(), ())
    assert found.known > 0


def test_what_was_not_there_is_new(file: Path) -> None:
    now = report(outcome("prod", *FINDINGS))
    found = replace(now, news=news(now, baseline(file, report(outcome("prod", *FINDINGS[1:])))))
    (prod,) = found.outcomes

    assert [found.mark(prod, one) for one in FINDINGS[:2]] == [Mark.NEW, Mark.KNOWN]


@pytest.mark.parametrize(
    "change",
    [
        replace(PARTIAL, observed=State.CLOSED),
        replace(PARTIAL, odd=()),
        replace(PARTIAL, declared=State.CLOSED),
        replace(PARTIAL, kind=Kind.MISSING),
    ],
)
def test_when_more_goes_dark_it_is_new_and_the_old_is_not_gone(file: Path, change: Finding) -> None:
    """The same product, in another way: nobody may sleep on it, and nobody be told it is clean."""
    now = report(outcome("prod", change))
    found = news(now, baseline(file, report(outcome("prod", PARTIAL))))

    assert len(found.new) == 1
    assert found.gone == ()


def test_what_is_clean_again_is_gone_in_the_words_of_the_baseline(file: Path) -> None:
    found = news(report(outcome("prod")), baseline(file, report(outcome("prod", *FINDINGS))))

    assert [(one.stack, one.kind, one.delivery) for one in found.gone] == [
        ("prod", "unmanaged", "csk/cloud_siem_k8s_audit"),
        ("prod", "missing", "nas/cloud_siem_nas_audit_log"),
        ("prod", "unapplied", "rds/cloud_siem_rds_audit_log"),
        ("prod", "drifted", "sas/cloud_siem_aegis_proc"),
        ("prod", "drifted", "waf"),
    ]
    assert found.gone[3].sentence == DARK.sentence


def test_what_was_not_looked_at_is_not_gone(file: Path) -> None:
    """A stack that failed, and one that nobody asked for."""
    before = report(outcome("prod", DARK), outcome("dev", DARK))
    now = report(replace(FAILED, stack="prod"))

    assert news(now, baseline(file, before)).gone == ()


def test_where_the_file_lies_makes_no_difference(file: Path) -> None:
    before = replace(outcome("prod", DARK), file="/elsewhere/stacks/Pulumi.prod.yaml")

    assert news(report(outcome("prod", DARK)), baseline(file, report(before))).new == frozenset()


def test_only_new_counts_what_is_new_alone(file: Path) -> None:
    before = baseline(file, report(outcome("prod", PARTIAL)))
    same = report(outcome("prod", PARTIAL))
    worse = report(outcome("prod", PARTIAL, DARK))
    quiet, loud = (replace(one, news=news(one, before, only_new=True)) for one in (same, worse))

    assert quiet.in_sync
    assert quiet.listed(quiet.outcomes[0]) == ()
    assert loud.status(loud.outcomes[0]) is Status.NOT_IN_SYNC
    assert loud.listed(loud.outcomes[0]) == (DARK,)


# --- what is no baseline --------------------------------------------------------------------------


def test_a_baseline_that_is_not_there_says_how_to_make_one(file: Path) -> None:
    with pytest.raises(CloudSiemError, match="there is no such file; the first run makes it"):
        read_baseline(str(file))


def test_a_baseline_of_another_version_is_refused(file: Path) -> None:
    file.write_text(json.dumps(json.loads(to_json(EVERYTHING)) | {"version": 2}))
    with pytest.raises(CloudSiemError, match="version 2, and this reads version 1"):
        read_baseline(str(file))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"format": "cloud-siem drift", "version": 1, "began": "x"}',
        '{"format": "cloud-siem drift", "version": 1, "began": "x", "stacks": [{}]}',
        '{"format": "other", "version": 1, "began": "x", "stacks": []}',
        '{"format": "cloud-siem drift", "version": 1, "began": "\\ud800", "stacks": []}',
    ],
)
def test_what_is_no_report_is_refused(file: Path, text: str) -> None:
    file.write_text(text)
    with pytest.raises(CloudSiemError, match="this is not a report that `cloud-siem drift"):
        read_baseline(str(file))


def test_a_finding_without_its_fields_is_refused(file: Path) -> None:
    broken = json.loads(to_json(EVERYTHING))
    del broken["stacks"][1]["findings"][0]["odd"]
    file.write_text(json.dumps(broken))
    with pytest.raises(CloudSiemError, match="this is not a report"):
        read_baseline(str(file))


def test_a_folder_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(CloudSiemError, match="it cannot be read: Is a directory"):
        read_baseline(str(tmp_path))
