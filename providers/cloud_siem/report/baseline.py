"""What is new since an earlier report, what was known, and what is gone.

The baseline is the JSON of an earlier run. Nothing is called gone that was not looked at now, and
nothing known that the baseline could not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud_siem.drift import Kind
from cloud_siem.errors import CloudSiemError
from cloud_siem.jsontext import parsed
from cloud_siem.report.as_json import FORMAT, VERSION
from cloud_siem.report.contents import DriftReport, Gone, News, identity, whose

_WITH_AN_END = (Kind.DRIFTED, Kind.MISSING, Kind.UNAPPLIED, Kind.UNMANAGED)
"""What somebody sets right, and wants to hear of when it is; the others are about the file."""

Json = Mapping[str, object]


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
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CloudSiemError(
            f"baseline {path}: there is no such file; the first run makes it with --report"
            f" json={path} alone"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CloudSiemError(f"baseline {path}: it cannot be read: {why}") from None
    try:
        return _baseline(parsed(text), path)
    except (ValueError, RecursionError, _Strange):
        raise CloudSiemError(
            f"baseline {path}: this is not a report that `cloud-siem drift --report json=...` wrote"
        ) from None


class _Strange(Exception):  # noqa: N818 - it never leaves this module
    """Something is not where the format has it."""


def _baseline(report: object, path: str) -> Baseline:
    match report:
        case {"format": str(format_), "version": int(version), "began": str(began)}:
            pass
        case _:
            raise _Strange
    if format_ != FORMAT:
        raise _Strange
    if version != VERSION:
        raise CloudSiemError(
            f"baseline {path}: its format has version {version}, and this reads version {VERSION};"
            " make a new one with this version of pulumi-cloud-siem"
        )
    findings = {
        key: gone
        for stack in _list(report, "stacks")
        for finding in _list(stack, "findings")
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
            raise _Strange
    match finding:
        case {
            "kind": str(kind),
            "delivery": str(delivery),
            "sentence": str(sentence),
            "declared": str() | None as declared,
            "observed": str() | None as observed,
        }:
            states = (declared or "-", observed or "-")
            odd = ",".join(sorted(_odd(one) for one in _list(finding, "odd")))
            gone = Gone(stack=name, kind=kind, delivery=delivery, sentence=sentence)
            return (owner, kind, delivery, *states, odd), gone
        case _:
            raise _Strange


def _odd(one: object) -> str:
    match one:
        case {"log": str(log), "state": str(state)}:
            return f"{log}={state}"
        case _:
            raise _Strange


def _list(value: object, name: str) -> Sequence[object]:
    match value:
        case dict() if isinstance(found := value.get(name), list):
            return found
        case _:
            raise _Strange


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
