"""The policy pack under the real engine: what each policy refuses, and what it lets pass.

The pack is the shipped one, started as the engine's Python language host starts it: the Python of
its own environment runs ``pulumi.policy`` in the pack's folder. The host that we build is older and
knows no packs; so the copy here has a runtime of another name, whose program does just that.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from siem_emulator import EmulatorServer
from tests.engine.engine import ROOT, Engine, Golden, Result

RUNTIME = "its-own-environment"
START = """\
#!/bin/sh
exec .venv/bin/python -u -m pulumi.policy "$1" "$2"
"""
PROC = "cloud_siem_aegis_proc"
DNS = "cloud_siem_aegis_dns"
TRAIL = "cloud_siem_trail_actiontrail"
MANDATORY: dict[str, Any] = {"actiontrail": {TRAIL: {"state": "open", "protect": True}}}
RULES: dict[str, Any] = {
    "mandatory-logs": {
        "rules": [
            {
                "tags": {"env": "prod"},
                "logs": [f"actiontrail/{TRAIL}", f"sas/{PROC}"],
                "reason": "SEC-12: who did what, and what ran",
            }
        ]
    },
    "protect-required": {"rules": [{"tags": {"env": "prod"}, "logs": ["actiontrail/*"]}]},
    "enterprise-view": {"stacks": ["group-*"]},
}
BARE = f"""
import cloud_siem

cloud_siem.LogDelivery(
    "dns", account="1130916744880000", region="cn-hangzhou", product="sas", log="{DNS}"
)
"""

Pack = Callable[..., tuple[str, ...]]


@pytest.fixture
def pack(engine: Engine, tmp_path: Path, pack_venv: Path) -> Pack:
    """Gives the engine's arguments for the pack with some config."""
    folder = tmp_path / "pack"
    shutil.copytree(ROOT / "policies", folder, ignore=shutil.ignore_patterns(".venv"))
    (folder / ".venv").symlink_to(pack_venv)
    project = folder / "PulumiPolicy.yaml"
    shipped = project.read_text()
    assert "name: python\n" in shipped
    assert "virtualenv: .venv" in shipped
    project.write_text(shipped.replace("name: python\n", f"name: {RUNTIME}\n"))
    start = tmp_path / "bin" / f"pulumi-analyzer-policy-{RUNTIME}"
    start.parent.mkdir()
    start.write_text(START)
    start.chmod(0o755)
    engine.environment["PATH"] += f"{os.pathsep}{start.parent}"

    def arguments(config: dict[str, Any] = RULES, **changes: Any) -> tuple[str, ...]:
        file = tmp_path / "policies.json"
        file.write_text(json.dumps(config | changes))
        return ("--policy-pack", str(folder), "--policy-pack-config", str(file))

    return arguments


def refusals(result: Result) -> str:
    """What the engine says of the policies, without where the pack is."""
    _, _, rest = result.text.partition("\nPolicies:\n")
    return dedent("\n".join(rest.partition("\n\n")[0].split("\n")[1:]) + "\n")


def test_a_mandatory_log_stays_open_and_protected(
    engine: Engine, siem: EmulatorServer, golden: Golden, pack: Pack
) -> None:
    """A preview that drops or closes it fails, and so does an update, before it writes anything;
    with ``--target`` too. What the tags of the stack do not demand is let pass.
    """
    sas = {"sas": {PROC: "open"}}
    engine.declare(MANDATORY | sas, tags={"env": "prod"})
    passed = engine.up(*pack())

    assert passed.code == 0, passed.text
    assert "✅ cloud-siem@v" in passed.text

    engine.declare({"actiontrail": {TRAIL: "open"}}, tags={"env": "prod"})
    dropped = engine.preview(*pack())

    assert dropped.code == 1
    golden("engine/policy-mandatory.txt", refusals(dropped))

    held = engine.up(*pack())

    assert (held.code, held.writes) == (1, [])
    assert refusals(held) == refusals(dropped)

    engine.declare(MANDATORY | {"sas": {PROC: "closed"}}, tags={"env": "prod"})
    targeted = engine.preview(*pack(), "--target", f"**LogDelivery::sas/{PROC}")

    assert targeted.code == 1
    assert f"must declare sas/{PROC} open, and declares it closed" in refusals(targeted)

    advisory = RULES["mandatory-logs"] | {"enforcementLevel": "advisory"}
    advised = engine.preview(*pack(**{"mandatory-logs": advisory}))

    assert advised.code == 0, advised.text
    assert f"must declare sas/{PROC} open, and declares it closed" in refusals(advised)
    assert "[advisory]  mandatory-logs" in refusals(advised)

    engine.declare(MANDATORY | sas, tags={"env": "prod", "team": "soc"})
    retagged = engine.up(*pack())

    assert (retagged.code, retagged.calls) == (0, ()), retagged.text
    assert retagged.counts["updated"] == 1
    assert engine.resources["gate"]["outputs"]["tags"] == {"env": "prod", "team": "soc"}

    engine.declare(MANDATORY, tags={"env": "dev"})
    free = engine.preview(*pack())

    assert free.code == 0, free.text
    assert f"LogDelivery sas/{PROC} delete" in free.text
    assert refusals(free).strip() == ""


def test_a_stack_cannot_pass_without_a_gate(engine: Engine, golden: Golden, pack: Pack) -> None:
    """Neither with a delivery of its own program, which fails before it is written, nor with none,
    which the preview before an update finds.
    """
    engine.declare({"sas": {PROC: "open"}})
    assert engine.up().code == 0

    engine.rewrite(BARE)
    bare = engine.preview(*pack())

    assert bare.code == 1
    golden("engine/policy-bare-delivery.txt", refusals(bare))

    held = engine.up(*pack())

    assert (held.code, held.writes) == (1, [])

    engine.rewrite("")
    gone = engine.run("up", "--yes", *pack())

    assert (gone.code, gone.writes) == (1, [])
    assert f"LogDelivery sas/{PROC} delete" in gone.text
    golden("engine/policy-no-gate.txt", refusals(gone))


def test_the_enterprise_view_is_for_named_stacks(
    engine: Engine, golden: Golden, pack: Pack
) -> None:
    engine.declare({"sas": {PROC: "open"}}, view="enterprise")
    refused = engine.preview(*pack())

    assert refused.code == 1
    golden("engine/policy-enterprise-view.txt", refusals(refused))

    named = engine.preview(*pack(**{"enterprise-view": {"stacks": ["d?v"]}}))

    assert named.code == 0, named.text


def test_a_wrong_config_stops_the_run(engine: Engine, golden: Golden, pack: Pack) -> None:
    """A rule that is misspelled, and a policy that is, demand nothing: so neither is taken."""
    engine.declare({"sas": {PROC: "open"}})
    rules = [{"tag": {"env": "prod"}, "logs": ["sas"]}, {"tags": {"env": 1}}]
    wrong = engine.preview(
        *pack({"mandatory-logs": {"rules": rules}, "protect-needed": {"rules": []}})
    )

    assert (wrong.code, wrong.calls) == (1, ())
    told = [line for line in wrong.diagnostics.splitlines() if "validating policy config:" in line]
    golden("engine/policy-config-faults.txt", "\n".join(line.strip() for line in told) + "\n")
