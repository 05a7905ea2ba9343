"""The request rate of each credential, divided among the runs that use it at once. Pure.

Alibaba Cloud counts requests per account; each run of the engine has processes of its own, which
know nothing of each other. So each is told its share.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from cloud_siem.settings import BY_CONFIG_KEY, PREFIX
from cloud_siem.stack import Stack
from cloud_siem.survey import credential_key
from cloud_siem.wording import counted

RATE = BY_CONFIG_KEY[f"{PREFIX}requestRate"]
_LEAST = 0.1
"""Calls a second; the setting takes no less."""


def shares(stacks: Sequence[Stack], slots: int) -> Mapping[str, float]:
    """By stack, how many calls a second its run may make.

    Args:
        stacks: All that run.
        slots: How many run at once.
    """
    return {
        one.name: max(_LEAST, round(_rate(group) / min(slots, len(group)), 3))
        for group in _groups(stacks)
        for one in group
    }


def notes(stacks: Sequence[Stack], slots: int) -> Iterator[str]:
    """What the report says of it: for all credentials that several runs share, one sentence."""
    shared = [group for group in _groups(stacks) if min(slots, len(group)) > 1]
    if shared:
        users = sum(len(group) for group in shared)
        told = sorted({f"{_rate(group):g}" for group in shared}, key=float)
        share = sorted({f"{shares(group, slots)[group[0].name]:g}" for group in shared}, key=float)
        yield (
            f"requests: {counted(users, 'stack')} share {counted(len(shared), 'credential')}, so"
            f" {' or '.join(told)} calls a second ({RATE.config_key}) are divided among the runs at"
            f" once: {' or '.join(share)} for each"
        )


def _groups(stacks: Sequence[Stack]) -> Sequence[Sequence[Stack]]:
    found: dict[object, list[Stack]] = defaultdict(list)
    for one in stacks:
        found[credential_key(one)].append(one)
    return list(found.values())


def _rate(group: Sequence[Stack]) -> float:
    return min(one.settings.request_rate for one in group)
