"""The GitLab pipeline as it is shipped, job by job: real engine, emulator, a small GitLab.

One repository lives through it all, in the order of the tests; each says what happened before it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.ci.fake_platform import FakeGitLab
from tests.pipelines.gitlab import Pipeline
from tests.pipelines.site import STACK, Site, plain

pytestmark = pytest.mark.engine

OPEN = {
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
PREVIEW, DEPLOY, CLOSE = (f"{name}: [{STACK}]" for name in ("preview", "deploy", "deploy-close"))


@pytest.fixture(scope="module")
def platform() -> Iterator[FakeGitLab]:
    with FakeGitLab() as running:
        yield running


def merge_request(site: Site, platform: FakeGitLab, *, fork: bool = False) -> Pipeline:
    variables = {
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "2" if fork else "1",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": site.git("rev-parse", "main"),
    }
    return Pipeline(
        site=site,
        platform=platform,
        ref="refs/heads/change",
        source="merge_request_event",
        variables=variables,
    ).run()


def merged(site: Site, platform: FakeGitLab) -> Pipeline:
    return Pipeline(
        site=site,
        platform=platform,
        ref="refs/heads/main",
        source="push",
        variables={"CI_COMMIT_BRANCH": "main"},
    ).run()


def schedule(site: Site, platform: FakeGitLab) -> Pipeline:
    return Pipeline(
        site=site,
        platform=platform,
        ref="refs/heads/main",
        source="schedule",
        variables={"CI_COMMIT_BRANCH": "main"},
    ).run()


def results(pipeline: Pipeline) -> dict[str, str]:
    return {name: one.result for name, one in pipeline.jobs.items()}


def test_what_is_merged_is_applied_and_looked_at(site: Site, platform: FakeGitLab) -> None:
    """The job for what closes waits for somebody, who is not needed."""
    site.declare(OPEN)
    site.commit()

    pipeline = merged(site, platform)

    assert results(pipeline) == {"validate": "success", DEPLOY: "success", CLOSE: "manual"}, (
        pipeline.log
    )
    assert pipeline.jobs[DEPLOY].environment == f"cloud-siem/{STACK}"
    assert "1 stack in sync" in pipeline.jobs[DEPLOY].log


def test_a_merge_request_gets_one_note_that_is_changed_in_place(
    site: Site, platform: FakeGitLab
) -> None:
    """First it opens a delivery; then it closes too much, is refused, and the note says so."""
    site.branch("change", NEW)
    pipeline = merge_request(site, platform)

    assert pipeline.failed == [], pipeline.log
    (first,) = platform.posts
    assert f"### {STACK}\n\n**1 opens.**" in first.text
    assert not site.siem.status("vpc", "cloud_siem_vpc_flow_log")

    site.branch("change", {"actiontrail": {"cloud_siem_trail_actiontrail": "open"}})
    pipeline = merge_request(site, platform)

    assert results(pipeline) == {"validate": "success", PREVIEW: "failed", "comment": "success"}
    (note,) = platform.posts
    assert note.id == first.id
    assert "**A guardrail refuses the preview.**" in note.text
    assert "CLOUD_SIEM_CLOSE_LIMIT=" in plain(note.text), "the way out"
    assert site.siem.status("waf", "cloud_siem_waf_flow")


def test_a_forks_merge_request_is_validated_alone(site: Site, platform: FakeGitLab) -> None:
    assert results(merge_request(site, platform, fork=True)) == {"validate": "success"}


def test_a_faulty_stack_file_is_told_at_its_line_and_previewed_by_nobody(
    site: Site, platform: FakeGitLab
) -> None:
    site.branch("change", {"sas": {"cloud_siem_aegis_dns": "opne"}})

    pipeline = merge_request(site, platform)

    assert (pipeline.jobs["validate"].result, pipeline.jobs[PREVIEW].result) == (
        "failed",
        "skipped",
    )
    (fault,) = json.loads((pipeline.reports / "gl-code-quality-report.json").read_text())
    assert fault["location"]["path"] == f"stacks/Pulumi.{STACK}.yaml"


def test_what_closes_is_applied_when_somebody_starts_it_and_not_before(
    site: Site, platform: FakeGitLab
) -> None:
    """The plan is the reviewed one; started once more after the next merge, it is refused."""
    site.branch("change", LESS)
    site.merge("change")

    pipeline = merged(site, platform)

    assert results(pipeline) == {"validate": "success", DEPLOY: "warning", CLOSE: "manual"}
    assert "exit code 20" in pipeline.jobs[DEPLOY].log
    assert site.siem.status("oss", "cloud_siem_oss_meter_log")

    pipeline.play("deploy-close")

    assert pipeline.jobs[CLOSE].result == "success", pipeline.log
    assert pipeline.jobs[CLOSE].environment == f"cloud-siem-close/{STACK}"
    assert not site.siem.status("oss", "cloud_siem_oss_meter_log")

    site.commit()
    pipeline.play("deploy-close")

    assert pipeline.failed == [CLOSE]
    assert "main has moved on" in pipeline.jobs[CLOSE].log


def test_drift_opens_an_issue_that_is_left_alone_until_it_is_mended(
    site: Site, platform: FakeGitLab
) -> None:
    """The second schedule writes nothing; the third closes it."""
    site.siem.switch("sas", "cloud_siem_aegis_proc", state="closed")
    pipeline = schedule(site, platform)

    assert results(pipeline) == {"drift": "warning", "issues": "success"}, pipeline.log
    (issue,) = platform.issues
    assert issue.open
    assert "cloud_siem_aegis_proc is closed, declared open" in plain(issue.text)
    assert "<testsuite" in (pipeline.reports / "drift.xml").read_text()

    written = len(platform.writes)
    schedule(site, platform)
    assert len(platform.writes) == written

    site.siem.switch("sas", "cloud_siem_aegis_proc", state="open")
    assert results(schedule(site, platform)) == {"drift": "success", "issues": "success"}
    (issue,) = platform.issues
    assert not issue.open
