"""`cloud-siem fleet accounts`: whom it asks, what it tells, what it writes and never touches."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from alibabacloud_credentials.utils import auth_util

from cloud_siem.cli import main
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.loading import load_files
from siem_emulator import EmulatorServer, World
from siem_emulator.worldfile import world_from_mapping
from tests.conftest import ACCOUNT, MEMBER, OTHER_ACCOUNT

SECOND = "1098765432109876"
GONE = "1999999999999999"
NEW = ("--administrator", ACCOUNT, "--region", "cn-hangzhou")


@pytest.fixture
def project(tmp_path: Path, siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without stacks, on the emulator, with the administrator's key."""
    (tmp_path / "stacks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
    return tmp_path


def accounts(*arguments: str) -> int:
    return main(["fleet", "accounts", *arguments])


def declare(project: Path, name: str, member: str, **keys: str) -> Path:
    """A stack file of the administrator's look at a member."""
    config = {"account": ACCOUNT, "region": "cn-hangzhou", "member": member, **keys}
    lines = [f'  cloud-siem:{key}: "{value}"\n' for key, value in config.items()]
    file = project / "stacks" / f"Pulumi.{name}.yaml"
    file.write_text("config:\n" + "".join(lines) + "  cloud-siem:deliveries: {}\n")
    return file


def names(project: Path) -> list[str]:
    return sorted(one.name for one in (project / "stacks").iterdir())


# --- looking --------------------------------------------------------------------------------------


def test_the_stack_files_say_whom_to_ask_and_each_is_asked_once(
    project: Path,
    siem: EmulatorServer,
    capsys: pytest.CaptureFixture[str],
    golden: Callable[[str, str], None],
) -> None:
    """What has no stack and what has no member is told, and nothing is written."""
    declare(project, "staging", MEMBER)
    declare(project, "old", GONE)
    code = accounts()

    out, err = capsys.readouterr()
    assert (code, err) == (ExitCode.DRIFT, "")
    golden("fleet-accounts.txt", out)
    assert siem.counts().actions == {"GetCallerIdentity": 1, "ListRdUsers": 1}
    assert names(project) == ["Pulumi.old.yaml", "Pulumi.staging.yaml"]


def test_accounts_with_ids_of_eight_digits_are_listed_written_and_managed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts_of_eight = {"31524094": {"name": "boss"}, "31524095": {"name": "worker"}}
    world = world_from_mapping(
        {"accounts": accounts_of_eight, "members": {"31524094": ["31524095"]}}
    )
    with EmulatorServer(world) as siem:
        key = siem.key("31524094")
        monkeypatch.setattr(auth_util, "environment_access_key_id", key.id)
        monkeypatch.setattr(auth_util, "environment_access_key_secret", key.secret)
        monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
        code = accounts("--administrator", "31524094", "--region", "cn-hangzhou", "--write")
        assert (code, names(project)) == (
            ExitCode.OK,
            ["Pulumi.31524095-cn-hangzhou.yaml"],
        ), capsys.readouterr()

        assert main(["drift", "31524095-cn-hangzhou", "--fail-on", "drifted"]) == ExitCode.DRIFT
        siem.switch("actiontrail", "cloud_siem_trail_actiontrail", state="open", account="31524095")
        assert main(["drift", "31524095-cn-hangzhou", "--fail-on", "drifted"]) == ExitCode.OK


def test_for_programs_the_same_is_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    declare(project, "old", GONE)
    accounts("--json")

    whole = json.loads(capsys.readouterr().out)
    assert whole["asked"] == [
        {"administrator": ACCOUNT, "region": "cn-hangzhou", "members": 2},
    ]
    assert [(one["kind"], one["account"], one["stack"]) for one in whole["findings"]] == [
        ("uncovered", SECOND, None),
        ("uncovered", MEMBER, None),
        ("departed", GONE, "old"),
    ]


def test_all_covered_is_as_it_should_be(project: Path) -> None:
    declare(project, "a", MEMBER)
    declare(project, "b", SECOND)

    assert accounts() == ExitCode.OK


@pytest.mark.parametrize(
    ("fail_on", "code"),
    [("departed", ExitCode.DRIFT), ("uncovered", ExitCode.OK), ("none", ExitCode.OK)],
)
def test_what_counts_can_be_chosen(project: Path, fail_on: str, code: ExitCode) -> None:
    for name, member in (("a", MEMBER), ("b", SECOND), ("old", GONE)):
        declare(project, name, member)

    assert accounts("--fail-on", fail_on) == code


def test_who_lists_no_members_is_an_error_and_no_stack_is_taken_for_departed(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An empty list is never "all have left"."""
    with EmulatorServer(World.build()) as siem:
        account = siem.world.first.id
        monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
        siem.control(
            "keys",
            account=account,
            id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        )
        declare(project, "a", MEMBER, account=account)
        code = accounts()

    out, err = capsys.readouterr()
    assert code == ExitCode.ERROR
    assert f"ListRdUsers for account {account}, cn-hangzhou lists no members" in err
    assert "departed" not in out


def test_credentials_of_another_account_are_refused_before_anything_is_listed(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accounts("--administrator", OTHER_ACCOUNT, "--region", "cn-hangzhou") == ExitCode.ERROR
    assert f"the credentials belong to account {ACCOUNT}" in capsys.readouterr().err
    assert siem.counts().actions == {"GetCallerIdentity": 1}


def test_one_administrator_that_fails_hides_no_other(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(project, "a", MEMBER)
    declare(project, "b", GONE, account=OTHER_ACCOUNT)
    code = accounts()

    out, err = capsys.readouterr()
    assert code == ExitCode.ERROR
    assert f"the credentials belong to account {ACCOUNT}" in err
    assert f"member {SECOND}" in out


def test_without_anybody_to_ask_it_says_what_to_say(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accounts() == ExitCode.USAGE
    assert "say --administrator and --region" in capsys.readouterr().err
    assert siem.counts().actions == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--administrator", "12"), "its digits, usually 16"),
        (("--region", "cn-shanghai"), "cn-hangzhou"),
        (("--fail-on", "drifted"), "'drifted' is no kind; there are: uncovered, departed"),
        (("--template", "x"), "--template, --role and --name are for --write"),
        (("--write", "--template", "x", "--role", "y"), "not allowed with"),
    ],
)
def test_a_wrong_command_line_says_why(
    project: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accounts(*arguments) == ExitCode.USAGE
    assert message in capsys.readouterr().err


# --- writing --------------------------------------------------------------------------------------


def test_every_uncovered_member_gets_a_file_and_a_second_run_finds_nothing(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a new project, too; what is there stays as it is."""
    there = declare(project, "staging", MEMBER).read_text()
    assert accounts(*NEW, "--write") == ExitCode.OK
    assert f"stacks/Pulumi.{SECOND}-cn-hangzhou.yaml is written.\n" in capsys.readouterr().out
    assert accounts() == ExitCode.OK

    stacks, reasons = load_files((project / "stacks").iterdir(), os.environ)
    assert reasons == ()
    assert {one.perspective.member for one in stacks} == {MEMBER, SECOND}
    assert (project / "stacks" / "Pulumi.staging.yaml").read_text() == there
    assert siem.counts().changed == 0


def test_a_template_of_the_persons_own_is_filled_in(project: Path) -> None:
    template = project / "member.yaml"
    template.write_text(
        'config:\n  cloud-siem:account: "{account}"\n  cloud-siem:region: {region}\n'
        "  cloud-siem:roleArn: acs:ram::{account}:role/siem\n"
        '  cloud-siem:tags: {team: "{name}", admin: "{administrator}"}\n'
        '  cloud-siem:deliveries: {waf: {"*": open}}\n'
    )
    assert accounts(*NEW, "--write", "--template", "member.yaml", "--name", "m-{account}") == 0
    assert names(project) == [f"Pulumi.m-{SECOND}.yaml", f"Pulumi.m-{MEMBER}.yaml"]

    [stack] = load_files([project / "stacks" / f"Pulumi.m-{MEMBER}.yaml"], {})[0]
    assert stack.tags["admin"] == ACCOUNT
    assert stack.settings.role_arn == f"acs:ram::{MEMBER}:role/siem"


def test_a_role_stands_in_the_built_in_template(project: Path) -> None:
    assert accounts(*NEW, "--write", "--role", "acs:ram::{account}:role/siem") == ExitCode.OK
    assert {
        one.perspective.account for one in load_files((project / "stacks").iterdir(), {})[0]
    } == {
        MEMBER,
        SECOND,
    }


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("config: {cloud-siem:account: 1}\n", "cloud-siem:account: 1 is of the wrong type"),
        ("config:\n  - x\n", "member.yaml:"),
        (
            (
                f'config: {{cloud-siem:account: "{GONE}", cloud-siem:region: cn-hangzhou,'
                " cloud-siem:deliveries: {}}\n"
            ),
            f"is about account {GONE}, cn-hangzhou (write {{account}} for the member's id",
        ),
    ],
)
def test_a_template_with_a_fault_writes_nothing_and_the_fault_has_its_place(
    project: Path, template: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "member.yaml").write_text(template)

    assert accounts(*NEW, "--write", "--template", "member.yaml") == ExitCode.ERROR
    err = capsys.readouterr().err
    assert err.startswith("member.yaml")
    assert message in err
    assert f"the file of member {SECOND}" in err
    assert names(project) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("all", "would both be stack all"),
        ("taken-{account}", f"Pulumi.taken-{SECOND}.yaml is there, and is not about member"),
        ("a b", '"a b" for member'),
        ("../{account}", "is no name of a stack"),
    ],
)
def test_a_name_that_is_taken_or_is_none_writes_nothing(
    project: Path, name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    declare(project, f"taken-{SECOND}", GONE)

    assert accounts(*NEW, "--write", "--name", name) == ExitCode.ERROR
    assert message in capsys.readouterr().err
    assert names(project) == [f"Pulumi.taken-{SECOND}.yaml"]


def test_a_stack_file_with_faults_may_be_a_members_so_nothing_is_written(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rest is told all the same."""
    broken = declare(project, "broken", MEMBER)
    broken.write_text(broken.read_text().replace("cn-hangzhou", "nowhere"))

    assert accounts(*NEW) == ExitCode.ERROR
    assert "KIND" in capsys.readouterr().out
    assert accounts(*NEW, "--write") == ExitCode.ERROR
    assert "Nothing was written: mend the stack files first." in capsys.readouterr().err
    assert names(project) == ["Pulumi.broken.yaml"]


def test_a_disk_that_fills_leaves_whole_files_and_says_how_many(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next run writes the rest."""
    write, left = os.fsync, [1]

    def full(stream: int) -> None:
        if not left:
            raise OSError(28, "No space left on device")
        left.pop()
        write(stream)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        assert accounts(*NEW, "--write") == ExitCode.ERROR

    err = capsys.readouterr().err
    assert "cannot be written: No space left on device; 1 file before it written" in err
    assert len(names(project)) == 1
    assert accounts(*NEW, "--write") == ExitCode.OK
    assert len(names(project)) == 2


def test_a_template_that_is_not_there_is_said_before_anybody_is_asked(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert accounts(*NEW, "--write", "--template", "none.yaml") == ExitCode.ERROR
    assert "none.yaml cannot be read: No such file" in capsys.readouterr().err
    assert siem.counts().actions == {}
