"""Members against stack files: what is missing on either side, and the file that a member gets."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cloud_siem.fleet.accounts import (
    AS_MEMBER,
    DEFAULT_NAME,
    Coverage,
    Gap,
    Listing,
    NewFile,
    administrators,
    coverage,
    gaps_table,
    new_file,
    with_role,
)
from cloud_siem.loading import load_stack_file
from cloud_siem.model import Member, Perspective, Region
from cloud_siem.stack import Stack, build_stack
from tests.conftest import ACCOUNT, HERE, MEMBER, OTHER_ACCOUNT

ROOT = Path(__file__).parents[2]
SECOND = "1098765432109876"
SINGAPORE = Perspective(account=ACCOUNT, region=Region.AP_SOUTHEAST_1)


def member(account: str = MEMBER, name: str = "staging", *, managed: bool = True) -> Member:
    return Member(account=account, name=name, managed=managed)


def stack(name: str = "one", **keys: str) -> Stack:
    config = {"account": ACCOUNT, "region": "cn-hangzhou", **keys}
    values: dict[str, object] = {f"cloud-siem:{key}": value for key, value in config.items()}
    return build_stack(values | {"cloud-siem:deliveries": {}}, name=name)


def held(
    members: tuple[Member, ...], *stacks: Stack, administrator: Perspective = HERE
) -> Coverage:
    return coverage([Listing.of(administrator, members)], stacks)


def told(found: Coverage) -> list[tuple[Gap, str, str]]:
    return [(one.gap, one.account, one.stack) for one in found.findings]


# --- what is missing ------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [{"member": MEMBER}, {"account": MEMBER}])
def test_a_member_is_covered_by_its_administrators_look_and_by_a_stack_of_its_own(
    keys: dict[str, str],
) -> None:
    assert told(held((member(),), stack(**keys))) == []


def test_a_member_without_a_stack_in_the_region_is_uncovered() -> None:
    """Each management center has its own switches."""
    found = held((member(),), stack(member=MEMBER, region="ap-southeast-1"))

    assert told(found) == [(Gap.UNCOVERED, MEMBER, "")]
    assert list(found.uncovered) == [(HERE, member())]
    assert found.findings[0].sentence == (
        f"member {MEMBER} (staging) of account {ACCOUNT}, cn-hangzhou has no stack"
    )


def test_a_stack_that_looks_at_who_is_no_member_has_departed() -> None:
    found = held((member(),), stack(member=MEMBER), stack("old", member=SECOND))

    assert told(found) == [(Gap.DEPARTED, SECOND, "old")]
    assert found.findings[0].sentence == (
        f"stack old: {SECOND} is no member of account {ACCOUNT}, cn-hangzhou"
    )


def test_a_stack_of_an_account_that_nobody_lists_is_told_as_such() -> None:
    """Whether it left, or has never been a member, the list cannot say."""
    found = held((member(),), stack(member=MEMBER), stack("own", account=OTHER_ACCOUNT))

    assert told(found) == [(Gap.UNLISTED, OTHER_ACCOUNT, "own")]


def test_the_administrators_own_stacks_are_no_ones_member() -> None:
    own, all_of_them = stack("own"), stack("all", view="enterprise")

    assert told(held((member(),), stack(member=MEMBER), own, all_of_them)) == []


def test_an_administrator_that_lists_itself_is_not_its_own_member() -> None:
    assert told(held((member(ACCOUNT, "me"),))) == []


def test_a_stack_in_a_region_where_nobody_was_asked_is_not_judged() -> None:
    elsewhere = stack("old", member=SECOND, region="ap-southeast-1")

    assert told(held((member(),), stack(member=MEMBER), elsewhere)) == []


@pytest.mark.parametrize("stacks", [(), (stack(member=MEMBER),)])
def test_a_member_that_is_not_managed_needs_no_stack_and_is_told(stacks: tuple[Stack, ...]) -> None:
    found = held((member(managed=False),), *stacks)

    assert told(found) == [(Gap.UNMANAGED, MEMBER, stacks[0].name if stacks else "")]
    assert list(found.uncovered) == []


def test_two_administrators_each_have_their_own() -> None:
    other = Perspective(account=OTHER_ACCOUNT, region=HERE.region)
    listings = [Listing.of(HERE, (member(),)), Listing.of(other, (member(SECOND, "b"),))]
    found = coverage(listings, [stack(account=SECOND)])

    assert told(found) == [(Gap.UNCOVERED, MEMBER, "")]


def test_administrators_are_those_that_look_at_members_or_at_the_whole_enterprise() -> None:
    stacks = [
        stack("own"),
        stack("m", member=MEMBER),
        stack("n", member=SECOND),
        stack("all", view="enterprise", region="ap-southeast-1"),
    ]

    assert {seen: one.name for seen, one in administrators(stacks).items()} == {
        HERE: "m",
        SINGAPORE: "all",
    }


def test_the_docs_have_every_kind_and_what_the_command_prints() -> None:
    page = (ROOT / "docs" / "accounts.md").read_text(encoding="utf-8")

    assert gaps_table() in page
    assert (ROOT / "tests" / "golden" / "fleet-accounts.txt").read_text(encoding="utf-8") in page


# --- the file of a member -------------------------------------------------------------------------


def loaded(file: NewFile, folder: Path) -> Stack:
    path = folder / f"Pulumi.{file.stack}.yaml"
    path.write_text(file.text, encoding="utf-8")
    return load_stack_file(path, {})


def test_the_built_in_file_is_the_administrators_look_at_the_member(tmp_path: Path) -> None:
    file = new_file(HERE, member(), template=AS_MEMBER, name=DEFAULT_NAME)
    made = loaded(file, tmp_path)

    assert made.name == f"{MEMBER}-cn-hangzhou"
    assert made.perspective == Perspective(account=ACCOUNT, region=HERE.region, member=MEMBER)
    assert [one.key.name for one in made.deliveries] == ["actiontrail/cloud_siem_trail_actiontrail"]
    assert file.is_about(made.perspective)


def test_with_a_role_it_is_the_members_own_account(tmp_path: Path) -> None:
    template = with_role("acs:ram::{account}:role/siem")
    file = new_file(HERE, member(), template=template, name="{name}")
    made = loaded(file, tmp_path)

    assert made.name == "staging"
    assert made.perspective == Perspective(account=MEMBER, region=HERE.region)
    assert made.settings.role_for(MEMBER) == f"acs:ram::{MEMBER}:role/siem"


def test_braces_that_are_no_placeholder_are_yamls_own() -> None:
    template = 'waf: {"*": open} # {account} {member}'

    assert new_file(HERE, member(), template=template, name="x").text == (
        f'waf: {{"*": open}} # {MEMBER} {{member}}'
    )


TAGGED = f'{AS_MEMBER}  cloud-siem:tags: {{team: "{{name}}"}}\n'


@given(st.text())
@example('x"\n  cloud-siem:closeLimit: 100')
@example("x\u2028cloud-siem:closeLimit: 100")
@example("x: {account}")
@example("上海 prod")
@example("'\\\t")
def test_a_members_name_is_never_more_than_a_name(name: str) -> None:
    """Whoever names the account does not write the stack file."""
    file = new_file(HERE, member(name=name or "x"), template=TAGGED, name=DEFAULT_NAME)
    plain = new_file(HERE, member(name="x"), template=TAGGED, name=DEFAULT_NAME)

    assert len(file.text.splitlines()) == len(plain.text.splitlines())
    assert file.stack == plain.stack


@pytest.mark.parametrize(
    "name", ['x"\n  cloud-siem:closeLimit: 100', "上海 prod", "-", "{account}"]
)
def test_a_file_with_an_odd_name_in_it_is_valid(name: str, tmp_path: Path) -> None:
    file = new_file(HERE, member(name=name), template=TAGGED, name=DEFAULT_NAME)
    made = loaded(file, tmp_path)

    assert "close_limit" not in made.settings.overridden
    assert made.settings.close_limit.number == 5
    assert list(made.tags) == ["team"]
    assert os.sep not in file.stack
