"""Worlds written by people: YAML or JSON files for `cloud-siem emulator start --seed FILE`.

docs/emulator.md shows the form. What a file leaves out is as in the demo world: a key
`testid-<name>` of a user, a role `siem-delivery` that trusts the account's administrator,
everything connected, everything closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from .catalog import DOCUMENTED, EVERY_LOG, Catalog, Place
from .fields import FieldError, Fields
from .ram import EVERYTHING, PolicyError
from .world import DELIVERY_ROLE, Account, Key, Opening, Role, View, World, user_key


def load_world(path: Path) -> World:
    """Read a world.

    Raises:
        FieldError: The file cannot be read, or is no world; the sentence names the file.
    """
    try:
        return world_from_mapping(yaml.safe_load(path.read_text(encoding="utf-8")), path.stem)
    except OSError as error:
        raise FieldError(f"Cannot read {path}: {error.strerror}.") from error
    except yaml.YAMLError as error:
        raise FieldError(f"{path} is not YAML: {error}") from error
    except (FieldError, PolicyError) as error:
        raise FieldError(f"{path}: {error}") from error


def world_from_mapping(value: Any, name: str = "world") -> World:
    """Read a world from what YAML or JSON made of it.

    Raises:
        FieldError: It is none.
    """
    if not isinstance(value, dict):
        raise FieldError("A world is an object with accounts.")
    fields = Fields(value)
    name = fields.text("name", name)
    logs = fields.number("logs")
    members = {admin: _ids(each) for admin, each in fields.mapping("members").items()}
    administrators = {member: admin for admin, each in members.items() for member in each}
    accounts = {
        account: _account(account, each, administrators.get(account, account))
        for account, each in fields.mapping("accounts").items()
    }
    fields.done()
    _check_members(members, accounts)

    return World(
        name=name,
        accounts=accounts,
        members=members,
        catalog=DOCUMENTED if logs is None else Catalog.with_logs(logs),
    )


def _ids(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise FieldError("members must name lists of accounts.")

    return tuple(value)


def _check_members(members: Mapping[str, tuple[str, ...]], accounts: Mapping[str, Account]) -> None:
    if not accounts:
        raise FieldError("A world needs at least one account.")
    named = {*members, *(member for each in members.values() for member in each)}
    if missing := named - set(accounts):
        raise FieldError(
            f"members names accounts that are not there: {', '.join(sorted(missing))}."
        )


def _account(account: str, value: object, administrator: str) -> Account:
    if not account.isdecimal():
        raise FieldError(f"An account is a string of digits, not {account!r}.")
    if not isinstance(value, dict | None):
        raise FieldError(f"An account is an object, not {value!r}.")
    fields = Fields(value or {})
    name = fields.text("name", account)
    keys = tuple(_key(account, each) for each in fields.mappings("keys"))
    roles = tuple(_role(account, administrator, each) for each in fields.mappings("roles"))
    made = Account(
        id=account,
        name=name,
        keys=keys or (user_key(account, name),),
        roles=roles or (_role(account, administrator, {}),),
        opened=tuple(_opening(each) for each in fields.mappings("opened")),
        not_connected=frozenset(fields.texts("not_connected")),
        inoperable=frozenset(_place(each) for each in fields.texts("inoperable")),
    )
    fields.done()

    return made


def _key(account: str, value: Mapping[str, Any]) -> Key:
    fields = Fields(value)
    key = Key(
        id=fields.text("id"),
        secret=fields.text("secret"),
        account=account,
        user=fields.text("user", ""),
        policy=fields.policy(EVERYTHING),
    )
    fields.done()

    return key


def _role(account: str, administrator: str, value: Mapping[str, Any]) -> Role:
    fields = Fields(value)
    role = Role(
        name=fields.text("name", DELIVERY_ROLE),
        account=account,
        trusts=fields.texts("trusts") or (administrator,),
        policy=fields.policy(EVERYTHING),
        external_id=fields.text("external_id", ""),
    )
    fields.done()

    return role


def _opening(value: Mapping[str, Any]) -> Opening:
    fields = Fields(value)
    view = fields.text("view", View.ACCOUNT)
    if view not in list(View):
        raise FieldError(f"view is one of {', '.join(View)}, not {view}.")
    opening = Opening(
        product=fields.text("product"),
        log=fields.text("log", EVERY_LOG),
        region=fields.text("region", EVERY_LOG),
        view=View(view),
    )
    fields.done()

    return opening


def _place(text: str) -> Place:
    product, slash, log = text.partition("/")
    if not (product and slash and log):
        raise FieldError(f"A log is written PRODUCT/LOG or PRODUCT/*, not {text}.")

    return product, log
