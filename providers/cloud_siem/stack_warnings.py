"""Warnings of what a sound stack file probably does not mean; called by ``cloud-siem validate``.

Product and log codes are an open set: the documentation and the SDKs disagree on them, and the
account's own list decides before anything is written. So a code that is not known is a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache

from cloud_siem.catalog import PRODUCTS, did_you_mean, logs_of
from cloud_siem.errors import Reason, Severity
from cloud_siem.keys import DRIFT_IGNORE
from cloud_siem.stack import Stack, path_of
from cloud_siem.wording import key_shown

_ASK = "`cloud-siem list` shows what the account has"
_YEAR = timedelta(days=366)


def warnings_of(stack: Stack, today: date) -> Iterator[Reason]:
    """Every warning, in no order."""
    yield from _unknown_codes(stack)
    yield from _wide_ignores(stack, today)


def _wide_ignores(stack: Stack, today: date) -> Iterator[Reason]:
    """Entries of driftIgnore under which an account can go dark and still be called in sync."""
    for at, ignore in enumerate(stack.drift_ignore):
        path = (DRIFT_IGNORE, str(at))
        doubts = {
            "delivery": ("it ignores every delivery", not ignore.delivery.strip("*/")),
            "until": ("it ends more than a year from now", ignore.until - today > _YEAR),
        }
        for key, (message, applies) in doubts.items():
            if applies:
                hint = "what it hides is reported as ignored, and the account as in sync"
                yield _warning(stack, (*path, key), message, hint)


def _unknown_codes(stack: Stack) -> Iterator[Reason]:
    """Each product once, and each log, whose code no page of the vendor is known to have."""
    unknown: set[str] = set()
    for delivery in stack.deliveries:
        product, log = delivery.key.product, delivery.key.log
        if product not in PRODUCTS:
            if product not in unknown:
                unknown.add(product)
                message = f"no documented product has the code {product}"
                hint = did_you_mean(product, PRODUCTS) or _ASK
                yield _warning(stack, path_of(delivery.key)[:-1], message, hint)
        elif log is not None and (logs := logs_of(product)) and log not in logs:
            message = f"no documented log has the code {log}"
            yield _warning(stack, path_of(delivery.key), message, _meant(log, logs) or _ASK)


_meant = cache(did_you_mean)
"""Comparing takes most of a millisecond, and the files of a fleet have the same codes."""


def _warning(stack: Stack, path: tuple[str, ...], message: str, hint: str) -> Reason:
    return Reason(
        message=message,
        path=tuple(map(key_shown, path)),
        place=stack.key_place(path),
        hint=hint,
        severity=Severity.WARNING,
    )
