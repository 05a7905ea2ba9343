"""`cloud-siem ci issue`: one for each stack that drifted, through its whole life."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloud_siem.ci.bodies import stack_marker
from cloud_siem.report.as_json import to_json
from cloud_siem.report.contents import DriftReport, Outcome
from tests.ci.conftest import Run
from tests.ci.fake_platform import Call, FakePlatform, Reply, Ticket
from tests.ci.test_comments import ME, Out
from tests.hostile import PIECES, forged_lines, harm_in
from tests.report.reports import DARK, EVERYTHING, FINDINGS, IN_SYNC, outcome, with_news

LABEL = "cloud-siem-drift"
TITLE = "Log deliveries of prod are not as declared"
CLEAN = outcome("prod")
DRIFTED = outcome("prod", DARK)
WORSE = outcome("prod", *FINDINGS[:3])
FAILED = Outcome(stack="prod", file="stacks/Pulumi.prod.yaml", errors=("it cannot be read",))


def report(*outcomes: Outcome, **changes: Any) -> DriftReport:
    return replace(EVERYTHING, outcomes=outcomes, **changes)


def issue(ci: Run, found: DriftReport | Outcome, *more: str) -> int:
    found = report(found) if isinstance(found, Outcome) else found
    Path("drift.json").write_text(to_json(found), encoding="utf-8")
    return ci("issue", "--report", "drift.json", *more)


def only(platform: FakePlatform) -> Ticket:
    (found,) = platform.issues
    return found


# --- its life -------------------------------------------------------------------------------------


def test_it_is_opened_changed_closed_and_opened_again(
    ci: Run, platform: FakePlatform, capsys: Out
) -> None:
    """One issue through it all, with a sentence when it ends and when it begins again."""
    said = []
    for found in (DRIFTED, WORSE, CLEAN, DRIFTED):
        assert issue(ci, found) == 0
        said.append(capsys.readouterr().out.rstrip().partition(": ")[2])
        said.append(f"open: {only(platform).open}")

    number = only(platform).number
    where = platform.link_of(number)
    assert said == [
        f"prod, an issue: opened; 1 finding ({where})",
        "open: True",
        f"prod, issue {number}: changed; 3 findings ({where})",
        "open: True",
        f"prod, issue {number}: closed; everything is as declared ({where})",
        "open: False",
        f"prod, issue {number}: opened again; 1 finding ({where})",
        "open: True",
    ]
    assert only(platform).title == TITLE
    assert only(platform).labels == [LABEL]
    assert [one.text for one in only(platform).posts] == [
        "A drift review finds everything as declared again.",
        "A drift review has findings again; they are in the description above.",
    ]


def test_what_has_not_changed_is_not_written_again(
    ci: Run, platform: FakePlatform, capsys: Out
) -> None:
    issue(ci, DRIFTED)
    platform.calls.clear()
    capsys.readouterr()

    assert issue(ci, report(DRIFTED, began=IN_SYNC.began.replace(day=1))) == 0
    assert platform.writes == []
    assert "no issue needs a change" in capsys.readouterr().out


def test_a_stack_in_sync_that_never_had_one_has_none(ci: Run, platform: FakePlatform) -> None:
    assert issue(ci, IN_SYNC) == 0
    assert platform.writes == []


def test_each_stack_has_its_own(ci: Run, platform: FakePlatform) -> None:
    """Also where the name of one is the beginning of another's, and on later pages."""
    names = ("prod", "prod-eu", "prod-eu-2", "dev")
    issue(ci, report(*(outcome(name, DARK) for name in names)))
    assert issue(ci, report(*(outcome(name, DARK) for name in names[1:]), CLEAN)) == 0

    assert {one.title.split()[3]: one.open for one in platform.issues} == {
        "prod": False,
        "prod-eu": True,
        "prod-eu-2": True,
        "dev": True,
    }


def test_it_reads_so(ci: Run, platform: FakePlatform, golden: Any, provider: str) -> None:
    issue(ci, WORSE)

    golden("ci/issue.md", f"{only(platform).text}\n")


# --- what is not over -----------------------------------------------------------------------------


def test_a_stack_that_could_not_be_read_keeps_its_issue(
    ci: Run, platform: FakePlatform, capsys: Out
) -> None:
    issue(ci, DRIFTED)
    platform.calls.clear()

    assert issue(ci, FAILED) == 0
    assert platform.writes == []
    assert "left as it is; the stack could not be read" in capsys.readouterr().out


def test_a_stack_that_has_errors_beside_its_findings_tells_both(
    ci: Run, platform: FakePlatform
) -> None:
    issue(ci, replace(DRIFTED, errors=("two files declare it",)))

    assert "- **error**: two files declare it\n- **drifted**: sas/" in only(platform).text


def test_a_stack_that_a_stopped_run_left_out_keeps_its_issue(
    ci: Run, platform: FakePlatform
) -> None:
    issue(ci, DRIFTED)

    assert issue(ci, report(outcome("dev"), left_out=("prod",))) == 0
    assert only(platform).open


