from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud_siem import cli
from cloud_siem.catalog import PRODUCTS
from cloud_siem.cli.commands import Command
from cloud_siem.cli.excerpts import with_excerpts
from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.validate import validate
from cloud_siem.loading import check_files
from cloud_siem.version import __version__

ROOT = Path(__file__).parent.parent.parent
FAULTS = ROOT / "tests" / "stacks"
SOUND = 'config:\n  cloud-siem:account: "{}"\n  cloud-siem:region: cn-hangzhou\n'
KNOWN = [f"    {one.code}: {{{one.logs[0]}: open}}\n" for one in PRODUCTS.values() if one.logs]


def write(folder: Path, name: str, account: int = 1130916744880000, products: int = 0) -> Path:
    folder.mkdir(exist_ok=True)
    text = SOUND.format(account)
    if products:
        text += "  cloud-siem:deliveries:\n"
        text += "".join(KNOWN[:products])
    file = folder / f"Pulumi.{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def run(*args: str, cwd: Path = ROOT, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command as a person starts it: a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "cloud_siem.cli", *args],
        cwd=cwd,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


# --- validate -------------------------------------------------------------------------------------


def test_without_files_it_checks_all_stack_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The summary counts stacks and deliveries."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "stacks", "one", products=1)
    write(tmp_path / "stacks", "two", account=1234567890123456, products=3)
    (tmp_path / "stacks" / "schema.json").write_text("{}", encoding="utf-8")
    code = cli.main(["validate"])

    out, err = capsys.readouterr()
    assert (code, out, err) == (ExitCode.OK, "2 stacks, 4 deliveries, no faults\n", "")


def test_a_stack_without_deliveries_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Legal, and in the count for all to see."""
    assert cli.main(["validate", str(write(tmp_path, "one"))]) == ExitCode.OK
    assert capsys.readouterr().out == "1 stack, 0 deliveries, no faults\n"


def test_faults_go_to_stderr_sorted_and_the_summary_to_stdout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line per fault, by file and place, whatever the order of the arguments."""
    monkeypatch.chdir(FAULTS)
    files = ["Pulumi.view-unknown.yaml", "Pulumi.many-faults-at-once.yaml", "Pulumi.gone.yaml"]
    code = cli.main(["validate", *files])

    out, err = capsys.readouterr()
    heads = [line.split(": ")[0] for line in err.splitlines()]
    assert code == ExitCode.ERROR
    assert out == "3 files, 13 faults\n"
    assert heads[0] == "Pulumi.gone.yaml"
    assert heads[1] == "Pulumi.many-faults-at-once.yaml:3:23"
    assert heads[-1] == "Pulumi.view-unknown.yaml:4:20"


