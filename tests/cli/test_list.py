"""`cloud-siem list`: the account as it is now, beside what the stack declares."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cloud_siem.cli import main
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, OTHER_ACCOUNT

STACK = f"""
config:
  cloud-siem:account: "{ACCOUNT}"
  cloud-siem:region: cn-hangzhou
  cloud-siem:deliveries:
    actiontrail: {{cloud_siem_trail_actiontrail: open}}
    sas: {{cloud_siem_aegis_proc: open, cloud_siem_aegis_dns: closed}}
    waf: {{"*": open}}
"""


@pytest.fixture
def project(tmp_path: Path, siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with the stack `prod`, on the emulator."""
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "Pulumi.prod.yaml").write_text(STACK, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
    return tmp_path


def test_it_shows_every_log_with_its_state_and_what_is_declared_of_it(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["list", "prod"])
    shown = capsys.readouterr().out

    assert code == 0
    assert "PRODUCT      LOG                                 STATE   DECLARED\n" in shown
    assert "sas          cloud_siem_aegis_proc               closed  open\n" in shown
    assert (
        "bastionhost  cloud_siem_bastionhost_event        closed            "
        "not operable by this caller\n"
    ) in shown
    assert shown.endswith(
        f"account {ACCOUNT}, cn-hangzhou: 1 of 47 logs open;"
        " 2 of 4 declared deliveries as declared.\n"
        "  sas/cloud_siem_aegis_proc is closed, declared open\n"
        "  waf is closed, declared open\n"
    )


def test_it_asks_for_the_list_once_and_writes_nothing(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["list", "prod"])

    assert siem.counts().actions == {"GetCallerIdentity": 1, "ListDelivery": 1}


def test_declared_leaves_out_what_the_stack_does_not_declare(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["list", "prod", "--declared"])
    table = capsys.readouterr().out.partition("\n\n")[0]

    assert [line.split()[1] for line in table.splitlines()[1:]] == [
        "cloud_siem_trail_actiontrail",
        "cloud_siem_aegis_dns",
        "cloud_siem_aegis_proc",
        "cloud_siem_waf_alert",
        "cloud_siem_waf_flow",
    ]


def test_json_is_for_programs(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "prod", "--declared", "--json"])
    listed = json.loads(capsys.readouterr().out)

    assert listed["stack"] == "prod"
    assert listed["account"] == ACCOUNT
    assert listed["logs"][0] == {
        "product": "actiontrail",
        "log": "cloud_siem_trail_actiontrail",
        "state": "open",
        "declared": "open",
        "operable": True,
    }


def test_an_unknown_stack_is_told_with_what_may_be_meant(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["list", "prd"])

    assert code == 1
    assert capsys.readouterr().err == (
        'there is no stack prd (stacks/Pulumi.prd.yaml); did you mean "prod"?\n'
    )


def test_another_accounts_credentials_are_refused_before_the_list_is_asked_for(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    file = project / "stacks" / "Pulumi.prod.yaml"
    file.write_text(STACK.replace(ACCOUNT, OTHER_ACCOUNT), encoding="utf-8")
    code = main(["list", "prod"])

    assert code == 1
    assert f"the credentials belong to account {ACCOUNT}" in capsys.readouterr().err
    assert siem.counts().actions == {"GetCallerIdentity": 1}


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ("environment: [x]", "what an environment holds is known to the engine alone"),
        ("  cloud-siem:profile: {secure: x}", "a secret is known to the engine alone"),
    ],
)
def test_a_file_that_only_the_engine_can_read_whole_is_refused_with_the_reason(
    more: str,
    reason: str,
    project: Path,
    siem: EmulatorServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whose account it is, and what it declares of it, is not known here."""
    (project / "stacks" / "Pulumi.prod.yaml").write_text(f"{STACK}{more}\n", encoding="utf-8")
    code = main(["list", "prod"])

    assert code == 1
    assert reason in capsys.readouterr().err
    assert siem.counts().actions == {}