@pytest.mark.parametrize("changes", [{"fail_on": frozenset()}, {"news": None}], ids=str)
def test_a_report_that_lets_drift_pass_closes_nothing(
    ci: Run, platform: FakePlatform, changes: Mapping[str, Any]
) -> None:
    """Neither with --fail-on none nor with --only-new, where the known counts no more."""
    issue(ci, DRIFTED)
    quiet = report(DRIFTED, **changes)
    quiet = quiet if "fail_on" in changes else with_news(quiet, only_new=True)
    platform.calls.clear()

    assert issue(ci, quiet) == 0
    assert only(platform).open
    assert platform.writes == []


# --- others, and two at once ----------------------------------------------------------------------


def test_an_issue_of_somebody_else_is_left_alone(ci: Run, platform: FakePlatform) -> None:
    """With our label and our marker, too."""
    theirs = platform.ticket("ann", f"{stack_marker('prod')}\nMine.", labels=[LABEL])

    assert issue(ci, DRIFTED) == 0
    assert issue(ci, CLEAN) == 0
    assert theirs.open
    assert theirs.text.endswith("Mine.")
    assert len(platform.issues) == 2


def test_of_two_that_a_race_has_left_the_younger_is_closed(
    ci: Run, platform: FakePlatform, provider: str
) -> None:
    issue(ci, DRIFTED)
    first = only(platform)
    second = platform.ticket(ME[provider], first.text, labels=[LABEL], title=TITLE)

    assert issue(ci, DRIFTED) == 0
    assert (first.open, second.open) == (True, False)
    assert [one.text for one in second.posts] == [
        f"Closed: it says the same as issue {first.number}."
    ]
    assert issue(ci, CLEAN) == 0
    assert issue(ci, WORSE) == 0
    assert len(platform.issues) == 2


def test_one_that_cannot_be_written_hides_no_other(
    ci: Run, platform: FakePlatform, capsys: Out
) -> None:
    def refuse_the_next(call: Call) -> None:
        if call.path.endswith("/issues"):  # they are listed
            platform.after = lambda _: None
            platform.next.append(Reply(status=422, data={"message": "title is odd"}))

    platform.after = refuse_the_next

    assert issue(ci, report(outcome("dev", DARK), DRIFTED)) == 1
    assert only(platform).title == TITLE
    told = capsys.readouterr()
    assert "prod, an issue: opened" in told.out
    assert 'refused to open an issue (HTTP 422, "title is odd")' in told.err


def test_a_label_that_is_dropped_is_told(ci: Run, platform: FakePlatform, capsys: Out) -> None:
    """The next run would not find the issue, and open another every night."""
    platform.drop_labels = True

    assert issue(ci, DRIFTED) == 1
    assert f"without the label '{LABEL}', by which it is found again" in capsys.readouterr().err


@pytest.mark.parametrize("label", ["", " ", "a,b", "a\nb"])
def test_a_label_that_would_be_two_is_refused(ci: Run, label: str, capsys: Out) -> None:
    assert issue(ci, DRIFTED, "--label", label) == 2
    assert "is not one label" in capsys.readouterr().err


# --- trying it ------------------------------------------------------------------------------------


def test_a_dry_run_says_what_would_be_done_and_writes_nothing(
    ci: Run, platform: FakePlatform, capsys: Out
) -> None:
    issue(ci, outcome("dev", DARK))
    platform.calls.clear()
    capsys.readouterr()

    assert issue(ci, report(outcome("dev"), DRIFTED), "--dry-run") == 0
    assert platform.writes == []
    number = only(platform).number
    said = [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()]
    assert said == [
        f"dev, issue {number}: to be closed; everything is as declared",
        "prod, an issue: to be opened; 1 finding",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file; make it with `cloud-siem drift --all --report json=d.json`"),
        ("{", "this is not a report that `cloud-siem drift --report json=...` wrote"),
        ("[]", "this is not a report that `cloud-siem drift --report json=...` wrote"),
        ('{"version": 2}', "its format has version 2, and this reads version 1"),
        (
            '{"stacks": [{}]}',
            "this is not a report that `cloud-siem drift --report json=...` wrote",
        ),
    ],
)
def test_a_report_that_is_none_is_one_sentence_and_nothing_is_asked(
    ci: Run, platform: FakePlatform, content: str | None, said: str, capsys: Out
) -> None:
    if content is not None:
        whole = json.loads(to_json(report(DRIFTED))) if content.startswith('{"') else {}
        Path("d.json").write_text(json.dumps(whole | json.loads(content)) if whole else content)

    assert ci("issue", "--report", "d.json") == 1
    assert capsys.readouterr().err.startswith(f"report d.json: {said}")
    assert platform.calls == []


def test_a_hostile_report_commands_nobody(ci: Run, platform: FakePlatform, capsys: Out) -> None:
    """What is said of each issue goes to the job's log; its names come from a stack file."""
    text = "".join(PIECES)
    bad = replace(WORSE, stack=text, errors=(text,))

    for options in ([], ["--dry-run"]):
        issue(ci, bad, *options)
        said = "".join(capsys.readouterr())
        assert harm_in(said) == []
        assert forged_lines(said) == []
    assert harm_in(only(platform).title) == []
