from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.errors import Place, Reason
from cloud_siem.reasons import as_github, as_gitlab, as_json
from cloud_siem.wording import harmless

TEXT = st.text(max_size=20)
REASONS = st.builds(
    Reason,
    message=TEXT,
    path=st.lists(TEXT, max_size=2).map(tuple),
    place=st.none()
    | st.builds(
        Place,
        file=TEXT.filter(bool),
        line=st.none() | st.integers(1, 9),
        column=st.none() | st.integers(1, 9),
    ),
    hint=TEXT,
)
COMMAND = re.compile(r"::error (?P<properties>[^\r\n]*?)::(?P<message>[^\r\n]*)")


def unescaped(text: str) -> str:
    """As GitHub's runner reads it."""
    return re.sub("%(25|0D|0A|3A|2C)", lambda found: chr(int(found[1], 16)), text)


@given(st.lists(REASONS, max_size=5))
def test_github_reads_back_each_fault_with_its_place(reasons: list[Reason]) -> None:
    """One line each, whatever stands in it: line ends, percent signs, colons, commas."""
    lines = as_github(reasons).split("\n") if reasons else []

    assert len(lines) == len(reasons)
    for line, reason in zip(lines, reasons, strict=True):
        found = COMMAND.fullmatch(line)
        assert found
        assert unescaped(found["message"]) == reason.sentence
        given = dict(one.split("=", 1) for one in found["properties"].split(","))
        place = reason.place or Place(file="")
        assert unescaped(given.get("file", "")) == harmless(place.file)
        assert given.get("line") == (str(place.line) if place.line else None)
        assert given.get("col") == (str(place.column) if place.column else None)


@given(st.lists(REASONS, max_size=6))
def test_gitlab_gets_what_its_report_needs_and_no_fingerprint_twice(reasons: list[Reason]) -> None:
    """The fields that its documentation requires; the same fault twice is two issues."""
    issues = json.loads(as_gitlab(reasons))

    assert len({issue["fingerprint"] for issue in issues}) == len(reasons)
    for issue, reason in zip(issues, reasons, strict=True):
        assert issue["description"] == reason.sentence
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert issue["location"]["path"]
        assert issue["location"]["lines"]["begin"] >= 1


def test_a_fault_that_moved_to_another_line_keeps_its_fingerprint() -> None:
    """Else each line that is added above would make it a new fault."""
    fingerprints = {
        json.loads(as_gitlab([reason]))[0]["fingerprint"]
        for reason in (
            Reason(message=f"twice, first in line {line}", place=Place(file="x", line=line + 1))
            for line in (3, 40)
        )
    }

    assert len(fingerprints) == 1


def test_json_has_the_place_in_parts() -> None:
    """And null where there is none."""
    placed = Reason(message="m", path=("a", "b"), place=Place(file="x", line=1, column=2), hint="h")
    document = json.loads(as_json([placed, Reason(message="m")], {"files": 1}))

    assert document["files"] == 1
    assert document["faults"] == [
        {"file": "x", "line": 1, "column": 2, "path": ["a", "b"], "message": "m", "hint": "h"},
        {"file": None, "line": None, "column": None, "path": [], "message": "m", "hint": ""},
    ]
