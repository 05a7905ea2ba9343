"""The README is true: what it tells people to type exists, and what it shows is taken."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cloud_siem
from cloud_siem.cli import COMMANDS
from cloud_siem.loading import load_stack_file
from cloud_siem.ram import PURPOSES

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_the_readme_stays_short() -> None:
    assert len(README.splitlines()) < 150


def test_the_stack_file_that_it_shows_is_valid(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    file.write_text(blocks("yaml")[0], encoding="utf-8")

    stack = load_stack_file(file, {})

    assert [one.key.name for one in stack.deliveries] == [
        "actiontrail/cloud_siem_trail_actiontrail",
        "sas/cloud_siem_aegis_dns",
        "sas/cloud_siem_aegis_proc",
        "waf",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_verb_that_a_page_names_exists(page: Path) -> None:
    typed = re.findall(r"(?:`|^)make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")

    assert set(typed) <= set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"`cloud-siem ([a-z-]+)", page.read_text(encoding="utf-8")))

    assert named <= {one.name for one in COMMANDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!http)([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_program_that_it_shows_uses_what_the_package_has() -> None:
    program = ast.parse(blocks("python")[0])
    used = {node.attr for node in ast.walk(program) if isinstance(node, ast.Attribute)}

    assert used <= set(cloud_siem.__all__)


def test_it_names_the_policy_for_every_purpose_and_no_action_by_itself() -> None:
    named = re.findall(r"`cloud-siem ram-policy --for ([a-z-]+)`", README)

    assert named == [one.name for one in PURPOSES]
    assert "yundun-sas:" not in README, "the command and docs/safety.md are the one truth"


def test_the_default_goal_of_make_lists_the_verbs() -> None:
    shown = subprocess.run(
        ["make", "-s", "-C", str(ROOT), "help", f"PYTHON={sys.executable}"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "up " in shown.stdout
    assert "test " in shown.stdout
