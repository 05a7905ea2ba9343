"""The RAM policies that callers need, and no more; printed by ``cloud-siem ram-policy``.

The actions, and that none of them can be narrowed to a resource, are those of the pages of
ListDelivery, OpenDelivery, CloseDelivery and ListRdUsers (2025-10-09). ``explain`` names a missing
one.

GetCallerIdentity, which every run that makes a call asks first, needs no permission. Where a role
is assumed, the policy is the role's, and the caller needs ``sts:AssumeRole`` on the role's ARN
(STS's page on authorization, 2025-09): https://help.aliyun.com/document_detail/371860.html
"""

from __future__ import annotations

import json
from dataclasses import dataclass


def action_of(operation: str) -> str:
    """The RAM action behind an operation, e.g. ``yundun-sas:CloseDelivery``."""
    return f"yundun-sas:{operation}"


LIST = action_of("ListDelivery")
OPEN = action_of("OpenDelivery")
CLOSE = action_of("CloseDelivery")
MEMBERS = action_of("ListRdUsers")


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What a caller is for, and what it may do."""

    name: str
    """As ``--for`` takes it, e.g. ``never-close``."""
    doc: str
    """Who needs it, and what it does to the account; part of a sentence."""
    allowed: tuple[str, ...]
    denied: tuple[str, ...] = ()
    """Refused even where another policy of the caller allows it."""

    @property
    def policy(self) -> dict[str, object]:
        """The policy document."""
        statements = [_statement("Allow", self.allowed)]
        if self.denied:
            statements.append(_statement("Deny", self.denied))
        return {"Version": "1", "Statement": statements}

    @property
    def text(self) -> str:
        """The policy document as JSON, for people and for RAM."""
        return json.dumps(self.policy, indent=2) + "\n"


PURPOSES = (
    Purpose(
        name="apply",
        doc="pulumi up and destroy: looks, opens and closes",
        allowed=(LIST, OPEN, CLOSE),
    ),
    Purpose(
        name="review",
        doc="pulumi preview and refresh, cloud-siem list, drift checks: looks, changes nothing",
        allowed=(LIST,),
    ),
    Purpose(
        name="never-close",
        doc="pulumi up that looks and opens; a close is refused, whatever else allows it",
        allowed=(LIST, OPEN),
        denied=(CLOSE,),
    ),
    Purpose(
        name="accounts",
        doc="cloud-siem fleet accounts: asks which members an administrator has",
        allowed=(MEMBERS,),
    ),
)
"""Every purpose, the usual one first."""


def _statement(effect: str, actions: tuple[str, ...]) -> dict[str, object]:
    return {"Effect": effect, "Action": list(actions), "Resource": "*"}


def purposes_table() -> str:
    """The table of docs/safety.md, in Markdown."""
    lines = ["| `--for` | who needs it | allowed on `*` | denied |", "|---|---|---|---|"]
    for one in PURPOSES:
        cells = (f"`{one.name}`", one.doc, _listed(one.allowed), _listed(one.denied))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _listed(actions: tuple[str, ...]) -> str:
    return ", ".join(f"`{action}`" for action in actions)
