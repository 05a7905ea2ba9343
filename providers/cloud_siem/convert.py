"""Wire JSON to values and back; with ``api`` the only place that knows the API's spellings.

How the wire differs from our values (Cloud SIEM API 2022-06-16, pages of OpenDelivery,
CloseDelivery, ListDelivery and ListRdUsers, of 2025-10-09):

* a view is a number: RoleType 0 is the account's own, 1 is the enterprise's; a member is RoleFor;
* "every log of the product" is a call *without* LogCode, never an empty one;
* ListDelivery spreads a product's logs over ``LogList`` and the groups of ``LogMap``; both are
  read, since which products have groups is not documented;
* ``Status`` true is open, ``CanOperateOrNot`` is operable;
* ListRdUsers spells an account as a number, ours is a string of digits; ``Joined`` is managed.

What the pages document is required here; anything else is a ``ShapeError`` that shows the shape,
since a default would be a guess about which logs are dark. Codes that cannot be shown as they are
are such a shape too; all other texts are made ``printable`` here, where they come in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from cloud_siem.model import DeliveryKey, Log, Member, Perspective, Region, Snapshot, State, View
from cloud_siem.wording import is_harmless, printable

_ROLE_TYPES = {View.ACCOUNT: "0", View.ENTERPRISE: "1"}
_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}

T = TypeVar("T")


class ShapeError(ValueError):
    """An answer is not of the documented shape; the text says where and what stands there."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who the credentials are, as STS GetCallerIdentity says."""

    account: str
    """The account that the credentials belong to."""
    arn: str
    """Who in that account, e.g. ``acs:ram::1130916744880000:user/siem``."""


def perspective_parameters(perspective: Perspective) -> dict[str, str]:
    """The body parameters that say who looks at what."""
    parameters = region_parameters(perspective.region)
    parameters["RoleType"] = _ROLE_TYPES[perspective.view]
    if perspective.member is not None:
        parameters["RoleFor"] = perspective.member
    return parameters


def region_parameters(region: Region) -> dict[str, str]:
    """The body parameters of what is asked of a whole region."""
    return {"RegionId": region.value}


def delivery_parameters(key: DeliveryKey) -> dict[str, str]:
    """The body parameters of OpenDelivery and CloseDelivery.

    LogCode is left out only for a key that *is* the whole product; an empty code, which the API
    might take for the same, cannot pass.
    """
    parameters = perspective_parameters(key.perspective) | {"ProductCode": key.product}
    if key.log is None:
        return parameters
    if not key.log.strip():
        raise ValueError(f"blank log code for product {key.product!r}")
    return parameters | {"LogCode": key.log}


def to_snapshot(body: object, perspective: Perspective, taken_at: datetime) -> Snapshot:
    """The answer of ListDelivery as a snapshot.

    :raises ShapeError: something documented is missing, of another type, or contradicts itself.
    """
    data = _field(_of_type(body, dict, "the answer"), "Data", dict)
    products = _field(data, "ProductList", list, "Data")
    logs: dict[tuple[str, str], Log] = {}
    for at, product in enumerate(products):
        for log in _logs_of(product, f"Data.ProductList[{at}]"):
            known = logs.setdefault((log.product, log.log), log)
            if known != log:
                raise ShapeError(f"{log.product}/{log.log} is listed twice, and not alike")
    return Snapshot(
        perspective=perspective,
        logs=tuple(logs[code] for code in sorted(logs)),
        taken_at=taken_at,
        project=_optional(data, "ProjectName"),
        logstore=_optional(data, "LogStoreName"),
        request_id=request_id_of(body),
    )


def to_accepted(body: object) -> bool:
    """Whether OpenDelivery or CloseDelivery says that it did what was asked (``Data``)."""
    return _field(_of_type(body, dict, "the answer"), "Data", bool)


def to_identity(body: object) -> Identity:
    """The answer of STS GetCallerIdentity."""
    answer = _of_type(body, dict, "the answer")
    return Identity(
        account=printable(_field(answer, "AccountId", str)),
        arn=printable(_field(answer, "Arn", str)),
    )


def to_members(body: object) -> tuple[Member, ...]:
    """The answer of ListRdUsers, by account.

    :raises ShapeError: something documented is missing, of another type, or contradicts itself.
    """
    listed = _field(_of_type(body, dict, "the answer"), "Data", list)
    members: dict[str, Member] = {}
    for at, entry in enumerate(listed):
        member = _member(_of_type(entry, dict, f"Data[{at}]"), f"Data[{at}]")
        if members.setdefault(member.account, member) != member:
            raise ShapeError(f"{member.account} is listed twice, and not alike")
    return tuple(members[account] for account in sorted(members))


def request_id_of(body: object) -> str:
    """The RequestId of any answer; empty when there is none."""
    return _optional(body, "RequestId") if isinstance(body, dict) else ""


def _member(entry: Mapping[str, object], where: str) -> Member:
    return Member(
        account=str(_field(entry, "SubUserId", int, where)),
        name=_optional(entry, "SubUserName"),
        managed=_field(entry, "Joined", bool, where),
    )


def _logs_of(product: object, where: str) -> Iterator[Log]:
    entry = _of_type(product, dict, where)
    code = _code(entry, "ProductCode", where)
    for log, place in _log_entries(entry, where):
        yield Log(
            product=code,
            log=_code(log, "LogCode", place),
            state=State.OPEN if _field(log, "Status", bool, place) else State.CLOSED,
            operable=_field(log, "CanOperateOrNot", bool, place),
            topic=_optional(log, "Topic"),
        )


def _log_entries(
    product: Mapping[str, object], where: str
) -> Iterator[tuple[dict[str, object], str]]:
    """Every log of a product with its place: first those without a group, then group by group."""
    groups: dict[str, object] = {"LogList": product.get("LogList")}
    log_map = product.get("LogMap")
    if log_map is not None:
        named = _of_type(log_map, dict, f"{where}.LogMap")
        groups |= {f"LogMap.{group}": logs for group, logs in named.items()}
    for group, logs in groups.items():
        if group == "LogList" and logs is None:
            continue
        for at, log in enumerate(_of_type(logs, list, f"{where}.{group}")):
            place = f"{where}.{group}[{at}]"
            yield _of_type(log, dict, place), place


def _field(entry: Mapping[str, object], name: str, kind: type[T], where: str = "") -> T:
    place = f"{where}.{name}" if where else name
    if name not in entry:
        raise ShapeError(f"{place} is missing")
    return _of_type(entry[name], kind, place)


def _code(entry: Mapping[str, object], name: str, where: str) -> str:
    """A code; never a blank one, which in a call would mean every log."""
    code = _field(entry, name, str, where)
    if not code.strip():
        raise ShapeError(f"{where}.{name} is blank")
    if not is_harmless(code):
        # Two codes could look alike, or break the line of a message, a stack file or a command.
        raise ShapeError(f"{where}.{name} has characters that cannot be shown: {printable(code)}")
    return code


def _optional(entry: Mapping[str, object], name: str) -> str:
    value = entry.get(name)
    return printable(value) if isinstance(value, str) else ""


def _of_type(value: object, kind: type[T], where: str) -> T:
    if type(value) is not kind:
        found = _JSON_NAMES.get(type(value), type(value).__name__)
        raise ShapeError(f"{where} is {found}, not {_JSON_NAMES[kind]}")
    return value
