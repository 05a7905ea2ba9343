"""What became of a stack whose file was removed, and what to do with its state.

Pure; called by ``cloud-siem fleet removed``. Removing a file changes neither the state nor the
deliveries. Which command is right depends on who declares the deliveries now: destroying the stack
would close them even where another stack declares them open.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from cloud_siem.model import DeliveryKey, State
from cloud_siem.other_stacks import Claim, OtherStacks, claims_of
from cloud_siem.project import label_of
from cloud_siem.stack import Stack


@dataclass(frozen=True, kw_only=True)
class RemovedStack:
    """A stack whose file was removed, and who declares its deliveries now."""

    name: str
    file: str
    renamed_to: Stack | None = None
    """The stack whose new file declares the same deliveries: the file was renamed."""
    claims: tuple[Claim, ...] = ()
    """What other stacks declare open now, of what this one declared open."""
    unclaimed: tuple[DeliveryKey, ...] = ()
    """What no other stack declares open now; of a whole product, some logs may be in ``claims``."""
    unknown: tuple[str, ...] = ()
    """Why more claims are possible; sentences."""


def removed_stacks(
    before: Mapping[str, Stack | str],
    now: Sequence[Stack],
    *,
    added: Collection[str],
    unknown: Sequence[str] = (),
) -> tuple[RemovedStack, ...]:
    """Compare removed stack files with those that are there.

    Args:
        before: The removed files by name, as stacks; or why a file could not be read.
        now: The stacks that are there and may declare the same deliveries.
        added: The files that were added at the same time.
        unknown: What could not be read of the files that are there.
    """
    others = OtherStacks(claims=tuple(claim for stack in now for claim in claims_of(stack)))
    removed = [
        _removed(file, stack, others, unknown)
        if isinstance(stack, Stack)
        else RemovedStack(name=label_of(file), file=file, unknown=(stack,))
        for file, stack in sorted(before.items())
    ]
    renames = _renames(
        [stack for stack in before.values() if isinstance(stack, Stack)],
        [stack for stack in now if stack.file in added],
    )
    return tuple(replace(stack, renamed_to=renames.get(stack.file)) for stack in removed)


def _removed(file: str, stack: Stack, others: OtherStacks, unknown: Sequence[str]) -> RemovedStack:
    opened = [entry.key for entry in stack.deliveries if entry.state is State.OPEN]
    claims = {key: others.claims_on(*key.switch) for key in opened}
    return RemovedStack(
        name=stack.name,
        file=file,
        claims=tuple(dict.fromkeys(claim for group in claims.values() for claim in group)),
        unclaimed=tuple(
            key
            for key, group in claims.items()
            if not any(claim.key.covers(key) for claim in group)
        ),
        unknown=tuple(unknown),
    )


def _renames(removed: Sequence[Stack], added: Sequence[Stack]) -> Mapping[str, Stack]:
    """The stack that each removed file was renamed to, by file; the likest pair comes first.

    Files of many accounts differ in little more than the account: so what they declare counts, and
    not how much text they share.
    """
    pairs = [
        (common, old, new)
        for old in removed
        for new in added
        if old.perspective == new.perspective and (common := _in_common(old, new))
    ]
    renames: dict[str, Stack] = {}
    for _, old, new in sorted(pairs, key=lambda pair: (-pair[0], pair[1].name, pair[2].name)):
        if old.file not in renames and new not in renames.values():
            renames[old.file] = new
    return renames


def _in_common(old: Stack, new: Stack) -> int:
    """How many deliveries of a removed file another file declares, in whatever state."""
    return sum(
        any(entry.key.overlaps(other.key) for other in new.deliveries) for entry in old.deliveries
    )
