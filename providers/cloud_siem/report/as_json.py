"""A drift report as JSON, for programs and as the next run's baseline.

The format is published as ``drift.schema.json`` beside this module (``cloud-siem schema drift``)
and has a version: within one, fields are only added.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files

from cloud_siem.drift import Comparison, Finding, Kind
from cloud_siem.errors import Place
from cloud_siem.ignore import Ignore
from cloud_siem.model import Perspective, State
from cloud_siem.report.contents import DriftReport, Outcome, Status
from cloud_siem.version import __version__

FORMAT = "cloud-siem drift"
VERSION = 1

Json = dict[str, object]


def to_json(report: DriftReport) -> str:
    """All of it, known findings included."""
    return json.dumps(_report(report), indent=2, ensure_ascii=False) + "\n"


def schema_text() -> str:
    """The JSON Schema of the format, draft 2020-12."""
    file = files("cloud_siem.report").joinpath("drift.schema.json")
    return file.read_text(encoding="utf-8")


def _report(report: DriftReport) -> Json:
    totals = report.totals
    by_status = report.by_status
    return {
        "format": FORMAT,
        "version": VERSION,
        "tool": f"pulumi-cloud-siem {__version__}",
        "began": _time(report.began),
        "inSync": report.in_sync,
        "partial": report.partial,
        "leftOut": list(report.left_out),
        "withState": report.with_state,
        "failOn": [kind.value for kind in Kind if kind in report.fail_on],
        "counts": {
            "stacks": len(report.outcomes) + len(report.left_out),
            "inSync": len(by_status[Status.IN_SYNC]),
            "notInSync": len(by_status[Status.NOT_IN_SYNC]),
            "notCounted": len(by_status[Status.NOT_COUNTED]),
            "failed": len(by_status[Status.FAILED]),
            "declared": totals.declared,
            "asDeclared": totals.as_declared,
            "open": totals.open_logs,
            "openAndDeclared": totals.covered,
            **_kinds(totals.kinds),
        },
        "stacks": [_outcome(report, one) for one in report.outcomes],
        "baseline": _news(report),
    }


def _news(report: DriftReport) -> Json | None:
    if report.news is None:
        return None
    gone = [
        {"stack": one.stack, "kind": one.kind, "delivery": one.delivery, "sentence": one.sentence}
        for one in report.news.gone
    ]
    return {"began": report.news.since, "onlyNew": report.news.only_new, "gone": gone}


def _outcome(report: DriftReport, outcome: Outcome) -> Json:
    return {
        "stack": outcome.stack,
        "file": outcome.file,
        **_perspective(outcome.perspective),
        "status": report.status(outcome).value,
        "errors": list(outcome.errors),
        "look": _look(outcome.comparison),
        "findings": [_finding(report, outcome, one) for one in outcome.findings],
    }


def _perspective(seen: Perspective | None) -> Json:
    """Who looks at what, under the stack file's own names."""
    return {
        "perspective": {
            "account": seen.account,
            "region": seen.region.value,
            "view": seen.view.value,
            "member": seen.member,
        }
        if seen
        else None
    }


def _look(comparison: Comparison | None) -> Json | None:
    """What the account showed, in numbers."""
    if comparison is None:
        return None
    return {
        "at": _time(comparison.taken_at),
        "requestId": comparison.request_id,
        "declared": comparison.declared,
        "asDeclared": comparison.as_declared,
        "open": comparison.open_logs,
        "openAndDeclared": comparison.covered,
    }


def _finding(report: DriftReport, outcome: Outcome, finding: Finding) -> Json:
    mark = report.mark(outcome, finding)
    return {
        "kind": finding.kind.value,
        "delivery": finding.delivery,
        "product": finding.product or None,
        "log": finding.log,
        "sentence": finding.sentence,
        "counts": finding.counts_as(report.fail_on),
        "declared": _state(finding.declared),
        "observed": _state(finding.observed),
        "recorded": _state(finding.recorded),
        "odd": [{"log": log.log, "state": log.state.value} for log in finding.odd],
        "operable": finding.operable,
        "reason": finding.reason or None,
        "ignore": _ignore(finding.ignore),
        "place": _place(finding.place),
        "mark": mark.value if mark else None,
    }


def _state(state: State | None) -> str | None:
    return state.value if state else None


def _ignore(ignore: Ignore | None) -> Json | None:
    if ignore is None:
        return None
    return {
        "delivery": ignore.delivery,
        "reason": ignore.reason,
        "until": ignore.until.isoformat(),
    }


def _place(place: Place | None) -> Json | None:
    if place is None:
        return None
    return {"file": place.file, "line": place.line, "column": place.column}


def _kinds(counts: Mapping[Kind, int]) -> Json:
    return {kind.value: counts.get(kind, 0) for kind in Kind}


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
