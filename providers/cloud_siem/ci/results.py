"""What the commands before this one found, read from the JSON that they wrote.

A review tells whether anything changes and how much closes; a drift report, which stacks have
findings. Both become the outputs of a job and decide what is posted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from cloud_siem.drift import DEFAULT_FAIL_ON
from cloud_siem.errors import CloudSiemError
from cloud_siem.jsontext import parsed
from cloud_siem.report.reading import Json, Strange, entries, read_report

# --- reviews --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Reviewed:
    """What one review found, in short."""

    changes: int
    closes: int
    """Of them."""
    troubled: bool
    """Whether the guard rails refuse it, or it could not be made: then it is never quiet."""

    @property
    def changed(self) -> bool:
        return bool(self.changes) or self.troubled


def read_review(path: str) -> Reviewed:
    """Read what ``cloud-siem review --format json`` printed.

    :raises CloudSiemError: it cannot be read, or is something else.
    """
    try:
        review = parsed(Path(path).read_text(encoding="utf-8"))
        return _reviewed(review)
    except OSError as error:
        raise CloudSiemError(f"review {path}: it cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, Strange):
        raise CloudSiemError(
            f"review {path}: this is not what `cloud-siem review --format json` prints"
        ) from None


def _reviewed(review: object) -> Reviewed:
    effects = [_effect(one) for one in entries(review, "changes")]
    match review:
        case {"refusal": str() | None as refusal, "failure": str() | None as failure}:
            return Reviewed(
                changes=len(effects),
                closes=effects.count("closes"),
                troubled=bool(refusal or failure),
            )
        case _:
            raise Strange


def _effect(change: object) -> str:
    match change:
        case {"effect": str(effect)}:
            return effect
        case _:
            raise Strange


# --- drift reports --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Found:
    """A finding that counts, as far as an issue tells it."""

    kind: str
    sentence: str
    place: str
    """``file:line:column``; empty where it is declared nowhere."""


@dataclass(frozen=True, kw_only=True)
class Drifted:
    """How one stack stands in a drift report."""

    stack: str
    errors: tuple[str, ...]
    """Why something could not be read; with one, nothing is known to be over."""
    found: tuple[Found, ...]

    @property
    def clean(self) -> bool:
        return not (self.errors or self.found)


def read_drift(path: str) -> tuple[Drifted, ...]:
    """Read what ``cloud-siem drift --report json=FILE`` wrote.

    :raises CloudSiemError: it cannot be read, or is something else.
    """
    missing = f"make it with `cloud-siem drift --all --report json={path}`"
    return read_report(path, "report", missing, _stacks)


def _stacks(report: Json) -> tuple[Drifted, ...]:
    # With --fail-on none nothing counts for the exit code. It is drift all the same, and an issue
    # about it must not be closed for that.
    instead = () if entries(report, "failOn") else tuple(one.value for one in DEFAULT_FAIL_ON)
    return tuple(_stack(one, instead) for one in entries(report, "stacks"))


def _stack(stack: object, instead: Collection[str]) -> Drifted:
    match stack:
        case {"stack": str(name), "status": str(status)}:
            errors = tuple(str(one) for one in entries(stack, "errors"))
            if status == "failed" and not errors:
                errors = ("it could not be read",)
            found = tuple(
                one for each in entries(stack, "findings") for one in _found(each, instead)
            )
            return Drifted(stack=name, errors=errors, found=found)
        case _:
            raise Strange


def _found(finding: object, instead: Collection[str]) -> Iterator[Found]:
    match finding:
        case {
            "kind": str(kind),
            "sentence": str(sentence),
            "counts": bool(counts),
            "place": dict() | None as place,
        }:
            if counts or kind in instead:
                yield Found(kind=kind, sentence=sentence, place=_place(place))
        case _:
            raise Strange


def _place(place: Mapping[str, object] | None) -> str:
    parts = [place.get(name) for name in ("file", "line", "column")] if place else []
    return ":".join(str(part) for part in parts if part is not None)


# --- outputs --------------------------------------------------------------------------------------


def outputs(
    reviews: Iterable[Reviewed] | None, stacks: Iterable[Drifted] | None, report: str
) -> Mapping[str, str]:
    """What later jobs may ask for; only what is known."""
    found: dict[str, str] = {}
    if reviews is not None:
        reviewed = list(reviews)
        found["changed"] = "true" if any(one.changed for one in reviewed) else "false"
        found["closes"] = str(sum(one.closes for one in reviewed))
    if stacks is not None:
        found["drifted"] = str(sum(1 for one in stacks if one.found))
    if report:
        found["report"] = report
    return found
