"""Where a project and its stack files are; tests/engine/test_project.py asks the real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from cloud_siem.project import Project, identity_of, label_of, others_of, stack_of


def put(folder: Path, *names: str, text: str = "") -> None:
    """Write files, and the folders above them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_the_project_file_is_in_the_folder_or_in_the_nearest_one_above(tmp_path: Path) -> None:
    """A program runs in the sub-folder that `main:` names."""
    put(tmp_path, "Pulumi.yaml", text="{name: mine, stackConfigDir: stacks, main: src/program}")
    put(tmp_path, "src/program/__main__.py")
    found = [Project.find(tmp_path), Project.find(tmp_path / "src" / "program")]

    assert found == [found[0]] * 2
    assert (found[0].folder, found[0].name) == (tmp_path, "mine")
    assert found[0].stack_file("dev") == tmp_path / "stacks" / "Pulumi.dev.yaml"


def test_a_relative_start_gives_paths_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People read them in messages."""
    put(tmp_path, "Pulumi.yaml", text="{name: mine, stackConfigDir: stacks}")
    put(tmp_path, "src/__main__.py")

    monkeypatch.chdir(tmp_path)
    assert str(Project.find(Path()).stack_file("dev")) == "stacks/Pulumi.dev.yaml"
    monkeypatch.chdir(tmp_path / "src")
    assert str(Project.find(Path()).stack_file("dev")) == "../stacks/Pulumi.dev.yaml"


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("stackConfigDir: conf", "conf"),
        ("stackConfigDir: conf/stacks/", "conf/stacks"),
        ("stackConfigDir: /conf", "conf"),
        ("stackConfigDir: ../conf", "../conf"),
        ("config: conf", "conf"),
        ("config: {a:b: {value: c}}", "."),
        ("stackConfigDir: ''", "."),
        ("main: src", "."),
    ],
)
def test_the_stack_files_are_where_the_project_file_says(
    text: str, folder: str, tmp_path: Path
) -> None:
    """Else in its own folder; `config:` with a text is the older spelling."""
    project = tmp_path / "project"
    put(project, "Pulumi.yaml", text=f"name: mine\n{text}\n")

    assert Project.find(project).stack_folder == (project / folder).resolve()


@pytest.mark.parametrize(
    ("files", "folder"),
    [
        ((), "stacks"),
        (("Pulumi.yaml",), "."),
        (("Pulumi.yaml", "stacks/Pulumi.dev.yaml"), "stacks"),
        (("Pulumi.yaml", "stacks/Pulumi.dev.yaml", "Pulumi.dev.yaml"), "."),
    ],
)
def test_a_folder_stacks_counts_where_the_engine_would_read_no_file(
    files: tuple[str, ...], folder: str, tmp_path: Path
) -> None:
    """Without a project file, and where each run names its file with `--config-file`."""
    put(tmp_path, *files, text="name: mine")

    assert Project.find(tmp_path).stack_folder == tmp_path / folder


@pytest.mark.parametrize(
    ("names", "suffix"),
    [
        (["Pulumi.yml"], ".yml"),
        (["Pulumi.json"], ".json"),
        (["Pulumi.yaml", "Pulumi.yml"], ".yaml"),
        (["Pulumi.yaml", "Pulumi.json"], ".json"),
    ],
)
def test_stack_files_have_the_extension_of_the_project_file(
    names: list[str], suffix: str, tmp_path: Path
) -> None:
    """As in the engine, whose order this is."""
    put(tmp_path, *names, text='{"name": "mine", "stackConfigDir": "conf"}')
    files = [f"Pulumi.{stack}{one}" for stack in "ba" for one in (".json", ".yaml", ".yml")]
    put(tmp_path / "conf", *files, "schema.json")
    found = Project.find(tmp_path)

    assert found.stack_files() == tuple(tmp_path / "conf" / f"Pulumi.{one}{suffix}" for one in "ab")


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        (None, "there is no Pulumi.yaml"),
        ("a: [", "Pulumi.yaml cannot be read: while parsing a flow node"),
        ("a: \x00", "Pulumi.yaml cannot be read: unacceptable character #x0000: "),
        ("[" * 2000, "Pulumi.yaml cannot be read: "),
        ("[]", "Pulumi.yaml does not name the project"),
        ("", "Pulumi.yaml does not name the project"),
        ("runtime: python", "Pulumi.yaml does not name the project"),
        ("name: 1", "Pulumi.yaml does not name the project"),
        ("name: ''", "Pulumi.yaml does not name the project"),
    ],
)
def test_a_project_that_cannot_be_used_has_the_reason_and_still_its_folder(
    text: str | None, failure: str, tmp_path: Path
) -> None:
    """The reason is one line; what needs no project goes on without it."""
    put(tmp_path, "stacks/Pulumi.dev.yaml")
    if text is not None:
        put(tmp_path, "Pulumi.yaml", text=text)
    found = Project.find(tmp_path)

    assert found.failure.startswith(failure)
    assert "\n" not in found.failure
    assert (found.name, found.folder) == ("", tmp_path)
    assert bool(found.file_name) == (text is not None)
    assert found.stack_files() == (tmp_path / "stacks" / "Pulumi.dev.yaml",)


def test_what_else_the_project_file_says_is_there(tmp_path: Path) -> None:
    text = "{name: x, runtime: {name: python, options: {virtualenv: v}}, config: {a: {value: 1}}}"
    put(tmp_path, "Pulumi.yaml", text=text)
    found = Project.find(tmp_path)

    assert (found.virtualenv, found.config) == ("v", {"a": {"value": 1}})


@pytest.mark.parametrize(
    ("name", "stack", "label"),
    [
        ("stacks/Pulumi.demo.yaml", "demo", "demo"),
        ("Pulumi.a.b_c-D.yml", "a.b_c-D", "a.b_c-D"),
        ("Pulumi.demo.json", "demo", "demo"),
        ("Pulumi.yaml", "", "yaml"),
        ("Pulumi..yaml", "", ""),
        ("Pulumi.$(id).yaml", "", "$(id)"),
        ("Pulumi.demo.yaml.bak", "", "demo.yaml"),
        ("Pulumi.demo\n.yaml", "", "demo\n"),
        ("pulumi.demo.yaml", "", "pulumi.demo"),
        (f"Pulumi.{'x' * 101}.yaml", "", "x" * 101),
    ],
)
def test_the_stack_is_in_the_files_name(name: str, stack: str, label: str) -> None:
    assert (stack_of(name), label_of(name)) == (stack, label)


def test_a_link_is_a_stack_of_its_own_and_a_folder_is_one_by_any_name(tmp_path: Path) -> None:
    put(tmp_path, "stacks/Pulumi.a.yaml")
    (tmp_path / "stacks" / "Pulumi.b.yaml").symlink_to("Pulumi.a.yaml")
    (tmp_path / "again").symlink_to("stacks")
    first = identity_of(tmp_path / "stacks" / "Pulumi.a.yaml")

    assert identity_of(tmp_path / "stacks" / "Pulumi.b.yaml") != first
    assert identity_of(tmp_path / "again" / "Pulumi.a.yaml") == first
    assert identity_of(tmp_path / "stacks" / ".." / "stacks" / "Pulumi.a.yaml") == first


def test_the_others_are_the_files_beside_that_are_named_like_this_one(tmp_path: Path) -> None:
    names = ("Pulumi.a.yaml", "Pulumi.b.yaml", "Pulumi.c d.yaml")
    put(tmp_path, "Pulumi.yaml", "Pulumi.a.yml", "schema.json", *names)
    (tmp_path / "Pulumi.link.yaml").symlink_to("Pulumi.a.yaml")

    others = [one.name for one in others_of(tmp_path / "Pulumi.a.yaml")]
    assert others == ["Pulumi.b.yaml", "Pulumi.c d.yaml", "Pulumi.link.yaml"]
    with pytest.raises(FileNotFoundError):
        others_of(tmp_path / "gone" / "Pulumi.a.yaml")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: x\nconfig:\n  a:b: 1\n  cloud-siem:view: x\n", ":4:3"),
        ("name: x\na: &a {cloud-siem:view: x}\nconfig:\n  <<: *a\n", ""),
    ],
)
def test_a_key_for_all_stacks_has_its_place_where_it_stands(
    tmp_path: Path, text: str, place: str
) -> None:
    (tmp_path / "Pulumi.yaml").write_text(text)
    project = Project.find(tmp_path)

    assert "cloud-siem:view" in project.config
    assert str(project.place_of_config("cloud-siem:view")) == f"{tmp_path}/Pulumi.yaml{place}"