@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_linked_stack_file_is_a_stack_of_its_own_that_declares_the_same_logs(
    link: Callable[[str, str], None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The engine tells stacks apart by name; destroying one closes what the other declares."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "stacks", "demo", products=1)
    monkeypatch.chdir(tmp_path / "stacks")
    link("Pulumi.demo.yaml", "Pulumi.copy.yaml")
    monkeypatch.chdir(tmp_path)

    assert cli.main(["validate"]) == ExitCode.ERROR
    out, err = capsys.readouterr()
    assert out == "2 files, 1 fault\n"
    assert err.count("Pulumi.demo.yaml:") == err.count("by stack copy too") == 1


@pytest.mark.parametrize("file", ["stacks/../stacks/Pulumi.one.yaml", "again/Pulumi.one.yaml"])
def test_a_file_that_is_named_in_two_ways_is_one_stack(
    file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its folder may be a link."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "stacks", "one", products=1)
    (tmp_path / "again").symlink_to("stacks")

    assert cli.main(["validate", "stacks/Pulumi.one.yaml", file]) == 0
    assert capsys.readouterr().out == "1 stack, 1 delivery, no faults\n"


@pytest.mark.parametrize(
    ("project", "folder", "where"),
    [
        ("stackConfigDir: conf", "conf", "."),
        ("stackConfigDir: conf", "conf", "src"),
        ("main: src", ".", "src"),
        ("main: src", "src/stacks", "src"),
    ],
)
def test_the_stack_files_are_found_where_the_project_has_them(
    project: str,
    folder: str,
    where: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Also from a sub-folder of the project, where `stacks` beside us goes first."""
    (tmp_path / "src").mkdir()
    (tmp_path / "Pulumi.yaml").write_text(f"name: x\n{project}\n")
    write(tmp_path / folder, "one", products=1)
    monkeypatch.chdir(tmp_path / where)

    assert cli.main(["validate"]) == 0
    assert capsys.readouterr().out == "1 stack, 1 delivery, no faults\n"


@pytest.mark.parametrize(("project", "code"), [("Pulumi.yml", 0), ("Pulumi.yaml", 1)])
def test_a_stack_file_has_the_extension_of_the_project_file(
    project: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / project).write_text("{name: x, stackConfigDir: stacks}")
    file = write(tmp_path / "stacks", "one", products=1)
    file.rename(file.with_suffix(".yml"))

    assert cli.main(["validate", "stacks/Pulumi.one.yml"]) == code
    assert cli.main(["validate"]) == code


def test_a_folder_without_stack_files_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing checked is not the same as nothing found."""
    monkeypatch.chdir(tmp_path)

    assert cli.main(["validate"]) == ExitCode.ERROR
    assert "run this in the project's folder" in capsys.readouterr().err


def test_the_environment_counts() -> None:
    """As it does for pulumi up."""
    done = run("validate", CLOUD_SIEM_DEADLINE="soon")

    assert done.returncode == ExitCode.ERROR
    assert done.stderr.startswith('CLOUD_SIEM_DEADLINE: "soon" is no number of seconds')


def test_every_faulty_file_at_once_gives_no_traceback() -> None:
    """The whole of tests/stacks, as a person would run it."""
    done = run("validate", *sorted(path.name for path in FAULTS.glob("*.yaml")), cwd=FAULTS)

    assert done.returncode == ExitCode.ERROR
    assert "Traceback" not in done.stderr
    assert "not-to-be-shown" not in done.stdout + done.stderr


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_bytes_of_any_kind_give_an_exit_code(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """And never a traceback."""
    file = tmp_path_factory.getbasetemp() / "Pulumi.random.yaml"
    file.write_bytes(data)

    assert validate([str(file)], {}) == ExitCode.ERROR


def test_a_file_that_may_not_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Like one that is not there."""

    def locked(*_args: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", locked)

    assert cli.main(["validate", str(tmp_path / "Pulumi.one.yaml")]) == ExitCode.ERROR
    assert "this file may not be read" in capsys.readouterr().err


# --- formats --------------------------------------------------------------------------------------


SHOWN = (
    *("Pulumi.gone.yaml", "Pulumi.many-faults-at-once.yaml", "Pulumi.log-code-with-newline.yaml"),
    *("Pulumi.duplicate-log.yaml", "Pulumi.two-readers.yaml"),
)


UNKNOWN = """  cloud-siem:deliveries:
    sas: {cloud_siem_aegis_prco: open, cloud_siem_aegis_dns: open}
    sass: {a: open, b: open}
    waf: {"*": open}
"""


@pytest.mark.parametrize(("strict", "code"), [([], ExitCode.OK), (["--strict"], ExitCode.ERROR)])
def test_a_code_that_is_not_documented_is_a_warning(
    strict: list[str], code: ExitCode, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The account's own list decides; a slip is told where nothing else runs."""
    file = write(tmp_path, "one")
    file.write_text(file.read_text() + UNKNOWN)

    assert cli.main(["validate", *strict, str(file)]) == code
    out, err = capsys.readouterr()
    assert out == "1 stack, 5 deliveries, no faults, 2 warnings\n"
    places = [line.split(": warning: ")[0] for line in err.splitlines()]
    assert places == [f"{file}:5:11", f"{file}:6:5"]
    assert 'did you mean "cloud_siem_aegis_proc"' in err
    assert 'did you mean "sas"' in err


def test_an_ignore_that_can_hide_a_dark_account_is_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "one")
    file.write_text(
        file.read_text()
        + '  cloud-siem:driftIgnore: [{delivery: "*/*", reason: INC-7, until: "2099-12-31"}]\n'
    )

    assert cli.main(["validate", str(file)]) == ExitCode.OK
    out, err = capsys.readouterr()
    assert "2 warnings" in out
    assert [line.split(" > ")[2].split(":")[0] for line in err.splitlines()] == [
        "delivery",
        "until",
    ]


@pytest.mark.parametrize(
    ("form", "word"), [("github", "::warning "), ("gitlab", '"minor"'), ("json", '"warnings": [\n')]
)
def test_programs_are_told_of_warnings_as_such(
    form: str, word: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "one")
    file.write_text(file.read_text() + UNKNOWN)
    cli.main(["validate", "--format", form, str(file)])

    assert word in capsys.readouterr().out


def test_very_many_faults_are_a_list_that_is_cut(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "one")
    entries = "".join(f"      log_{at}: opne\n" for at in range(2000))
    file.write_text(file.read_text() + "  cloud-siem:deliveries:\n    sas:\n" + entries)
    cli.main(["validate", str(file)])

    out, err = capsys.readouterr()
    assert out == "1 file, 2000 faults\n"
    assert err.splitlines()[-1] == "... and 1900 more"
    assert len(err.splitlines()) == 101


@pytest.mark.parametrize("color", [True, False])
def test_on_a_terminal_each_fault_has_its_line_and_a_caret(
    color: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chinese characters are two columns wide."""
    file = write(tmp_path, "one")
    file.write_text(file.read_text() + "  cloud-siem:tags: {团队: 安全, a: [1]}\n")
    monkeypatch.setenv("NO_COLOR", "" if color else "1")
    reasons = check_files([file], {})

    text = with_excerpts(reasons)

    assert [one.place.column for one in reasons if one.place] == [21, 29]
    assert text.replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()[-2:] == [
        "    4 |   cloud-siem:tags: {团队: 安全, a: [1]}",
        " " * (len("    4 | ") + 28 + len("团队安全")) + "^",
    ]
    assert ("\x1b[31m" in text) is color


@pytest.mark.parametrize(
    "name", ["stacks/Pulumi.one.yml", "Pulumi.one.yaml", "stacks/eu/Pulumi.one.yaml"]
)
def test_what_looks_like_a_stack_file_and_is_not_read_is_reported(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another extension, another folder: its deliveries would be nobody's."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("{name: x, stackConfigDir: stacks}")
    write(tmp_path / "stacks", "two", products=1)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("config: {}")

    assert cli.main(["validate"]) == ExitCode.OK
    assert f"{name} is not read" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["text", "json", "github", "gitlab"])
def test_the_formats_are_as_people_and_programs_know_them(
    form: str, golden: Callable[[str, str], None]
) -> None:
    """A variable's fault, a file that is not there, and many faults with their places."""
    done = run("validate", "--format", form, *SHOWN, cwd=FAULTS, CLOUD_SIEM_DEADLINE="soon")

    assert done.returncode == ExitCode.ERROR
    golden(f"validate/{form}-stdout.txt", done.stdout)
    golden(f"validate/{form}-stderr.txt", done.stderr)


@pytest.mark.parametrize(
    ("form", "nothing"),
    [
        (
            "json",
            (
                '{"version": 1, "files": 1, "stacks": 1, "deliveries": 0,'
                ' "faults": [], "warnings": []}'
            ),
        ),
        ("github", ""),
        ("gitlab", "[]"),
    ],
)
def test_without_faults_a_program_gets_an_empty_document_of_the_same_kind(
    form: str, nothing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the person gets the summary, on stderr."""
    code = cli.main(["validate", "--format", form, str(write(tmp_path, "one"))])

    out, err = capsys.readouterr()
    assert (code, err) == (ExitCode.OK, "1 stack, 0 deliveries, no faults\n")
    assert " ".join(out.split()).replace("{ ", "{").replace(" }", "}") == nothing


@pytest.mark.parametrize(
    ("form", "variable", "found"),
    [
        ("github", "GITHUB_WORKSPACE", "file=below/Pulumi.one.yaml,"),
        ("gitlab", "CI_PROJECT_DIR", '"path": "below/Pulumi.one.yaml"'),
    ],
)
def test_files_are_named_from_the_root_of_the_repository(
    form: str, variable: str, found: str, tmp_path: Path
) -> None:
    """Wherever in it the command is run; a file elsewhere keeps its name."""
    write(tmp_path / "below", "one", account=1)
    elsewhere = str(FAULTS / "Pulumi.view-unknown.yaml")
    done = run(
        *("validate", "--format", form, "Pulumi.one.yaml", elsewhere),
        cwd=tmp_path / "below",
        **{variable: str(tmp_path)},
    )

    assert found in done.stdout
    assert elsewhere in done.stdout


# --- cost -----------------------------------------------------------------------------------------

HEAVY = (
    *("pulumi", "Tea", "alibabacloud_tea_openapi", "alibabacloud_credentials", "darabonba"),
    *("aiohttp", "rich", "requests", "jsonschema", "grpc", "siem_emulator"),
)


@pytest.mark.parametrize("command", ["validate", "schema"])
def test_neither_engine_nor_cloud_is_imported(command: str) -> None:
    """They would cost seconds, and offline means offline."""
    code = (
        "import sys; from cloud_siem.cli import main; code = main(sys.argv[1:])\n"
        f"print(sorted(set({HEAVY!r}) & {{name.split('.')[0] for name in sys.modules}}))\n"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, command], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


# --- the command line -----------------------------------------------------------------------------


def test_every_command_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """And the list of commands names the exit codes, which all commands share."""
    assert cli.main(["--help"]) == ExitCode.OK
    out = capsys.readouterr().out
    unwrapped = " ".join(out.split())  # where a line is broken, Python's versions differ

    assert all(f" {one.name} {one.help}" in unwrapped for one in cli.COMMANDS)
    assert all(f"\n  {code.value:<4} {code.doc}\n" in out + "\n" for code in ExitCode)


@pytest.mark.parametrize("name", [one.name for one in cli.COMMANDS])
def test_a_command_tells_its_own_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its module is imported for that, and no other's."""
    assert cli.main([name, "--help"]) == ExitCode.OK
    assert f"cloud-siem {name}" in capsys.readouterr().out


def test_a_misspelled_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """With what was meant."""
    assert cli.main(["validat"]) == ExitCode.USAGE
    assert 'did you mean "validate"?' in capsys.readouterr().err


@pytest.mark.parametrize("argv", [[], ["validate", "--nonsense"], ["--nonsense"]])
def test_a_wrong_command_line_is_a_usage_error(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, usage on stderr."""
    assert cli.main(argv) == ExitCode.USAGE
    assert "usage: cloud-siem" in capsys.readouterr().err


def test_the_version_is_that_of_the_package(capsys: pytest.CaptureFixture[str]) -> None:
    """One place says it."""
    assert cli.main(["--version"]) == ExitCode.OK
    assert capsys.readouterr().out == f"cloud-siem {__version__}\n"


def test_a_module_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The emulator's server is an extra of the package."""
    missing = Command(name="validate", module="cloud_siem.no_such_module", help="x")
    monkeypatch.setattr(cli, "COMMANDS", (missing,))

    assert cli.main(["validate"]) == ExitCode.ERROR
    assert "needs the Python module cloud_siem.no_such_module" in capsys.readouterr().err


def test_ctrl_c_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """130, as shells expect it."""

    def interrupted(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cloud_siem.cli.validate.load_files", interrupted)

    assert cli.main(["validate", "x"]) == ExitCode.INTERRUPTED


def test_a_reader_that_goes_away_is_no_error_to_shout_about() -> None:
    """`cloud-siem schema | head -1` prints one line and nothing on stderr."""
    command = [sys.executable, "-m", "cloud_siem.cli", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        shouted = process.stderr.read()

    assert process.returncode == ExitCode.BROKEN_PIPE
    assert shouted == b""


def test_exit_codes_are_those_of_the_docs() -> None:
    """Pipelines are written against them."""
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "ERROR": 1,
        "USAGE": 2,
        "DRIFT": 7,
        "CLOSES": 20,
        "REFUSED": 21,
        "INTERRUPTED": 130,
        "BROKEN_PIPE": 141,
    }
