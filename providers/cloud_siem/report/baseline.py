"""What is new since an earlier report, what was known, and what is gone.

The baseline is the JSON of an earlier run. Nothing is called gone that was not looked at now, and
nothing known that the baseline could not see.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cloud_siem.drift import Kind
from cloud_siem.report.contents import DriftReport, Gone, News, identity, whose
from cloud_siem.report.reading import Json, Strange, entries, read_report

_WITH_AN_END = (Kind.DRIFTED, Kind.MISSING, Kind.UNAPPLIED, Kind.UNMANAGED)
"""What somebody sets right, and wants to hear of when it is; the others are about the file."""


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """An earlier report, as far as it matters."""

    began: str
    findings: Mapping[tuple[str, ...], Gone]
    """By identity, with the words in case that it is gone."""


def read_baseline(path: str) -> Baseline:
    """Read the JSON report of an earlier run.

    :raises CloudSiemError: it cannot be read, or is something else.
    """
    missing = f"the first run makes it with --report json={path} alone"
    return read_report(path, "baseline", missing, _baseline)


def _baseline(report: Json) -> Baseline:
    began = report.get("began")
    if not isinstance(began, str):
        raise Strange
    findings = {
        key: gone
        for stack in entries(report, "stacks")
        for finding in entries(stack, "findings")
        for key, gone in [_finding(stack, finding)]
    }
    return Baseline(began=began, findings=findings)


def _finding(stack: object, finding: object) -> tuple[tuple[str, ...], Gone]:
    """As ``contents.identity`` makes it of a finding of now."""
    match stack:
        case {
            "stack": str(name),
            "perspective": {
                "account": str(account),
                "region": str(region),
                "view": str(view),
                "member": str() | None as member,
            },
        }:
            owner = "/".join((name, account, region, view, member or "-"))
        case _:
            raise Strange
    match finding:
        case {
            "kind": str(kind),
            "delivery": str(delivery),
            "sentence": str(sentence),
            "declared": str() | None as declared,
            "observed": str() | None as observed,
        }:
            states = (declared or "-", observed or "-")
            odd = ",".join(sorted(_odd(one) for one in entries(finding, "odd")))
            gone = Gone(stack=name, kind=kind, delivery=delivery, sentence=sentence)
            return (owner, kind, delivery, *states, odd), gone
        case _:
            raise Strange


def _odd(one: object) -> str:
    match one:
        case {"log": str(log), "state": str(state)}:
            return f"{log}={state}"
        case _:
            raise Strange


def news(report: DriftReport, baseline: Baseline, *, only_new: bool = False) -> News:
    """What is new in the report."""
    seen = [one for one in report.outcomes if one.comparison]
    now = {identity(one, finding) for one in seen for finding in one.findings}
    still = {key[:1] + key[2:3] for key in now}
    looked_at = {whose(one) for one in seen}
    ended = {kind.value for kind in _WITH_AN_END}
    gone = [
        one
        for key, one in baseline.findings.items()
        if key[0] in looked_at and key[1] in ended and key[:1] + key[2:3] not in still
    ]
    return News(
        since=baseline.began,
        new=frozenset(now - baseline.findings.keys()),
        known=len(now & baseline.findings.keys()),
        gone=tuple(sorted(gone, key=lambda one: (one.stack, one.delivery, one.kind))),
        only_new=only_new,
    )
