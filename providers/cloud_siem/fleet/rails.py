"""All previews of a run together: what it would open and close, and whether the fleet may go on.

Pure. Each stack has its own guard rails, which the engine's processes keep (docs/safety.md); these
are held once more over all stacks, before the first write: one refusal, and nothing is written
anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from cloud_siem import guard
from cloud_siem.codes import Code, codes_in
from cloud_siem.errors import CloudSiemError, RefusedError
from cloud_siem.fleet.selection import Shard
from cloud_siem.fleet.tasks import Result, Status
from cloud_siem.kinds import CloseLimit, NumberOrShare
from cloud_siem.review import Change, Effect, Look, not_read, reviewed
from cloud_siem.settings import ENVIRON_PREFIX, Settings
from cloud_siem.wording import Unusable, counted

LIMIT_ENVIRON = f"{ENVIRON_PREFIX}FLEET_CLOSE_LIMIT"
LIMIT_OPTION = "--close-limit"
DEFAULT_LIMIT = CloseLimit(number=5)
_NAMED = 12
"""So many stacks are named in a refusal."""


@dataclass(frozen=True, kw_only=True)
class Limit:
    """How many logs a run may close, over all its stacks."""

    limit: CloseLimit = DEFAULT_LIMIT
    shard: Shard | None = None
    """A number is that of the whole fleet, of which each shard has its part."""

    @classmethod
    def read(
        cls, given: CloseLimit | None, environ: Mapping[str, str], shard: Shard | None
    ) -> Limit:
        """From the command line, or for one run from the environment.

        :raises CloudSiemError: the environment's is none.
        """
        try:
            text = environ.get(LIMIT_ENVIRON, "")
            limit = NumberOrShare().parse(text) if text and given is None else given
        except Unusable as fault:
            raise CloudSiemError(f"{LIMIT_ENVIRON}: {fault.message} ({fault.hint})") from None
        return cls(limit=limit or DEFAULT_LIMIT, shard=shard)

    def of(self, opened: int) -> int:
        """The count, for stacks that have so many declared open."""
        number = self.limit.of(opened)
        return number if self.limit.percent or self.shard is None else self.shard.part_of(number)

    def __str__(self) -> str:
        part = f", shard {self.shard} of it" if self.shard and not self.limit.percent else ""
        return f"{self.limit}{part}"


def reviewed_result(result: Result, settings: Settings, look: Look = not_read) -> Result:
    """A preview's result, with what its plan would open and close, and whether it may.

    ``look`` reads the account where all logs of a product close: the fleet's limit counts logs.
    """
    if not result.steps:
        return result
    try:
        review = reviewed(json.loads(result.steps), settings, look)
    except RefusedError as error:
        return replace(
            result, status=Status.REFUSED, errors=(str(error),), codes=codes_in(str(error))
        )
    except CloudSiemError as error:
        return replace(result, status=Status.FAILED, errors=(str(error),))
    told = replace(
        result,
        opened=len(review.of(Effect.OPENS)),
        closed=len(review.of(Effect.CLOSES)) if review.logs is None else review.logs,
        changes=tuple(_told(one) for one in review.changes),
    )
    if review.refusal:
        return replace(told, status=Status.REFUSED, errors=(review.refusal,), codes=review.codes)
    return told


def _told(change: Change) -> str:
    product, *entries = change.undo.splitlines() or [""]
    undo = f" (undo: {product} {{{', '.join(map(str.strip, entries))}}})" if entries else ""
    return f"{change.sentence}{undo}"


def refusal(results: Sequence[Result], limit: Limit, *, opened: int) -> str:
    """Why nothing may be written anywhere; empty where the run may go on.

    Args:
        results: All previews.
        limit: Of the fleet.
        opened: How many deliveries the stacks of this run have declared open, all together.
    """
    refused = sorted(one.stack for one in results if one.status is Status.REFUSED)
    if refused:
        return (
            f"a guardrail refuses {counted(len(refused), 'stack')} ({_names(refused)}), so nothing"
            " is written anywhere. Correct or leave out what is refused (--not)."
            f" {guard.NOTHING_CLOSED} {Code.FLEET_STACK}"
        )
    closing = sorted((one for one in results if one.closed), key=lambda one: one.stack)
    total, allowed = sum(one.closed for one in closing), limit.of(opened)
    if total <= allowed:
        return ""
    return (
        f"{counted(total, 'log')} would close in {counted(len(closing), 'stack')}"
        f" ({_names([one.stack for one in closing])}), of {opened} declared open; the fleet's close"
        f" limit is {allowed} ({LIMIT_OPTION} {limit}). To allow it for one run, say"
        f" {LIMIT_OPTION} {_way_out(total, limit)}. {guard.NOTHING_CLOSED}"
        f" {Code.FLEET_CLOSE_LIMIT}"
    )


def _way_out(total: int, limit: Limit) -> int:
    """What to say so that so many may close; each shard has its part of a number."""
    return total * (limit.shard.parts if limit.shard else 1)


def _names(stacks: Sequence[str]) -> str:
    more = len(stacks) - _NAMED
    return ", ".join(stacks[:_NAMED]) + (f" and {more} more" if more > 0 else "")
