"""The operations: typed arguments in, state read or written, the body's fields out.

`service.py` looks an operation up by version and action, asks RAM for `Operation.permission`, and
runs it. Wire spellings (RoleType, RoleFor, Status ...) live here.

https://www.alibabacloud.com/help/en/security-center/developer-reference/api-cloud-siem-2022-06-16-listdelivery
https://www.alibabacloud.com/help/en/ram/developer-reference/api-sts-2015-04-01-assumerole
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from . import errors, ram
from .catalog import SPELLING_OF_OLD_PAGES, Log, Place, Product
from .identity import Principal, Session, new_session_key_id
from .settings import Settings
from .state import Panel, State
from .world import Region, Role, View

SIEM = "2022-06-16"
STS = "2015-04-01"

PRODUCTS = {SIEM: "cloud-siem", STS: "Sts"}
"""What the pages about errors call the product of a version."""

ID = re.compile(r"[0-9]{1,19}", re.ASCII)
ROLE_ARN = re.compile(r"acs:ram::([0-9]+):role/(.+)", re.ASCII)
SESSION_NAME = re.compile(r"[A-Za-z0-9.@_-]{2,64}", re.ASCII)

Body = dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """All that an operation may look at."""

    state: State
    settings: Settings
    principal: Principal
    parameters: Mapping[str, str]
    now: float
    """Seconds since 1970 on the server's clock."""
    stale_s: float = 0
    """How old the answer of a read is made by a fault."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What an operation answers, and how many logs it switched."""

    body: Body
    changed: int = 0
    panels: tuple[Panel, ...] = ()
    """Whose switches a write was about."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """One operation of the API."""

    version: str
    action: str
    run: Callable[[Context], Outcome]
    permission: str = ""
    """The RAM action; empty where everybody may."""


def find(version: str, action: str) -> Operation:
    """Look an operation up.

    Raises:
        errors.CloudError: The call names no action or version, or there is no such operation.
    """
    if not action:
        raise errors.MissingParameter("Action")
    if not version:
        raise errors.MissingParameter("Version")
    found = OPERATIONS.get((version, action))
    if found is None:
        known = any(action == each for _, each in OPERATIONS)
        raise errors.InvalidVersion if known else errors.ApiNotFound

    return found


# --- whose switches ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """The switches that a call is about: those of one panel, or of several as one."""

    owner: str
    """Whose connected products and operable logs count."""
    panels: tuple[Panel, ...]


def target(context: Context) -> Target:
    """Read RoleType, RoleFor and RegionId.

    Raises:
        errors.CloudError: One of them cannot be, or is not the caller's to use.
    """
    region = _region(context)
    enterprise = _role_type(context) is View.ENTERPRISE
    member = _role_for(context)
    if enterprise and member:
        if context.settings.role_precedence == "refuse":
            raise errors.InvalidParameter("RoleType")
        enterprise = context.settings.role_precedence == "role_type"
    if enterprise:
        return _enterprise(context, region)
    owner = _perspective(context, member)

    return Target(owner=owner, panels=(Panel(owner, region),))


def _enterprise(context: Context, region: Region) -> Target:
    admin = context.principal.account
    members = context.state.world.members.get(admin)
    if members is None:
        raise errors.NotAdministrator
    if context.settings.enterprise_switches == "separate":
        return Target(owner=admin, panels=(Panel(admin, region, View.ENTERPRISE),))

    return Target(owner=admin, panels=tuple(Panel(each, region) for each in (admin, *members)))


def _perspective(context: Context, member: str) -> str:
    """The caller's own account, or that of a member it administers."""
    own = context.principal.account
    if not member or member == own:
        return own
    if member not in context.state.world.members.get(own, ()):
        raise errors.NotMember

    return member


def _region(context: Context) -> Region:
    value = context.parameters.get("RegionId") or context.settings.default_region
    if value == "required":
        raise errors.MissingParameter("RegionId")
    try:
        return Region(value)
    except ValueError:
        raise errors.InvalidParameter("RegionId") from None


def _role_type(context: Context) -> View:
    match context.parameters.get("RoleType", ""):
        case "" | "0":
            return View.ACCOUNT
        case "1":
            return View.ENTERPRISE
        case _:
            raise errors.InvalidParameter("RoleType")


def _role_for(context: Context) -> str:
    value = context.parameters.get("RoleFor", "")
    if value and not ID.fullmatch(value):
        raise errors.InvalidParameter("RoleFor")

    return value


# --- ListDelivery --------------------------------------------------------------------------------


