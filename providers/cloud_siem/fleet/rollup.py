"""What became of every stack of a run: one frozen value, which the formats lay out.

Made by ``fleets``, or of the result files of several shards; what needs a person comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet.tasks import Operation, Result, Status
from cloud_siem.wording import counted

_STATUSES = tuple(Status)
_NEEDS_A_PERSON = (Status.FAILED, Status.REFUSED, Status.NOT_STARTED)


@dataclass(frozen=True, kw_only=True)
class Rollup:
    """One run over many stacks, or all shards of one."""

    operation: Operation
    began: datetime
    """With time zone."""
    seconds: float
    """From beginning to end; of several shards, the longest."""
    results: tuple[Result, ...]
    """What needs a person first, then by stack."""
    refusal: str = ""
    """Why nothing was written anywhere; empty where nothing was refused."""
    interrupted: bool = False
    """Whether somebody stopped it: then it is partial."""
    asked: bool = False
    """Whether an update stopped after its review, since nobody had said that it may write."""
    notes: tuple[str, ...] = ()
    """On the run as a whole: where it ran, and at what pace."""

    @classmethod
    def ordered(cls, results: Sequence[Result]) -> tuple[Result, ...]:
        """The order in which people see them."""
        return tuple(sorted(results, key=lambda one: (_STATUSES.index(one.status), one.stack)))

    @cached_property
    def by_status(self) -> Mapping[Status, int]:
        """How many stacks of each."""
        return Counter(one.status for one in self.results)

    @property
    def wrote(self) -> bool:
        """Whether opened and closed are what was done; else they are what would be."""
        return self.operation is not Operation.PREVIEW and not self.asked

    @property
    def words(self) -> tuple[str, str]:
        """What is said of deliveries that it opens and closes."""
        return ("opened", "closed") if self.wrote else ("to open", "to close")

    @property
    def opened(self) -> int:
        return sum(one.opened for one in self.results)

    @property
    def closed(self) -> int:
        return sum(one.closed for one in self.results)

    @property
    def calls(self) -> int:
        return sum(one.calls for one in self.results)

    @property
    def left(self) -> tuple[str, ...]:
        """The stacks that were not started."""
        return tuple(one.stack for one in self.results if one.status is Status.NOT_STARTED)

    @property
    def failed(self) -> bool:
        """Whether something failed, or was left for another reason than a refusal."""
        left = self.left and not self.refusal
        return bool(self.by_status.get(Status.FAILED) or left)

    @property
    def refused(self) -> bool:
        return bool(self.refusal or self.by_status.get(Status.REFUSED))

    @property
    def good(self) -> bool:
        """Whether nothing needs a person."""
        return not (self.failed or self.refused or self.interrupted)

    @property
    def headline(self) -> str:
        """How it stands, in one sentence."""
        counts = [
            f"{counted(self.by_status[one], 'stack')} {one.value}"
            for one in Status
            if self.by_status.get(one)
        ]
        return ", ".join(counts) or "no stack"

    @property
    def totals(self) -> str:
        """What was done, in one sentence."""
        opens, closes = self.words
        return (
            f"{counted(self.opened, 'delivery')} {opens}, {self.closed} {closes};"
            f" {counted(self.calls, 'call')}; {self.seconds:.0f} s"
        )


def merged(rollups: Sequence[Rollup]) -> Rollup:
    """The shards of one run as one.

    :raises CloudSiemError: they are not of one operation, or a stack is in two of them.
    """
    first, *others = rollups
    if any(one.operation is not first.operation for one in others):
        words = ", ".join(sorted({one.operation.value for one in rollups}))
        message = f"these results are of different operations: {words}; merge each by itself"
        raise CloudSiemError(message)
    results = [result for one in rollups for result in one.results]
    twice = [stack for stack, count in Counter(one.stack for one in results).items() if count > 1]
    if twice:
        raise CloudSiemError(
            f"{', '.join(sorted(twice)[:12])}: in more than one of these results. Shards have no"
            " stack in common; give each shard's result once"
        )
    refusals = [one.refusal for one in rollups if one.refusal]
    return replace(
        first,
        began=min(one.began for one in rollups),
        seconds=max(one.seconds for one in rollups),
        results=Rollup.ordered(results),
        refusal=" ".join(dict.fromkeys(refusals)),
        interrupted=any(one.interrupted for one in rollups),
        asked=any(one.asked for one in rollups),
        notes=tuple(dict.fromkeys(note for one in rollups for note in one.notes)),
    )
