"""The members of an enterprise against the stack files: who has no stack, which has no member.

Pure; called by ``cloud-siem fleet accounts``. Also makes the text of a stack file for a member from
a template, in which ``{account}`` and its like stand for what differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from string import ascii_letters, digits

from cloud_siem.model import Member, Perspective, Region, View
from cloud_siem.stack import Stack
from cloud_siem.stacktext import SCHEMA_LINE
from cloud_siem.version import __version__


class Gap(Enum):
    """How members and stack files can fail to match; the order is that of the table."""

    doc: str

    def __new__(cls, word: str, doc: str) -> Gap:
        gap = object.__new__(cls)
        gap._value_ = word
        gap.doc = doc
        return gap

    UNCOVERED = "uncovered", "a member that no stack file is about"
    DEPARTED = "departed", "a stack that looks at a member which its administrator does not have"
    UNLISTED = "unlisted", "a stack of an account that no administrator lists: left, or never in it"
    UNMANAGED = "unmanaged", "a member that threat analysis does not manage: nothing to deliver"


def gaps_table() -> str:
    """The table of docs/accounts.md, in Markdown."""
    lines = ["| kind | what it is |", "|---|---|"]
    lines += [f"| `{one.value}` | {one.doc} |" for one in Gap]
    return "\n".join(lines) + "\n"


DEFAULT_FAIL_ON = frozenset({Gap.UNCOVERED, Gap.DEPARTED})


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The frozen answer of one ListRdUsers."""

    administrator: Perspective
    """Who was asked, and in which region."""
    members: tuple[Member, ...]
    """Without the administrator itself, should it be listed."""

    @classmethod
    def of(cls, administrator: Perspective, members: Iterable[Member]) -> Listing:
        others = (one for one in members if one.account != administrator.account)
        return cls(administrator=administrator, members=tuple(others))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One gap."""

    gap: Gap
    account: str
    """The member's, or the stack's."""
    administrator: Perspective | None
    """Of whom it is a member; None where nobody lists it."""
    stack: str
    """The stack's name; empty where there is none."""
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """What was asked, and what came of it."""

    listings: tuple[Listing, ...]
    findings: tuple[Finding, ...]

    @property
    def uncovered(self) -> Iterator[tuple[Perspective, Member]]:
        """Members without a stack, each with its administrator."""
        missing = {
            (one.administrator, one.account) for one in self.findings if one.gap is Gap.UNCOVERED
        }
        for listing in self.listings:
            for member in listing.members:
                if (listing.administrator, member.account) in missing:
                    yield listing.administrator, member


def administrators(stacks: Iterable[Stack]) -> Mapping[Perspective, Stack]:
    """Whom the stack files take for an administrator, with the first stack that does."""
    found: dict[Perspective, Stack] = {}
    for stack in stacks:
        if stack.perspective.member or stack.perspective.view is View.ENTERPRISE:
            found.setdefault(of_account(stack.perspective), stack)
    return found


def of_account(perspective: Perspective) -> Perspective:
    """The account's own view in the same region."""
    return Perspective(account=perspective.account, region=perspective.region)


def coverage(listings: Sequence[Listing], stacks: Sequence[Stack]) -> Coverage:
    """Hold what the administrators list against the stack files."""
    findings = [
        *(found for listing in listings for found in _of_members(listing, stacks)),
        *_of_stacks(listings, stacks),
    ]
    order = list(Gap)
    findings.sort(key=lambda one: (order.index(one.gap), one.account, one.stack))
    return Coverage(listings=tuple(listings), findings=tuple(findings))


def _of_members(listing: Listing, stacks: Sequence[Stack]) -> Iterator[Finding]:
    administrator = listing.administrator
    names = {
        one.perspective.owner: one.name
        for one in reversed(stacks)
        if one.perspective.region is administrator.region
    }
    for member in listing.members:
        name = names.get(member.account, "")
        if not member.managed:
            gap = Gap.UNMANAGED
            what = "is not managed by threat analysis; the administrator adds it in the console"
        elif not name:
            gap, what = Gap.UNCOVERED, "has no stack"
        else:
            continue
        yield Finding(
            gap=gap,
            account=member.account,
            administrator=administrator,
            stack=name,
            sentence=f"member {member} of {administrator} {what}",
        )


