"""What the platforms' runners tell a job: which request it is about, and where its own page is.

GitHub: "Variables reference", "Webhook events and payloads". GitLab: "Predefined CI/CD variables
reference". Pure but for the file of the event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cloud_siem.errors import PlatformError


def pull_request(environ: Mapping[str, str]) -> int:
    """The number of the pull request that a run on GitHub is about.

    :raises PlatformError: it is about none.
    """
    number = (_event(environ.get("GITHUB_EVENT_PATH", "")).get("pull_request") or {}).get("number")
    if isinstance(number, int):
        return number
    ref = environ.get("GITHUB_REF", "")
    found = re.fullmatch(r"refs/pull/(\d+)/\w+", ref)
    if found:
        return int(found[1])
    event = environ.get("GITHUB_EVENT_NAME") or "no event"
    raise PlatformError(
        f"this run is about no pull request ({event}, {ref or 'no ref'}): comment in a workflow"
        " with `on: pull_request`"
    )


def _event(path: str) -> Mapping[str, Any]:
    """What started the run; empty where that cannot be read, since the ref may tell as well."""
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError):
        return {}
    return event if isinstance(event, dict) else {}


def merge_request(environ: Mapping[str, str]) -> str:
    """The number of the merge request that a job on GitLab is about.

    :raises PlatformError: it is about none.
    """
    number = environ.get("CI_MERGE_REQUEST_IID", "")
    if not number.isdecimal():
        source = environ.get("CI_PIPELINE_SOURCE") or "no pipeline"
        raise PlatformError(
            f"this job is about no merge request ({source}): comment in one with `rules: - if:"
            " $CI_PIPELINE_SOURCE == 'merge_request_event'`"
        )
    return number


def github_page(environ: Mapping[str, str]) -> str:
    """The page of a run, which has its artifacts; empty where that is not known."""
    server, run = environ.get("GITHUB_SERVER_URL", ""), environ.get("GITHUB_RUN_ID", "")
    repository = environ.get("GITHUB_REPOSITORY", "")
    return f"{server}/{repository}/actions/runs/{run}" if server and run else ""


def gitlab_page(environ: Mapping[str, str]) -> str:
    """The same of a job."""
    return environ.get("CI_JOB_URL", "")
