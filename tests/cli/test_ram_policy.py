"""`cloud-siem ram-policy`: the policies as they are printed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloud_siem.cli import main
from cloud_siem.ram import PURPOSES


@pytest.mark.parametrize("purpose", [one.name for one in PURPOSES])
def test_each_policy_is_printed_as_it_is_reviewed(
    purpose: str, capsys: pytest.CaptureFixture[str], golden: Callable[[str, str], None]
) -> None:
    """A policy changes only with its file, so that whoever grants it sees the change."""
    code = main(["ram-policy", "--for", purpose])
    printed = capsys.readouterr()

    assert (code, printed.err) == (0, "")
    golden(f"ram-policy/{purpose}.json", printed.out)


def test_help_says_who_needs_which_and_what_assuming_a_role_takes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = main(["ram-policy", "--help"])
    shown = capsys.readouterr().out

    assert code == 0
    for one in PURPOSES:
        assert f"{one.name:<12} {one.doc}" in shown
    assert "sts:AssumeRole" in shown
    assert max(map(len, shown.splitlines())) <= 100


@pytest.mark.parametrize(
    ("arguments", "said"), [([], "--for"), (["--for", "closing"], "invalid choice: 'closing'")]
)
def test_a_purpose_has_to_be_named(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is no default: the widest would be too wide, and the others too narrow."""
    code = main(["ram-policy", *arguments])

    assert code == 2
    assert said in capsys.readouterr().err
