"""`cloud-siem adopt`: what it writes and prints, and what it never touches."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from cloud_siem.cli import main
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.loading import load_files, load_stack_file
from siem_emulator import EmulatorServer, World
from tests.conftest import ACCOUNT, MEMBER, OTHER_ACCOUNT

NEW = ("--account", MEMBER, "--region", "cn-hangzhou")
OPENED = 10
"""How many logs of the member are open when the emulator starts."""
ROLE = "acs:ram::{account}:role/siem-delivery"


@pytest.fixture
def project(tmp_path: Path, siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project without stacks, on the emulator, with the member's role to assume.

    The key is the administrator's in all tests: the credentials SDK reads it once, at import.
    """
    (tmp_path / "stacks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
    monkeypatch.setenv("CLOUD_SIEM_ROLE_ARN", ROLE)
    return tmp_path


def file(project: Path, name: str = "prod") -> Path:
    return project / "stacks" / f"Pulumi.{name}.yaml"


def adopt(*arguments: str) -> int:
    return main(["adopt", "prod", *arguments])


# --- a new file -----------------------------------------------------------------------------------


def test_it_writes_a_valid_file_with_one_look_and_says_what_to_do_next(
    project: Path,
    siem: EmulatorServer,
    capsys: pytest.CaptureFixture[str],
    golden: Callable[[str, str], None],
) -> None:
    """One identity, one ListDelivery, no write to the account."""
    code = adopt(*NEW)

    out, err = capsys.readouterr()
    assert (code, err) == (ExitCode.OK, "")
    golden("adopt-written.txt", out)
    stacks, reasons = load_files([file(project)], os.environ)
    assert reasons == ()
    assert len(stacks[0].deliveries) == OPENED
    assert siem.counts().actions == {"AssumeRole": 1, "GetCallerIdentity": 1, "ListDelivery": 1}
    assert [one.name for one in (project / "stacks").iterdir()] == ["Pulumi.prod.yaml"]


def test_a_role_for_each_account_is_named_once_and_written(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What --set says is used for the look, and stands in the file: no variable is needed."""
    monkeypatch.delenv("CLOUD_SIEM_ROLE_ARN")
    code = adopt(*NEW, "--set", f"roleArn={ROLE}", "--set", "cloud-siem:onRemove=keep")

    assert code == ExitCode.OK
    assert load_stack_file(file(project), {}).settings.role_arn == ROLE
    assert "CLOUD_SIEM_ROLE_ARN" not in capsys.readouterr().out


def test_a_member_is_seen_through_its_administrator(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """View and member stand in the file."""
    monkeypatch.delenv("CLOUD_SIEM_ROLE_ARN")

    assert adopt("--account", ACCOUNT, "--region", "cn-hangzhou", "--member", MEMBER) == 0
    assert load_stack_file(file(project), {}).perspective.member == MEMBER


def test_a_stack_that_has_its_salt_alone_is_continued(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`pulumi stack init` was first; its line and the file's permissions stay."""
    salt = "# Made by hand.\nencryptionsalt: v1:abc=:v1:x:y==\n"
    file(project).write_text(salt)
    file(project).chmod(0o640)

    assert adopt(*NEW) == ExitCode.OK
    assert salt in file(project).read_text()
    assert file(project).stat().st_mode & 0o777 == 0o640
    assert "pulumi stack init" not in capsys.readouterr().out


def test_without_account_or_region_a_new_file_is_a_usage_error(
    project: Path, siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nobody is called."""
    assert adopt("--account", MEMBER) == ExitCode.USAGE
    assert "say --account and --region" in capsys.readouterr().err
    assert siem.counts().actions == {}


def test_all_faults_of_the_command_line_are_told_at_once(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the words of the stack file, which is what they would stand in."""
    monkeypatch.delenv("CLOUD_SIEM_ROLE_ARN")
    code = adopt(
        *("--account", "12", "--region", "cn-shanghai", "--view", "all"),
        *("--set", "roleArn=x", "--set", "deadline=0"),
    )

    faults = capsys.readouterr().err.splitlines()
    keys = ("account", "deadline", "region", "roleArn", "view")
    assert code == ExitCode.ERROR
    assert [line.split(": ")[0] for line in faults] == [f"cloud-siem:{key}" for key in keys]


@pytest.mark.parametrize("pair", ["roleArm=x", "roleArn", "account=1", "deliveries={}"])
def test_set_takes_settings_alone(
    pair: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what may be meant."""
    assert adopt(*NEW, "--set", pair) == ExitCode.ERROR
    assert "is no KEY=VALUE of a stack file; " in capsys.readouterr().err


def test_a_folder_without_stacks_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is made in the wrong place."""
    monkeypatch.chdir(tmp_path)

    assert adopt(*NEW) == ExitCode.ERROR
    assert "run this in the project's folder" in capsys.readouterr().err


def test_a_path_that_the_engine_would_not_read_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It reads Pulumi.<stack>.yaml alone."""
    assert main(["adopt", "stacks/prod.yaml", *NEW]) == ExitCode.ERROR
    assert "the engine reads Pulumi.<stack>.yaml" in capsys.readouterr().err


# --- what it refuses to do ------------------------------------------------------------------------


def test_another_accounts_credentials_write_nothing(
    project: Path,
    siem: EmulatorServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The list is not even asked for."""
    monkeypatch.delenv("CLOUD_SIEM_ROLE_ARN")
    code = adopt("--account", OTHER_ACCOUNT, "--region", "cn-hangzhou")

    assert code == ExitCode.ERROR
    assert f"the credentials belong to account {ACCOUNT}" in capsys.readouterr().err
    assert not file(project).exists()
    assert siem.counts().actions == {"GetCallerIdentity": 1}


def test_closed_logs_are_not_declared_where_each_needs_a_reason(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file would not be valid."""
    assert adopt(*NEW, "--include-closed", "--set", "requireReason=true") == ExitCode.ERROR
    assert "leave out --include-closed" in capsys.readouterr().err
    assert not file(project).exists()


def test_a_disk_that_fails_leaves_nothing_behind(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither half a file nor the one that was written aside."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    assert adopt(*NEW) == ExitCode.ERROR
    assert "cannot be written: No space left on device" in capsys.readouterr().err
    assert list((project / "stacks").iterdir()) == []


def no_links(*_: object) -> None:
    """As on a file system that has none."""
    raise PermissionError(1, "Operation not permitted")


def test_a_file_system_without_hard_links_will_do(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As some that are shared over a network."""
    monkeypatch.setattr(os, "link", no_links)

    assert adopt(*NEW) == ExitCode.OK
    assert [one.name for one in (project / "stacks").iterdir()] == ["Pulumi.prod.yaml"]


@pytest.mark.parametrize("link", [os.link, no_links])
def test_a_file_that_appears_meanwhile_is_not_overwritten(
    link: Callable[..., None],
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Somebody else's file stays as it is."""
    monkeypatch.setattr(os, "link", link)
    write = os.fsync

    def meanwhile(stream: int) -> None:
        file(project).write_text("theirs")
        write(stream)

    monkeypatch.setattr(os, "fsync", meanwhile)

    assert adopt(*NEW) == ExitCode.ERROR
    assert "nothing was written" in capsys.readouterr().err
    assert file(project).read_text() == "theirs"


# --- a file that is there -------------------------------------------------------------------------

THERE = f"""\
config:
  cloud-siem:account: "{MEMBER}"
  cloud-siem:region: cn-hangzhou
  cloud-siem:deliveries:
    sas: {{cloud_siem_aegis_proc: open, cloud_siem_aegis_dns: open}}
    waf: {{"*": open}}
"""


def test_the_docs_show_what_is_printed() -> None:
    """The first lines; docs/adopt.md leaves out what follows."""
    root = Path(__file__).parent.parent
    printed = (root / "golden" / "adopt-written.txt").read_text(encoding="utf-8").splitlines()
    page = (root.parent / "docs" / "adopt.md").read_text(encoding="utf-8")

    assert "\n".join(printed[:3]) + "\n...\n" in page


def test_a_file_that_is_there_is_left_alone_and_what_it_lacks_is_printed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The commands on stdout, for a shell; all else on stderr."""
    file(project).write_text(THERE)
    code = adopt()

    out, err = capsys.readouterr()
    start = "pulumi config set --stack prod --path cloud-siem:deliveries"
    assert code == ExitCode.OK
    assert "  37 closed logs not declared (--include-closed).\n" in err
    assert out.splitlines() == [
        f"{start}.actiontrail.cloud_siem_trail_actiontrail open",
        f"{start}.cfw.cloud_siem_cfw_alert open",
        f"{start}.csk.cloud_siem_k8s_audit open",
        f"{start}.oss.cloud_siem_oss_access_log open",
        f"{start}.sas.cloud_siem_aegis_login_event open",
        f"{start}.sas.cloud_siem_aegis_netstat open",
    ]
    assert "stays as it is" in err
    assert file(project).read_text() == THERE


def test_a_file_that_lacks_nothing_says_so(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was adopted a moment ago."""
    adopt(*NEW)
    capsys.readouterr()
    code = adopt()

    out, err = capsys.readouterr()
    assert (code, out) == (ExitCode.OK, "")
    assert err.endswith("It lacks nothing.\n")


def test_a_file_without_our_keys_gets_commands_for_them(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another program's config is in it."""
    file(project).write_text("config:\n  aws:region: eu-west-1\n")
    code = adopt(*NEW, "--set", f"roleArn={ROLE}")

    lines = capsys.readouterr().out.splitlines()
    assert code == ExitCode.OK
    assert lines[:3] == [
        f"pulumi config set --stack prod -- cloud-siem:account {MEMBER}",
        "pulumi config set --stack prod -- cloud-siem:region cn-hangzhou",
        f"pulumi config set --stack prod -- cloud-siem:roleArn '{ROLE}'",
    ]
    assert len(lines) == 3 + OPENED


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--account", ACCOUNT], f"account is {MEMBER} in stacks/Pulumi.prod.yaml, and {ACCOUNT}"),
        (["--view", "enterprise"], "view is account in stacks/Pulumi.prod.yaml, and enterprise"),
        (["--member", ACCOUNT], "member is not set in stacks/Pulumi.prod.yaml, and"),
    ],
)
def test_another_account_or_view_than_the_files_is_refused(
    arguments: list[str],
    message: str,
    project: Path,
    siem: EmulatorServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before anything is asked for."""
    file(project).write_text(THERE)

    assert adopt(*arguments) == ExitCode.ERROR
    assert message in capsys.readouterr().err
    assert siem.counts().actions == {}


def test_a_setting_that_the_file_has_is_not_set_again(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever value it has: the file is a person's to edit."""
    file(project).write_text(THERE + "  cloud-siem:deadline: 30\n")

    assert adopt("--set", "deadline=60") == ExitCode.ERROR
    assert "has cloud-siem:deadline already; edit it there" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("environment: [x]\n" + THERE, "known to the engine alone"),
        (THERE + "  cloud-siem:profile: {secure: abc}\n", "a secret is known to the engine alone"),
        (THERE.replace("open", "opne"), "did you mean open?"),
        ("", "the file is empty"),
    ],
)
def test_a_file_that_cannot_be_judged_is_refused_with_the_reason(
    text: str,
    message: str,
    project: Path,
    siem: EmulatorServer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What it declares is not known, or not sure."""
    file(project).write_text(text)

    assert adopt(*NEW) == ExitCode.ERROR
    assert message in capsys.readouterr().err
    assert file(project).read_text() == text
    assert siem.counts().actions == {}


# --- beside other stacks --------------------------------------------------------------------------


def test_what_another_stack_declares_is_left_out_and_told(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that both files are valid together; a file with faults cannot be compared."""
    file(project, "other").write_text(THERE)
    file(project, "broken").write_text("config: 1\n")
    code = adopt(*NEW)

    out = capsys.readouterr().out
    assert code == ExitCode.OK
    assert "  6 of 10 open logs are declared (60 %).\n" in out
    assert "  4 logs left out, since stack other declares them.\n" in out
    assert "  1 other stack file with faults could not be compared;" in out
    assert load_files([file(project), file(project, "other")], os.environ)[1] == ()


def test_an_account_that_lists_nothing_gets_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Cloud SIEM is not activated there, or nothing is connected to it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stacks").mkdir()
    world = World.build(members=1, not_connected=frozenset(World.build().catalog.products))
    with EmulatorServer(world=world) as siem:
        monkeypatch.setenv("CLOUD_SIEM_ENDPOINT", siem.url)
        siem.control(
            "keys",
            account=world.first.id,
            id=os.environ["ALIBABA_CLOUD_ACCESS_KEY_ID"],
            secret=os.environ["ALIBABA_CLOUD_ACCESS_KEY_SECRET"],
        )
        code = adopt("--account", world.first.id, "--region", "cn-hangzhou")

    assert code == ExitCode.ERROR
    assert "lists no products at all" in capsys.readouterr().err
    assert list((tmp_path / "stacks").iterdir()) == []
