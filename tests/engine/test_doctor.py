"""`cloud-siem doctor` and the real engine: what it tells of itself is understood."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.engine.engine import STACK, Engine


def verdicts(engine: Engine, stack: str) -> dict[str, str]:
    """The verdict of each check."""
    done = subprocess.run(
        [sys.executable, "-m", "cloud_siem.cli", "doctor", stack, "--json"],
        cwd=engine.folder,
        env=engine.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return {one["name"]: one["verdict"] for one in json.loads(done.stdout)["checks"]}


def test_where_an_update_works_there_is_no_problem_and_where_it_does_not_there_is(
    engine: Engine,
) -> None:
    """The engine's version and parts, its backend, its stacks."""
    engine.declare({"waf": {"*": "open"}})
    here = verdicts(engine, STACK)

    assert engine.preview().code == 0
    assert here["backend"] == here["engine"] == here["language host"] == "ok"
    assert "problem" not in here.values(), here

    other = engine.file.with_name("Pulumi.other.yaml")
    other.write_text(engine.file.read_text())
    engine.environment["PULUMI_BACKEND_URL"] = "file:///nowhere"

    assert engine.preview().code != 0
    assert verdicts(engine, STACK)["backend"] == "problem"

    engine.environment["PULUMI_BACKEND_URL"] = f"file://{engine.folder / 'backend'}"

    assert verdicts(engine, "other")["backend"] == "problem"
