"""The worlds that an emulator can start with: accounts, keys, roles, members, what is open.

A world is a frozen value and says only how things are at the start; `state.py` holds what became of
it. Tests build small ones with `World.build(...)`; `demo_world()` is what `cloud-siem emulator
start` shows. A world costs what its accounts cost: the switches of an account are made when
somebody first asks for them.

All ids, names and secrets here are fakes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from . import ram
from .catalog import DOCUMENTED, EVERY_LOG, Catalog, Place


class Region(StrEnum):
    """The regions of the data management centers."""

    HANGZHOU = "cn-hangzhou"
    SINGAPORE = "ap-southeast-1"


class View(StrEnum):
    """Whose switches are meant."""

    ACCOUNT = "account"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """An access key; without a user the account's own, which may do all but assume roles."""

    id: str
    secret: str = field(repr=False)
    account: str
    user: str = ""
    policy: ram.Policy = ram.EVERYTHING


@dataclass(frozen=True, kw_only=True, slots=True)
class Role:
    """A RAM role, assumable by the users of the accounts that it trusts."""

    name: str
    account: str
    trusts: tuple[str, ...]
    policy: ram.Policy = ram.EVERYTHING
    external_id: str = ""
    max_session_s: int = 43200

    @property
    def arn(self) -> str:
        return f"acs:ram::{self.account}:role/{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What is open from the start; `*` stands for all logs, all products, or both regions."""

    product: str = EVERY_LOG
    log: str = EVERY_LOG
    region: str = EVERY_LOG
    view: View = View.ACCOUNT

    def covers(self, place: Place) -> bool:
        return self.product in (EVERY_LOG, place[0]) and self.log in (EVERY_LOG, place[1])


@dataclass(frozen=True, kw_only=True)
class Account:
    """One Alibaba Cloud account."""

    id: str
    name: str
    keys: tuple[Key, ...]
    roles: tuple[Role, ...] = ()
    opened: tuple[Opening, ...] = ()
    not_connected: frozenset[str] = frozenset()
    """Products that ListDelivery does not list."""
    inoperable: frozenset[Place] = frozenset()
    """Logs that nobody may switch; `(product, "*")` stands for all of a product."""

    def openings(self, region: Region, view: View) -> tuple[Opening, ...]:
        """What is open from the start, seen this way."""
        return tuple(
            each for each in self.opened if each.view is view and each.region in (EVERY_LOG, region)
        )


@dataclass(frozen=True, kw_only=True)
class World:
    """Where an emulator starts."""

    name: str
    accounts: Mapping[str, Account]
    members: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """For each enterprise administrator the accounts that it administers."""
    catalog: Catalog = DOCUMENTED

    @cached_property
    def first(self) -> Account:
        """The account that is meant where none is named."""
        return next(iter(self.accounts.values()))

    @cached_property
    def keys(self) -> Mapping[str, Key]:
        """Every key of every account."""
        return {key.id: key for account in self.accounts.values() for key in account.keys}

    @cached_property
    def administrators(self) -> Mapping[str, str]:
        """For each member its administrator."""
        return {member: admin for admin, members in self.members.items() for member in members}

    @classmethod
    def build(
        cls,
        *,
        accounts: int = 1,
        members: int = 0,
        logs: int | None = None,
        opened: tuple[Opening, ...] = (),
        not_connected: frozenset[str] = frozenset(),
        inoperable: frozenset[Place] = frozenset(),
    ) -> World:
        """A world of equal accounts; the first administers the `members`, which come on top.

        Args:
            accounts: How many accounts that nobody administers, numbered from 1000000000000001 on.
            members: How many members the first account has, numbered from 2000000000000001 on.
            logs: How many logs every account has; the documented ones if not given.
            opened: What is open in every account.
            not_connected: The products that no account has.
            inoperable: The logs that cannot be switched in any account.
        """
        ids = [f"{1_000_000_000_000_001 + index}" for index in range(accounts)]
        member_ids = [f"{2_000_000_000_000_001 + index}" for index in range(members)]

        return cls(
            name=f"{accounts} accounts, {members} members",
            accounts={
                each: Account(
                    id=each,
                    name=f"account-{each[-4:]}",
                    keys=(user_key(each, each),),
                    roles=(_delivery_role(each, ids[0]),),
                    opened=opened,
                    not_connected=not_connected,
                    inoperable=inoperable,
                )
                for each in (*ids, *member_ids)
            },
            members={ids[0]: tuple(member_ids)} if members else {},
            catalog=DOCUMENTED if logs is None else Catalog.with_logs(logs),
        )


DEMO_ACCOUNT = "1130916744880000"
DEMO_MEMBERS = ("1234567890123456", "1098765432109876")
OTHER_ACCOUNT = "1777777777777777"
DELIVERY_ROLE = "siem-delivery"

_OPENED_BY_HAND = (
    Opening(product="sas", log="cloud_siem_aegis_proc", region=Region.HANGZHOU),
    Opening(product="sas", log="cloud_siem_aegis_login_event", region=Region.HANGZHOU),
    Opening(product="sas", log="cloud_siem_aegis_netstat", region=Region.HANGZHOU),
    Opening(product="sas", log="cloud_siem_aegis_dns", region=Region.HANGZHOU),
    Opening(product="waf", region=Region.HANGZHOU),
    Opening(product="cfw", log="cloud_siem_cfw_alert", region=Region.HANGZHOU),
    Opening(product="actiontrail", region=Region.HANGZHOU),
    Opening(product="oss", log="cloud_siem_oss_access_log", region=Region.HANGZHOU),
    Opening(product="csk", region=Region.HANGZHOU),
)


def demo_world() -> World:
    """An enterprise administrator with two members, and an account that is not theirs.

    No account has `hcloud_waf`; the administrator's `bastionhost` cannot be switched. One log of
    the administrator and ten of the first member are open already, so that there is something to
    adopt.
    """
    shared = frozenset({"hcloud_waf"})
    first, second = DEMO_MEMBERS
    accounts = (
        Account(
            id=DEMO_ACCOUNT,
            name="demo-admin",
            keys=(user_key(DEMO_ACCOUNT, "demo-admin"),),
            roles=(_delivery_role(DEMO_ACCOUNT, DEMO_ACCOUNT),),
            opened=(Opening(product="actiontrail", region=Region.HANGZHOU),),
            not_connected=shared,
            inoperable=frozenset({("bastionhost", EVERY_LOG)}),
        ),
        _demo_account(first, "member-1", _OPENED_BY_HAND),
        _demo_account(second, "member-2", ()),
        _demo_account(OTHER_ACCOUNT, "other", ()),
    )

    return World(
        name="demo",
        accounts={account.id: account for account in accounts},
        members={DEMO_ACCOUNT: DEMO_MEMBERS},
    )


def _demo_account(account: str, name: str, opened: tuple[Opening, ...]) -> Account:
    trusted = DEMO_ACCOUNT if account in DEMO_MEMBERS else account

    return Account(
        id=account,
        name=name,
        keys=(user_key(account, name),),
        roles=(_delivery_role(account, trusted),),
        opened=opened,
        not_connected=frozenset({"hcloud_waf"}),
    )


def user_key(account: str, name: str) -> Key:
    """A RAM user's key: an account's own may not assume roles, and nobody should use it."""
    return Key(id=f"testid-{name}", secret=f"testsecret-{name}", account=account, user=name)


def _delivery_role(account: str, trusted: str) -> Role:
    return Role(name=DELIVERY_ROLE, account=account, trusts=(trusted,))
