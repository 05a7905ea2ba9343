"""The workflows as they are shipped, step by step: real engine, emulator, a small GitHub.

One repository lives through it all, in the order of the tests; each says what happened before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.ci.fake_platform import REQUEST, FakeGitHub, Reply
from tests.pipelines.github import Run
from tests.pipelines.site import STACK, Site, plain

pytestmark = pytest.mark.engine

OPEN = {
    "actiontrail": {"cloud_siem_trail_actiontrail": "open"},
    "oss": {
        "cloud_siem_oss_access_log": "open",
        "cloud_siem_oss_delete_log": "open",
        "cloud_siem_oss_meter_log": "open",
    },
    "sas": {"cloud_siem_aegis_dns": "open", "cloud_siem_aegis_proc": "open"},
    "waf": {"*": "open"},
}
NEW: dict[str, Any] = {**OPEN, "vpc": {"cloud_siem_vpc_flow_log": "open"}}
LESS: dict[str, Any] = {**NEW, "oss": {"cloud_siem_oss_access_log": "open"}}


@pytest.fixture(scope="module")
def platform() -> Iterator[FakeGitHub]:
    with FakeGitHub() as running:
        yield running


def pull_request(
    site: Site, platform: FakeGitHub, *, fork: bool = False, author: str = "x", sender: str = "x"
) -> Run:
    """The run for the branch ``change``, as the platform would merge it."""
    site.merge("change", into="merged")
    site.git("update-ref", f"refs/pull/{REQUEST}/merge", "merged")
    whose = "somebody/siem" if fork else "acme/siem"
    head = {"repo": {"full_name": whose}}
    event = {
        "pull_request": {"number": REQUEST, "head": head, "user": {"login": author}},
        "sender": {"login": sender},
    }
    run = Run(site=site, platform=platform, ref=f"refs/pull/{REQUEST}/merge", event=event)
    run.workflow("preview")
    return run


def deployment(site: Site, platform: FakeGitHub) -> Run:
    run = Run(site=site, platform=platform, ref="refs/heads/main")
    run.workflow("deploy")
    return run


def test_what_is_merged_is_applied_and_looked_at(site: Site, platform: FakeGitHub) -> None:
    """Nothing closes, so nobody is asked; it ends in sync."""
    site.declare(OPEN)
    site.commit()

    run = deployment(site, platform)

    assert run.failed == [], run.log
    apply = run.jobs[f"deploy ({STACK}) / apply"]
    assert apply.environment == "cloud-siem"
    assert "1 stack in sync" in apply.log


def test_a_pull_request_gets_one_comment_that_tells_what_opens(
    site: Site, platform: FakeGitHub
) -> None:
    """Nothing is applied. One that cannot be written is a failure by itself, and hides nothing;
    when its job runs again, it is there.
    """
    site.branch("change", NEW)
    platform.next = [Reply(status=403, data={"message": "Resource not accessible"})]

    run = pull_request(site, platform)

    assert run.failed == ["comment"], run.log
    assert "pull-requests: write" in run.jobs["comment"].log
    assert platform.texts == []

    run.again("preview", "comment")

    assert run.failed == [], run.log
    (comment,) = platform.texts
    assert comment.startswith("<!-- cloud-siem:preview -->")
    assert f"### {STACK}\n\n**1 opens.**" in comment
    assert "vpc/cloud_siem_vpc_flow_log opens" in plain(comment)
    assert "**1 opens.**" in run.jobs[f"preview ({STACK})"].summary
    assert not site.siem.status("vpc", "cloud_siem_vpc_flow_log")


def test_a_forks_pull_request_is_validated_alone(site: Site, platform: FakeGitHub) -> None:
    before = platform.texts

    run = pull_request(site, platform, fork=True)

    assert {name: one.result for name, one in run.jobs.items()} == {
        "validate": "success",
        "preview": "skipped",
        "comment": "skipped",
    }
    assert platform.texts == before


DEPENDABOT = "dependabot[bot]"


@pytest.mark.parametrize(
    ("author", "sender"), [(DEPENDABOT, DEPENDABOT), (DEPENDABOT, "x"), ("x", DEPENDABOT)]
)
def test_a_pull_request_of_dependabot_is_validated_alone_and_a_note_says_so(
    site: Site, platform: FakeGitHub, author: str, sender: str
) -> None:
    """It gets no secrets: a preview would be red, and the comment missing, on each of them."""
    before = platform.texts

    run = pull_request(site, platform, author=author, sender=sender)

    assert {name: one.result for name, one in run.jobs.items()} == {
        "validate": "success",
        "preview": "skipped",
        "comment": "skipped",
    }
    assert "::notice title=Not previewed::" in run.jobs["validate"].log
    assert "Dependabot" in run.jobs["validate"].summary
    assert platform.texts == before


def test_what_waits_in_a_merge_queue_is_validated_alone(site: Site, platform: FakeGitHub) -> None:
    """The required check is there, as the queue waits for it."""
    site.merge("change", into="gh-readonly-queue/main/pr-7")
    ref = "refs/heads/gh-readonly-queue/main/pr-7"
    run = Run(site=site, platform=platform, ref=ref, event={"merge_group": {"head_ref": ref}})
    run.workflow("preview")

    assert {name: one.result for name, one in run.jobs.items()} == {
        "validate": "success",
        "preview": "skipped",
        "comment": "skipped",
    }
    assert "Not previewed" not in run.jobs["validate"].log


def test_a_faulty_stack_file_is_told_at_its_line_and_previewed_by_nobody(
    site: Site, platform: FakeGitHub
) -> None:
    site.branch("change", {"sas": {"cloud_siem_aegis_dns": "opne"}})

    run = pull_request(site, platform)

    assert run.failed == ["validate"]
    assert run.jobs["preview"].result == "skipped"
    assert f"::error file=stacks/Pulumi.{STACK}.yaml,line=" in run.jobs["validate"].log


def test_a_pull_request_that_closes_too_much_is_refused_and_the_comment_says_so(
    site: Site, platform: FakeGitHub
) -> None:
    """The job of the preview fails; the comment is there all the same, in the place of the last."""
    (first,) = platform.posts
    site.branch("change", {"sas": {"cloud_siem_aegis_proc": "open"}})

    run = pull_request(site, platform)

    assert f"preview ({STACK})" in run.failed
    assert run.jobs["comment"].result == "success"
    (comment,) = platform.posts
    assert comment.id == first.id
    assert "**A guardrail refuses the preview.**" in comment.text
    assert "CLOUD_SIEM_CLOSE_LIMIT=" in plain(comment.text), "the way out"
    assert site.siem.status("waf", "cloud_siem_waf_flow")


def test_a_removed_stack_is_told_with_what_becomes_of_it(site: Site, platform: FakeGitHub) -> None:
    """Another file has come in its place, whose stack nobody has made yet: that is told, too."""
    site.branch("change")
    file = site.origin / "stacks" / "Pulumi.other.yaml"
    file.write_text('config:\n  cloud-siem:account: "1"\n  cloud-siem:region: cn-hangzhou\n')
    text = file.read_text().replace('"1"', f'"{site.siem.world.first.id}"')
    file.write_text(text)
    site.commit()

    run = pull_request(site, platform)

    (comment,) = platform.texts
    assert (
        "### demo\n\n**Its file is removed: nothing looks after this stack any more.**" in comment
    )
    assert "### other\n\n**The preview failed" in comment
    assert "no stack named 'other' found" in run.jobs["preview (other)"].log


def test_what_closes_waits_for_the_approval_of_its_environment_and_is_then_applied(
    site: Site, platform: FakeGitHub
) -> None:
    """The review that is to be approved is in the summary of the job before."""
    site.branch("change", LESS)
    site.merge("change")

    run = deployment(site, platform)

    assert run.failed == [], run.log
    assert "**2 close, 1 opens.**" in run.jobs[f"deploy ({STACK}) / plan"].summary
    assert run.jobs[f"deploy ({STACK}) / apply"].environment == "cloud-siem-close"
    assert not site.siem.status("oss", "cloud_siem_oss_meter_log")
    assert site.siem.status("vpc", "cloud_siem_vpc_flow_log")


def test_a_plan_that_is_older_than_the_branch_is_not_applied(
    site: Site, platform: FakeGitHub
) -> None:
    """Somebody runs the deployment of an earlier commit once more: its logs stay closed."""
    earlier = site.git("rev-parse", "main^1")
    run = Run(site=site, platform=platform, ref="refs/heads/main", commit=earlier)

    run.workflow("deploy")

    assert f"deploy ({STACK}) / apply" in run.failed
    log = run.jobs[f"deploy ({STACK}) / apply"].log
    assert "main has moved on" in log
    assert "pulumi up" not in log
    assert site.siem.status("vpc", "cloud_siem_vpc_flow_log")


def morning(site: Site, platform: FakeGitHub) -> Run:
    run = Run(site=site, platform=platform, ref="refs/heads/main")
    run.workflow("drift")
    assert run.failed == [], run.log
    return run


def test_drift_opens_an_issue_that_is_left_alone_until_it_is_mended(
    site: Site, platform: FakeGitHub
) -> None:
    """The second morning writes nothing; the third closes it."""
    site.siem.switch("sas", "cloud_siem_aegis_proc", state="closed")
    run = morning(site, platform)
    (issue,) = platform.issues
    assert issue.open
    assert "cloud_siem_aegis_proc is closed, declared open" in plain(issue.text)
    assert "cloud_siem_aegis_proc" in plain(run.jobs["drift"].summary)
    assert run.jobs["drift"].outputs == {"drifted": "1", "report": "drift.html"}
    assert (run.artifacts["drift"] / "drift.html").stat().st_size

    written = len(platform.writes)
    morning(site, platform)
    assert len(platform.writes) == written

    site.siem.switch("sas", "cloud_siem_aegis_proc", state="open")
    morning(site, platform)
    (issue,) = platform.issues
    assert not issue.open


def test_an_account_that_cannot_be_looked_at_fails_the_run_and_is_told(
    site: Site, platform: FakeGitHub
) -> None:
    site.siem.fault("internal_error", action="ListDelivery", seconds=600)
    run = Run(site=site, platform=platform, ref="refs/heads/main")
    site.machine["CLOUD_SIEM_DEADLINE"] = "1"

    run.workflow("drift")

    assert "drift" in run.failed
    assert run.jobs["issues"].result == "success", run.log
