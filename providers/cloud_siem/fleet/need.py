"""Who needs the engine: what the account shows and the last run recorded, against what is declared.

Pure. A stack is skipped when a refreshed preview would have nothing to do: the account shows
everything as declared, the record has every delivery with its options just so (``recorded``), and
the last update ran the same program with the same settings. A property test holds that on the
engine in small. Whatever is not known for sure is a need.

What the drift review lets pass counts here: an update knows nothing of ignores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cloud_siem.drift import DEFAULT_FAIL_ON
from cloud_siem.report.contents import Outcome
from cloud_siem.stack import Stack
from cloud_siem.wording import counted

BY_EXPORT = "account, state and program are as declared"
BY_RECORD = "the account is as declared; all else is as a run left it that had nothing to do"
"""Why it is safe to skip a stack; what the last good run saw stands for the state's export."""
_TOLD = 3
"""So many reasons of one stack are told; the engine will tell them all."""


@dataclass(frozen=True, kw_only=True)
class Need:
    """Whether a stack needs the engine."""

    stack: str
    why: tuple[str, ...] = ()
    """Why it does; empty where it does not, or nobody knows."""
    errors: tuple[str, ...] = ()
    """Why nobody knows."""
    proof: str = ""
    """Why it is safe to skip it; empty where it is not."""
    exported: bool = False
    """Whether that was seen from an export, which the next run may be spared."""
    calls: int = 0


def as_updated(stack: Stack) -> Stack:
    """The stack as an update takes it: nothing is ignored."""
    return replace(stack, drift_ignore=())


def need_of(stack: Stack, outcome: Outcome, program: str) -> Need:
    """Whether a stack needs the engine.

    Args:
        stack: As it is declared.
        outcome: What its account shows and the last update recorded; no record there stands for
            one that is known to be as declared.
        program: The digest of the program as it is now.
    """
    need = Need(stack=stack.name, errors=outcome.errors, calls=outcome.calls)
    if outcome.errors or outcome.comparison is None:
        return need
    why = [one.sentence for one in outcome.comparison.failing(DEFAULT_FAIL_ON)]
    recorded = outcome.recorded
    if recorded and not why and (due := recorded.outdated(program, stack.given)):
        why.append(due)
    if why:
        more = [f"and {counted(len(why) - _TOLD, 'more finding')}"] if len(why) > _TOLD else []
        return replace(need, why=(*why[:_TOLD], *more))
    return replace(need, proof=BY_EXPORT if recorded else BY_RECORD, exported=bool(recorded))
