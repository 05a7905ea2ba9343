"""The control calls under `/_siem/`: set the emulator up, switch by hand, break it, count calls.

Called by `app.py`; `command.py`, tests and curl speak it. JSON in, JSON out; what cannot be is a
400 with a sentence in `error`. No signature is asked for, so only callers that name a loopback host
are answered: a web page elsewhere must not be able to reach through a browser.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

from . import console, events
from .catalog import EVERY_LOG, Place
from .client import is_loopback
from .faults import FaultError, Rule
from .fields import FieldError, Fields
from .ram import EVERYTHING, Policy, PolicyError
from .service import Service
from .settings import SettingsError
from .state import Panel
from .world import Account, Key, Region, Role, View

PREFIX = "/_siem"

JSON = "application/json;charset=utf-8"
HTML = "text/html;charset=utf-8"

# The page shows what callers sent; should escaping ever fail, nothing of it runs.
PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask:
    """One control call as received."""

    method: str
    target: str
    host: str = "localhost"
    origin: str = ""
    body: bytes = b""

    @property
    def name(self) -> str:
        return urlsplit(self.target).path.removeprefix(PREFIX).strip("/")

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def json(self) -> Any:
        """The body's value; an empty body is an empty object."""
        try:
            return json.loads(self.body or b"{}")
        except ValueError as error:
            raise FieldError(f"The body is not JSON: {error}.") from error

    def mapping(self) -> dict[str, Any]:
        value = self.json()
        if not isinstance(value, dict):
            raise FieldError("The body must be a JSON object.")

        return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What goes back."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def reply(service: Service, ask: Ask) -> Reply:
    """Do a control call."""
    if not _is_from_here(ask):
        return _json({"error": "Control calls are answered on loopback only."}, status=403)
    if ask.name == "redirected":
        # Where the fault `redirect` leads by default: something that looks like success.
        return _json({"Data": True, "RequestId": "00000000-0000-0000-0000-REDIRECTED00"})
    try:
        return _found(ask)(service, ask)
    except (FieldError, FaultError, SettingsError, PolicyError) as error:
        return _json({"error": str(error)}, status=400)


def _is_from_here(ask: Ask) -> bool:
    hosts = [urlsplit(f"//{ask.host}").hostname]
    if ask.origin:
        hosts.append(urlsplit(ask.origin).hostname)

    return all(host is not None and is_loopback(host) for host in hosts)


def _found(ask: Ask) -> Callable[[Service, Ask], Reply]:
    methods = _CALLS.get(ask.name)
    if methods is None:
        raise FieldError(f"There is no control call {ask.name}; there are {_names()}.")
    if ask.method not in methods:
        raise FieldError(f"{ask.name} is called with {' or '.join(methods)}, not {ask.method}.")

    return methods[ask.method]


def _names() -> str:
    return ", ".join(name for name in _CALLS if name)


def _json(value: object, *, status: int = 200) -> Reply:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    return Reply(status=status, body=text.encode())


# --- reading a call's fields ---------------------------------------------------------------------


def _account(service: Service, fields: Fields) -> Account:
    named = fields.text("account", service.world.first.id)
    account = service.state.account(named)
    if account is None:
        raise FieldError(f"There is no account {named}.")

    return account


def _panel(service: Service, fields: Fields) -> Panel:
    """The switches meant by account, region, view and member; the member's own if one is named."""
    account = _account(service, fields)
    member = fields.text("member", "")
    if member and member not in service.world.members.get(account.id, ()):
        raise FieldError(f"{member} is not a member of {account.id}.")
    region = _one_of(Region, "region", fields.text("region", Region.HANGZHOU))
    view = _one_of(View, "view", fields.text("view", View.ACCOUNT))
    if view is View.ENTERPRISE and account.id not in service.world.members:
        raise FieldError(f"{account.id} administers no enterprise.")

    return Panel(member or account.id, region, view)


_Choice = TypeVar("_Choice", Region, View)


def _one_of(choices: type[_Choice], name: str, value: str) -> _Choice:
    try:
        return choices(value)
    except ValueError:
        raise FieldError(f"{name} is one of {', '.join(choices)}, not {value}.") from None


def _places(service: Service, fields: Fields) -> tuple[Place, ...]:
    """The logs named by product and log; `*` is all of them."""
    product, log = fields.text("product"), fields.text("log", EVERY_LOG)
    places = tuple(
        place
        for place in service.world.catalog.places
        if product in (EVERY_LOG, place[0]) and log in (EVERY_LOG, place[1])
    )
    if not places:
        raise FieldError(f"There is no log {product}/{log}.")

    return places