def list_delivery(context: Context) -> Outcome:
    """Every log of every connected product, with its switch."""
    whose = target(context)
    panel = whose.panels[0]
    region = "cn-shanghai" if panel.region is Region.HANGZHOU else panel.region
    project = f"aliyun-cloudsiem-data-{panel.account}-{region}"
    console = f"https://sls4service.console.aliyun.com/lognext/project/{project}"

    return Outcome(
        body={
            "Data": {
                "ProjectName": project,
                "LogStoreName": "cloud-siem",
                "SearchUrl": f"{console}/logsearch/cloud-siem?isShare=true",
                "DashboardUrl": f"{console}/dashboard/cloud-siem?isShare=true",
                "DisplaySwitchOrNot": True,
                "ProductList": _product_list(context, whose),
            }
        }
    )


def _product_list(context: Context, whose: Target) -> list[Body]:
    switches = _seen(context, whose)
    can_operate = _can_operate(context, whose)

    return [
        _product(product, switches, can_operate) for product in context.state.products(whose.owner)
    ]


def _seen(context: Context, whose: Target) -> Mapping[Place, bool]:
    """The switches as the lag lets them be seen; open where all panels are."""
    age_s = max(context.settings.lag_ms / 1000, context.stale_s)
    first, *others = (context.state.seen(panel, age_s=age_s) for panel in whose.panels)
    if not others:
        return first

    return {place: on and all(other[place] for other in others) for place, on in first.items()}


def _product(
    product: Product, switches: Mapping[Place, bool], can_operate: Callable[[Place], bool]
) -> Body:
    groups = {
        name: [_log(product, log, switches, can_operate) for log in logs]
        for name, logs in product.groups.items()
    }
    logs = {"LogList": groups[""]} if "" in groups else {"LogMap": groups}

    return {"ProductCode": product.code, "ProductName": product.name, **logs}


def _log(
    product: Product,
    log: Log,
    switches: Mapping[Place, bool],
    can_operate: Callable[[Place], bool],
) -> Body:
    place = (product.code, log.code)

    return {**_fixed(log), "Status": switches[place], "CanOperateOrNot": can_operate(place)}


@cache
def _fixed(log: Log) -> Mapping[str, object]:
    """What a listing says about a log whatever its state; made once, as listings are long."""
    name = log.topic.replace("_", " ")

    return {
        "LogCode": log.code,
        "LogName": name,
        "LogNameEn": name,
        "LogNameKey": f"${{sas.cloudsiem.prod.{log.code}}}",
        "Topic": log.topic,
        "ExtraParameters": [],
    }


def _can_operate(context: Context, whose: Target) -> Callable[[Place], bool]:
    """Whether this caller may switch a log."""
    caller = context.principal.account
    is_member = caller in context.state.world.administrators
    if is_member and context.settings.member_operates == "no":
        return lambda _place: False

    return lambda place: context.state.is_operable(whose.owner, place)


# --- OpenDelivery, CloseDelivery -----------------------------------------------------------------


def open_delivery(context: Context) -> Outcome:
    """Open one log, or all logs of a product."""
    return _write(context, opened=True)


def close_delivery(context: Context) -> Outcome:
    """Close one log, or all logs of a product."""
    return _write(context, opened=False)


def _write(context: Context, *, opened: bool) -> Outcome:
    product, whose = _product_named(context), target(context)
    if not context.state.is_connected(whose.owner, product.code):
        raise errors.ErrorProductCode
    places = _places(context, product)
    can_operate = _can_operate(context, whose)
    operable = [place for place in places if can_operate(place)]
    if operable != places and context.settings.inoperable_write == "refuse":
        return Outcome(body={"Data": False})

    with context.state.lock:
        if not opened and all(_all_closed(context.state, panel, places) for panel in whose.panels):
            return _repeated_close(context.settings)
        changed = sum(
            len(context.state.switch(panel, operable, opened=opened)) for panel in whose.panels
        )

    return Outcome(body={"Data": True}, changed=changed, panels=whose.panels)


def _places(context: Context, product: Product) -> list[Place]:
    """The logs that LogCode names: one, or all of the product."""
    code = context.parameters.get("LogCode")
    if code == "" and context.settings.empty_log_code == "error":
        raise errors.ErrorMapping
    if not code:
        return list(product.places)
    if (product.code, code) not in context.state.world.catalog.known:
        raise errors.ErrorMapping

    return [(product.code, code)]


def _product_named(context: Context) -> Product:
    code = context.parameters.get("ProductCode", "")
    if not code:
        raise errors.MissingProductCode
    if context.settings.qlcoud_cfw == "accept":
        code = SPELLING_OF_OLD_PAGES.get(code, code)
    product = context.state.world.catalog.products.get(code)
    if product is None:
        raise errors.ErrorProductCode

    return product


def _all_closed(state: State, panel: Panel, places: list[Place]) -> bool:
    return not any(state.is_open(panel, place) for place in places)


def _repeated_close(settings: Settings) -> Outcome:
    if settings.repeat_close == "error":
        raise errors.InternalError

    return Outcome(body={"Data": settings.repeat_close == "ok"})