def _of_stacks(listings: Sequence[Listing], stacks: Sequence[Stack]) -> Iterator[Finding]:
    listed = {
        listing.administrator: {one.account for one in listing.members} for listing in listings
    }
    for stack in stacks:
        seen, administrator = stack.perspective, of_account(stack.perspective)
        here = [one for one in listed if one.region is seen.region]
        if administrator in listed:
            if seen.member is None or seen.member in listed[administrator]:
                continue
            gap, owner = Gap.DEPARTED, administrator
            sentence = f"stack {stack.name}: {seen.member} is no member of {administrator}"
        elif here and not any(seen.owner in listed[one] for one in here):
            gap, owner = Gap.UNLISTED, None
            asked = " or ".join(f"account {one.account}" for one in here)
            region = seen.region.value
            sentence = f"stack {stack.name}: {seen.owner} is no member of {asked}, {region}"
        else:
            continue
        yield Finding(
            gap=gap,
            account=seen.owner,
            administrator=owner,
            stack=stack.name,
            sentence=sentence,
        )


# --- a stack file for a member --------------------------------------------------------------------

PLACEHOLDERS: Mapping[str, str] = {
    "account": "the member's id",
    "name": "the member's name, without what could be more than a name to a YAML reader",
    "administrator": "the id of the account that administers it",
    "region": "the region of the data management center",
}
"""What a template and ``--name`` may hold, in braces."""
DEFAULT_NAME = "{account}-{region}"
"""Unique whatever the members are called, and the same when one is called something else."""

_HEAD = f"""\
{SCHEMA_LINE}
#
# Member {{account}} ({{name}}) of account {{administrator}}.
# Written by cloud-siem {__version__} fleet accounts.
# What is not listed is unmanaged: never opened and never closed.
config:
"""
_BASELINE = """\
  cloud-siem:region: {region}
  cloud-siem:deliveries:
    # Add what else is to be delivered.
    actiontrail: # who did what in the account
      cloud_siem_trail_actiontrail: open
"""
AS_MEMBER = f"""\
{_HEAD}\
  cloud-siem:account: "{{administrator}}"
  cloud-siem:member: "{{account}}"
{_BASELINE}"""
"""The template for who switches the members' logs as their administrator."""


def with_role(role: str) -> str:
    """The template for who assumes a role in each account; the ARN may hold ``{account}``."""
    whose = f'  cloud-siem:account: "{{account}}"\n  cloud-siem:roleArn: "{role}"\n'
    return _HEAD + whose + _BASELINE


@dataclass(frozen=True, kw_only=True)
class NewFile:
    """A stack file to be."""

    stack: str
    member: Member
    region: Region
    text: str

    def is_about(self, perspective: Perspective) -> bool:
        """Whether this is the perspective of a stack that covers the member."""
        return (perspective.owner, perspective.region) == (self.member.account, self.region)


def new_file(administrator: Perspective, member: Member, *, template: str, name: str) -> NewFile:
    """The stack file of one member."""
    values = {
        "account": member.account,
        "name": _harmless(member.name),
        "administrator": administrator.account,
        "region": administrator.region.value,
    }
    named = filled(name, values | {"name": _slug(member.name)})
    text = filled(template, values)
    return NewFile(stack=named, member=member, region=administrator.region, text=text)


def filled(template: str, values: Mapping[str, str]) -> str:
    """The template with its placeholders replaced; any other brace is YAML's own."""
    return _PLACEHOLDER.sub(lambda found: values[found[1]], template)


_PLACEHOLDER = re.compile(rf"\{{({'|'.join(PLACEHOLDERS)})\}}")


def _harmless(name: str) -> str:
    """A name that somebody else chose, as a part of a YAML scalar or comment and nothing more."""
    kept = "".join(one if one.isalnum() or one in " ._-" else "-" for one in name)
    return " ".join(kept.split())[:64]


def _slug(name: str) -> str:
    """The same for the name of a stack, which the engine wants in fewer characters."""
    return "".join(one if one in _OF_A_STACK else "-" for one in name)[:64].strip("-")


_OF_A_STACK = ascii_letters + digits + "_.-"