def _key(service: Service, fields: Fields) -> Key:
    named = fields.text("key")
    key = service.state.key(named)
    if key is None:
        raise FieldError(f"There is no key {named}.")

    return key


# --- looking -------------------------------------------------------------------------------------


def _page(service: Service, ask: Ask) -> Reply:
    text = console.page(service, account=ask.query.get("account", ""))

    return Reply(body=text.encode(), content_type=HTML, headers=PAGE_HEADERS)


def _health(service: Service, ask: Ask) -> Reply:
    del ask

    return _json({"ok": True, "world": service.world.name, "accounts": len(service.world.accounts)})


def _state(service: Service, ask: Ask) -> Reply:
    """All accounts with their numbers; or, where one is named, each of its logs."""
    if "account" in ask.query:
        return _json(_deliveries(service, Fields(ask.query)))

    return _json(
        {
            "world": service.world.name,
            "regions": list(Region),
            "accounts": [_overview(service, each) for each in service.world.accounts.values()],
        }
    )


def _overview(service: Service, account: Account) -> dict[str, object]:
    total = sum(len(product.logs) for product in service.state.products(account.id))
    views = list(View) if account.id in service.world.members else [View.ACCOUNT]

    return {
        "account": account.id,
        "name": account.name,
        "members": list(service.world.members.get(account.id, ())),
        "administrator": service.world.administrators.get(account.id),
        "panels": [
            {"region": region, "view": view, "open": _open(service, panel), "logs": total}
            for view in views
            for region in Region
            for panel in [Panel(account.id, region, view)]
        ],
    }


def _open(service: Service, panel: Panel) -> int:
    """How many logs of connected products are open."""
    places = service.state.open_places(panel)

    return sum(service.state.is_connected(panel.account, product) for product, _ in places)


def _deliveries(service: Service, fields: Fields) -> dict[str, object]:
    panel = _panel(service, fields)
    fields.done()
    switches = service.state.seen(panel)

    return {
        **panel._asdict(),
        "deliveries": [
            {
                "product": place[0],
                "log": place[1],
                "state": "open" if switches[place] else "closed",
                "operable": service.state.is_operable(panel.account, place),
            }
            for product in service.state.products(panel.account)
            for place in product.places
        ],
    }


def _calls(service: Service, ask: Ask) -> Reply:
    query = ask.query
    if "counts" in query:
        return _json(service.calls.counts().to_mapping())
    since = query.get("since", "0")
    if not since.isdecimal():
        raise FieldError(f"since is the number of a call, not {since}.")
    calls = service.calls.all(action=query.get("action") or None, since=int(since))

    return _json([each.to_mapping() for each in calls])


def _effects(service: Service, ask: Ask) -> Reply:
    """What the service switched by itself, oldest first."""
    del ask

    return _json([each.to_mapping() for each in service.calls.effects()])


# --- acting --------------------------------------------------------------------------------------


def _switch(service: Service, ask: Ask) -> Reply:
    """Switch logs as a person would in the console, whoever may or may not."""
    fields = Fields(ask.mapping())
    panel, places, state = _panel(service, fields), _places(service, fields), fields.text("state")
    fields.done()
    if state not in ("open", "closed"):
        raise FieldError(f"state is open or closed, not {state}.")

    return _json({"changed": len(service.state.switch(panel, places, opened=state == "open"))})


def _reset(service: Service, ask: Ask) -> Reply:
    Fields(ask.mapping()).done()
    service.reset()

    return _json({"ok": True})


def _clear_calls(service: Service, ask: Ask) -> Reply:
    del ask
    service.calls.clear()

    return _json({"ok": True})


def _list_faults(service: Service, ask: Ask) -> Reply:
    del ask

    return _json(service.faults.to_list())


def _add_faults(service: Service, ask: Ask) -> Reply:
    """Add one rule, or a list of them: all, or none if one cannot be."""
    value = ask.json()
    rules = value if isinstance(value, list) else [value]
    if not all(isinstance(rule, dict) for rule in rules):
        raise FieldError("A fault rule is a JSON object.")
    service.add_faults(Rule.from_mapping(rule) for rule in rules)

    return _list_faults(service, ask)