# --- ListRdUsers ---------------------------------------------------------------------------------


def list_rd_users(context: Context) -> Outcome:
    """The members that the caller administers; none if it is no administrator."""
    admin = context.principal.account
    members = context.state.world.members.get(admin, ())

    return Outcome(
        body={
            "Data": [
                {
                    "SubUserId": int(member),
                    "SubUserName": context.state.world.accounts[member].name,
                    "MainUserId": int(admin),
                    "Joined": True,
                    "JoinedTime": "2025-01-01 00:00:00",
                    "DelegatedOrNot": True,
                }
                for member in members
            ]
        }
    )


# --- STS -----------------------------------------------------------------------------------------


def get_caller_identity(context: Context) -> Outcome:
    """Who the caller is."""
    who = context.principal
    body: Body = {"AccountId": who.account, "Arn": who.arn}
    if who.role:
        role_id = f"300{_number(who.role)}"
        body |= {
            "IdentityType": "AssumedRoleUser",
            "RoleId": role_id,
            "PrincipalId": f"{role_id}:{who.session}",
        }
    else:
        user_id = f"200{_number(who.user)}" if who.user else who.account
        body |= {
            "IdentityType": "RAMUser" if who.user else "Account",
            "UserId": user_id,
            "PrincipalId": user_id,
        }

    return Outcome(body=body)


def _number(name: str) -> str:
    """Some 15 digits that always belong to this name."""
    return f"{int.from_bytes(name.encode(), 'big') % 10**15:015}"


def assume_role(context: Context) -> Outcome:
    """A session of a role that trusts the caller."""
    if context.principal.is_root:
        raise errors.RootMayNotAssume
    role = _role(context)
    session = Session(
        key_id=new_session_key_id(),
        account=role.account,
        role=role.name,
        name=_session_name(context),
        issued=context.now,
        expires=context.now + _duration_s(context, role),
        policy=_session_policy(context),
    )

    return Outcome(body=_session_body(session))


def _session_body(session: Session) -> Body:
    return {
        "AssumedRoleUser": {
            "AssumedRoleId": f"300{_number(session.role)}:{session.name}",
            "Arn": f"acs:ram::{session.account}:role/{session.role}/{session.name}",
        },
        "Credentials": {
            "AccessKeyId": session.key_id,
            "AccessKeySecret": session.secret,
            "SecurityToken": session.token,
            "Expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(session.expires)),
        },
    }


def _role(context: Context) -> Role:
    arn = context.parameters.get("RoleArn", "")
    if not arn:
        raise errors.MissingParameter("RoleArn")
    named = ROLE_ARN.fullmatch(arn)
    if named is None:
        raise errors.InvalidParameter("RoleArn")
    role = context.state.role(named[1], named[2])
    if role is None:
        raise errors.RoleNotFound(arn)
    if context.principal.account not in role.trusts:
        raise errors.RoleNotAssumable
    if role.external_id and context.parameters.get("ExternalId") != role.external_id:
        raise errors.RoleNotAssumable

    return role


def _session_name(context: Context) -> str:
    name = context.parameters.get("RoleSessionName", "")
    if not name:
        raise errors.MissingParameter("RoleSessionName")
    if not SESSION_NAME.fullmatch(name):
        raise errors.InvalidParameter("RoleSessionName")

    return name


def _duration_s(context: Context, role: Role) -> int:
    value = context.parameters.get("DurationSeconds", "3600")
    shortest = 900
    if not ID.fullmatch(value) or not shortest <= int(value) <= role.max_session_s:
        raise errors.InvalidParameter("DurationSeconds")

    return int(value)


def _session_policy(context: Context) -> dict[str, object] | None:
    text = context.parameters.get("Policy")
    if not text:
        return None
    try:
        document = json.loads(text)
        ram.Policy.from_document(document)
    except ValueError:
        raise errors.InvalidParameter("PolicyGrammar") from None

    return dict(document)


OPERATIONS: Mapping[tuple[str, str], Operation] = {
    (each.version, each.action): each
    for each in (
        Operation(
            version=SIEM,
            action="ListDelivery",
            run=list_delivery,
            permission="yundun-sas:ListDelivery",
        ),
        Operation(
            version=SIEM,
            action="OpenDelivery",
            run=open_delivery,
            permission="yundun-sas:OpenDelivery",
        ),
        Operation(
            version=SIEM,
            action="CloseDelivery",
            run=close_delivery,
            permission="yundun-sas:CloseDelivery",
        ),
        Operation(
            version=SIEM,
            action="ListRdUsers",
            run=list_rd_users,
            permission="yundun-sas:ListRdUsers",
        ),
        Operation(version=STS, action="GetCallerIdentity", run=get_caller_identity),
        Operation(
            version=STS,
            action="AssumeRole",
            run=assume_role,
            permission="sts:AssumeRole",
        ),
    )
}