def _clear_faults(service: Service, ask: Ask) -> Reply:
    service.faults.clear()

    return _list_faults(service, ask)


def _show_settings(service: Service, ask: Ask) -> Reply:
    del ask

    return _json(service.settings.to_mapping())


def _set_settings(service: Service, ask: Ask) -> Reply:
    service.configure(ask.mapping())

    return _show_settings(service, ask)


def _operable(service: Service, ask: Ask) -> Reply:
    fields = Fields(ask.mapping())
    account, places = _account(service, fields), _places(service, fields)
    operable = fields.flag("operable", default=True)
    fields.done()
    for place in places:
        service.state.do(events.OperableSet(account=account.id, place=place, operable=operable))

    return _json({"ok": True})


def _connect(service: Service, ask: Ask) -> Reply:
    return _set_connected(service, ask, connected=True)


def _disconnect(service: Service, ask: Ask) -> Reply:
    return _set_connected(service, ask, connected=False)


def _set_connected(service: Service, ask: Ask, *, connected: bool) -> Reply:
    fields = Fields(ask.mapping())
    account, product = _account(service, fields), fields.text("product")
    fields.done()
    if product not in service.world.catalog.products:
        raise FieldError(f"There is no product {product}.")
    service.state.do(events.Connected(account=account.id, product=product, connected=connected))

    return _json({"ok": True})


# --- permissions ---------------------------------------------------------------------------------


def _make_key(service: Service, ask: Ask) -> Reply:
    """A new access key of a RAM user, or of the account itself where user is empty."""
    fields = Fields(ask.mapping())
    number = secrets.token_hex(4)
    key = Key(
        account=_account(service, fields).id,
        id=fields.text("id", f"testid-{number}"),
        secret=fields.text("secret", f"testsecret-{number}"),
        user=fields.text("user", f"user-{number}"),
        policy=fields.policy(EVERYTHING),
    )
    fields.done()
    if service.state.key(key.id):
        raise FieldError(f"There is a key {key.id} already.")
    service.state.make_key(key)

    return _json({"id": key.id, "secret": key.secret, "account": key.account, "user": key.user})


def _grant(service: Service, ask: Ask) -> Reply:
    """From now on a key or role may do this, and nothing else."""
    fields = Fields(ask.mapping())
    holder = _holder(service, fields)
    policy = fields.policy(EVERYTHING)
    fields.done()
    _give(service, holder, policy)

    return _json(policy.to_document())


def _deny(service: Service, ask: Ask) -> Reply:
    """From now on a key or role may not do this, whatever else allows it."""
    fields = Fields(ask.mapping())
    holder = _holder(service, fields)
    policy = holder.policy.denying(fields.texts("actions"))
    fields.done()
    _give(service, holder, policy)

    return _json(policy.to_document())


def _holder(service: Service, fields: Fields) -> Key | Role:
    """Who holds the permissions: the role named with its account, or the key."""
    name = fields.text("role", "")
    if not name:
        return _key(service, fields)
    account = _account(service, fields)
    role = service.state.role(account.id, name)
    if role is None:
        raise FieldError(f"{account.id} has no role {name}.")

    return role


def _give(service: Service, holder: Key | Role, policy: Policy) -> None:
    if isinstance(holder, Key):
        service.state.set_policy(holder, policy)
        return
    service.state.do(
        events.RoleGranted(account=holder.account, role=holder.name, policy=policy.to_document())
    )


def _expire(service: Service, ask: Ask) -> Reply:
    """End every session that AssumeRole has issued so far."""
    Fields(ask.mapping()).done()
    service.end_sessions()

    return _json({"ok": True})


_Call = Callable[[Service, Ask], Reply]

_CALLS: Mapping[str, Mapping[str, _Call]] = {
    "": {"GET": _page},
    "health": {"GET": _health},
    "state": {"GET": _state},
    "calls": {"GET": _calls, "DELETE": _clear_calls},
    "effects": {"GET": _effects},
    "faults": {"GET": _list_faults, "POST": _add_faults, "DELETE": _clear_faults},
    "settings": {"GET": _show_settings, "POST": _set_settings},
    "switch": {"POST": _switch},
    "operable": {"POST": _operable},
    "connect": {"POST": _connect},
    "disconnect": {"POST": _disconnect},
    "keys": {"POST": _make_key},
    "grants": {"POST": _grant},
    "deny": {"POST": _deny},
    "expire": {"POST": _expire},
    "reset": {"POST": _reset},
}
