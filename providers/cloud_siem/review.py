"""``pulumi preview --json`` -> what opens, what closes, and whether the guardrails allow it.

Pure; called by ``cloud-siem review`` and by the fleet. The preview has asked the gate, which has
compared the whole declaration with what is recorded and with the account: a preview that a rule
refuses has failed, and its diagnostics have the codes. So a plan is not judged a second time by
what it shows, which is less than what the gate saw: ``preview --json`` has no step for what stays
the same. What the gate cannot answer for at a preview is judged here: a delete is asked only when
the update runs, so that what has no ticket then is refused here already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Self

from cloud_siem import guard, properties
from cloud_siem.codes import Code, codes_in, refusals_of
from cloud_siem.errors import PlanError, Refusal, RefusedError
from cloud_siem.guard import Closing
from cloud_siem.model import Delivery, DeliveryKey, Perspective, Snapshot, State, by_name
from cloud_siem.properties import GateBag
from cloud_siem.settings import CLOSE_WORD, Settings

_TYPE = "pulumi-python:dynamic/cloud-siem:"
_DELIVERY, _GATE, _SETTLED = (f"{_TYPE}{kind}" for kind in ("LogDelivery", "Gate", "Settled"))
Look = Callable[[Perspective, Settings], Snapshot | None]
"""Reads the account; None where that is not possible here."""
_PASSED_OVER = ("refresh", "replace", "delete-replaced")
"""Steps that say what was found, or a part of what a ``create-replacement`` says whole."""
_SHAPE = {"steps": list, "diagnostics": list, "config": dict}
"""Of a plan, as far as it matters here; what is empty is left out, or null."""


class Effect(Enum):
    """What an update does to one delivery."""

    CLOSES = "closes"
    OPENS = "opens"
    ADOPTED = "is adopted"
    """Open already, and new to the stack: recorded without a write."""
    KEPT = "is forgotten"
    """Removed with ``onRemove: keep``: it stays as it is."""
    RELEASED = "is released"
    """Removed, and the gate does not close it: another stack file declares it open."""
    MOVED = "moves"
    """Removed under one name and declared under another: it stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """One delivery that an update touches."""

    key: DeliveryKey
    effect: Effect
    why: str
    """The rest of the sentence, e.g. ``its entry is removed``."""
    adopted: bool = False
    """Whether it was open before the stack had it."""
    undo: str = ""
    """The lines of the stack file that open it again: its product, whole, as it was."""

    @property
    def sentence(self) -> str:
        """E.g. ``sas/x closes: its entry is removed``."""
        return f"{self.key.name} {self.effect.value}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Review:
    """What one plan does."""

    changes: tuple[Change, ...]
    """What closes first, then in the order of ``by_name``."""
    dark: tuple[str, ...]
    """Products of which something is open now, and nothing will be."""
    logs: int | None = 0
    """How many logs close; None where entries of all logs of a product close, and the account was
    not read."""
    refusal: str
    """Why the guardrails do not allow it, and what would; empty when they do."""
    codes: tuple[Code, ...] = ()
    """The rules that it breaks."""
    unknown: str = ""
    """Why it is not known whether the guardrails allow it; empty when it is known."""
    failure: str = ""
    """Why nothing is known: the preview failed, or there is none; empty when it is whole."""

    @classmethod
    def of_refused(cls, error: RefusedError) -> Self:
        """A preview that a guardrail ended: nothing of it would run."""
        return cls(changes=(), dark=(), refusal=str(error), codes=codes_in(str(error)))

    @classmethod
    def of_failed(cls, failure: str) -> Self:
        """A preview that is not whole: nothing can be said of what would open or close."""
        return cls(changes=(), dark=(), refusal="", failure=failure)

    def of(self, effect: Effect) -> tuple[Change, ...]:
        return tuple(one for one in self.changes if one.effect is effect)


@dataclass(frozen=True, kw_only=True)
class _Step:
    """One of our resources in the plan: as recorded, and as it will be."""

    kind: str
    old: Mapping[str, Any] | None
    new: Mapping[str, Any] | None
    adopted: bool = False
    retained: bool = False


def not_read(_perspective: Perspective, _settings: Settings) -> None:
    """Reads no account."""


def review_plan(plan: object, environ: Mapping[str, str], look: Look = not_read) -> Review:
    """Read a plan; ``environ`` has the words for one run.

    :raises PlanError: it is not what ``pulumi preview --json`` prints, or the preview failed.
    :raises RefusedError: a guardrail refused the preview.
    :raises StackError: the config in it has faults.
    """
    steps = list(_steps(plan))
    return _reviewed(steps, Settings.read(_config(plan), environ), look)


def reviewed(plan: object, settings: Settings, look: Look = not_read) -> Review:
    """The same, for a caller who knows the settings: of config that is encrypted a plan says less.

    :raises PlanError: it is not what ``pulumi preview --json`` prints, or the preview failed.
    :raises RefusedError: a guardrail refused the preview.
    """
    return _reviewed(list(_steps(plan)), settings, look)


def _reviewed(steps: Sequence[_Step], settings: Settings, look: Look) -> Review:
    deliveries = [step for step in steps if step.kind == _DELIVERY]
    gates = [step for step in steps if step.kind == _GATE]
    ending = [step for step in steps if step.kind == _SETTLED and step.new is None]
    authority = _Authority.of(gates, ending, settings)
    before, after = _declarations(gates, deliveries)
    changes = [
        _with_undo(change, before, after)
        for change in sorted(_changes(deliveries, gates, authority), key=_order)
    ]
    closing = [change.key for change in changes if change.effect is Effect.CLOSES]
    ended = [delivery for step in ending for delivery in _recorded_by(step)]
    # Whatever a plan with a gate closes was counted by the gate; only a destroy asks nobody.
    whole = any(key.log is None for key in closing)
    snapshot = look(closing[0].perspective, settings) if closing and (whole or ended) else None
    deleted = {properties.key_of(step.old) for step in deliveries if step.old and not step.new}
    refusals = [*authority.refusals(key for key in closing if key in deleted)]
    if snapshot is not None:
        refusals += _of_destroy(ended, after, snapshot, settings)
    return Review(
        changes=tuple(changes),
        dark=tuple(sorted({key.product for key in closing} - _still_open(after, changes))),
        logs=_log_count(closing, snapshot),
        refusal="\n".join(map(str, refusals)),
        codes=tuple(dict.fromkeys(refusal.code for refusal in refusals)),
        unknown=_UNKNOWN if ended and closing and snapshot is None else "",
    )


_UNKNOWN = (
    "Whether the guardrails allow it is not known: a destroy asks the provider only when it runs,"
    " and the account could not be read here."
)


def _log_count(closing: Sequence[DeliveryKey], snapshot: Snapshot | None) -> int | None:
    """How many logs close; without a look, known only where each entry is one log."""
    if snapshot is not None:
        return len({log for key in closing for log in guard.open_logs(key, snapshot)})
    return None if any(key.log is None for key in closing) else len(closing)


def _of_destroy(
    ended: Sequence[Delivery], after: Sequence[Delivery], snapshot: Snapshot, settings: Settings
) -> Iterator[Refusal]:
    """The rules that a destroy breaks, as its settled resource will say when it runs."""
    closing = guard.closings(ended, after, snapshot).logs
    yield from guard.protected(ended, after)
    yield from (
        guard.refusals(
            closing,
            snapshot.perspective,
            opened=guard.opened_logs(ended, snapshot),
            left_open=guard.left_open(closing, snapshot),
            settings=settings,
        )
        if closing
        else ()
    )


def _recorded_by(step: _Step) -> tuple[Delivery, ...]:
    return properties.settled_of(step.old) if step.old is not None else ()


@dataclass(frozen=True)
class _Authority:
    """What of a plan's deletes has a ticket when the update runs."""

    closing: frozenset[tuple[Perspective, str]]
    """The entries that a gate authorizes to close, or the settled resource of a destroy."""
    recorded: frozenset[tuple[Perspective, str]]
    """The entries that a gate has recorded: it compares the removal of each of them."""
    declared: frozenset[tuple[Perspective, str]]
    """The entries that a gate declares."""
    settings: Settings

    @classmethod
    def of(cls, gates: Sequence[_Step], ending: Sequence[_Step], settings: Settings) -> Self:
        old = [GateBag.read(step.old) for step in gates if step.old is not None]
        new = [GateBag.read(step.new) for step in gates if step.new is not None]
        ended = [delivery for step in ending for delivery in _recorded_by(step)]
        return cls(
            frozenset((gate.perspective, entry) for gate in new for entry in gate.closing)
            | {(one.key.perspective, one.key.entry) for one in ended},
            frozenset(
                (gate.perspective, one.key.entry) for gate in old if new for one in gate.deliveries
            ),
            frozenset((gate.perspective, one.key.entry) for gate in new for one in gate.deliveries),
            settings,
        )

    def closes(self, key: DeliveryKey) -> bool:
        """Whether removing an entry closes it; else the gate leaves it open."""
        name = (key.perspective, key.entry)
        return name in self.closing or name not in self.recorded or self.settings.names(key)

    def saw_closed(self, key: DeliveryKey) -> bool:
        """Whether a gate declares a new closed entry and found nothing open under it."""
        name = (key.perspective, key.entry)
        return name in self.declared and name not in self.closing

    def refusals(self, closing: Iterable[DeliveryKey]) -> Iterator[Refusal]:
        """The closes that the update would refuse, since nothing authorizes them."""
        for key in closing:
            if (key.perspective, key.entry) in self.closing or self.settings.names(key):
                continue
            name = ",".join(guard.log_names([key]))
            yield Refusal(
                code=Code.NOT_AUTHORIZED,
                message=f"{key} would be closed by a delete that no gate authorizes: the plan does"
                " not show the whole program (--target), or the delivery has no gate.",
                remedy=f"Run without --target, or name the log for one run: {CLOSE_WORD}={name}.",
                entry=key.entry,
            )


def _declarations(
    gates: Sequence[_Step], deliveries: Sequence[_Step]
) -> tuple[list[Delivery], list[Delivery]]:
    """What is recorded and what is declared.

    The gates have every entry; without one it is what the plan's own steps show.
    """
    if gates:
        old, new = (
            [GateBag.read(bag).deliveries for bag in bags if bag]
            for bags in ([one.old for one in gates], [one.new for one in gates])
        )
        return [one for some in old for one in some], [one for some in new for one in some]
    return (
        [properties.delivery_of(one.old) for one in deliveries if one.old is not None],
        [properties.delivery_of(one.new) for one in deliveries if one.new is not None],
    )


def _still_open(after: Iterable[Delivery], changes: Iterable[Change]) -> set[str]:
    """The products of which something stays open: what is declared, kept or released."""
    left = {change.key.product for change in changes if change.effect in _LEFT_OPEN}
    return left | {one.key.product for one in after if one.state is State.OPEN}


_LEFT_OPEN = (Effect.KEPT, Effect.RELEASED)


def _with_undo(change: Change, before: Sequence[Delivery], after: Sequence[Delivery]) -> Change:
    if change.effect is not Effect.CLOSES:
        return change
    closing = Closing(key=change.key, entry=change.key)
    return replace(change, undo="\n".join(guard.undo([closing], before, after)))


# --- what becomes of each -------------------------------------------------------------------------


def _order(change: Change) -> tuple[bool, tuple[str, str]]:
    return (change.effect is not Effect.CLOSES, by_name(change.key))


def _changes(
    steps: Sequence[_Step], gates: Sequence[_Step], authority: _Authority
) -> Iterator[Change]:
    adopted = _adopted(gates)
    declared = {
        properties.key_of(step.new)
        for step in steps
        if step.new is not None and properties.state_of(step.new) is State.OPEN
    }
    for gate in (GateBag.read(step.new) for step in gates if step.new is not None):
        declared |= {one.key for one in gate.deliveries if one.state is State.OPEN}
    for step in steps:
        if step.new is None and step.old is not None:
            if properties.state_of(step.old) is not State.CLOSED:
                yield _removed(step, properties.key_of(step.old), declared, authority)
        elif step.new is not None:
            yield from _declared(step, step.new, adopted, authority)


def _declared(
    step: _Step, new: Mapping[str, Any], adopted: set[DeliveryKey], authority: _Authority
) -> Iterator[Change]:
    key, state = properties.key_of(new), properties.state_of(new)
    was = properties.state_of(step.old) if step.old else None
    if was is state or (was is None and state is State.CLOSED and authority.saw_closed(key)):
        return
    reason = f", for the reason {new['reason']}" if new.get("reason") else ""
    if was is not None:
        why = f"it is {was.value}, declared {state.value}{reason}"
    elif state is State.OPEN:
        why = "it is new here"
    else:
        why = f"it is declared closed{reason}, and new here: it may be open now"
    effect = Effect.OPENS if state is State.OPEN else Effect.CLOSES
    if was is None and key in adopted:
        effect, why = Effect.ADOPTED, "it is open already, and new here; nothing is written"
    yield Change(key=key, effect=effect, why=why, adopted=step.adopted)


def _removed(
    step: _Step, key: DeliveryKey, declared: set[DeliveryKey], authority: _Authority
) -> Change:
    if step.retained:
        effect, why = Effect.KEPT, "its entry is removed, with onRemove: keep; it stays open"
    elif any(other.covers(key) for other in declared):
        effect, why = Effect.MOVED, "the program declares it in another place; it stays open"
    elif not authority.closes(key):
        effect, why = Effect.RELEASED, "its gate does not close it: another stack declares it open"
    elif any(key.covers(other) for other in declared):
        effect, why = Effect.CLOSES, "all its logs but those that are declared singly now"
    else:
        effect, why = Effect.CLOSES, "its entry is removed"
    return Change(key=key, effect=effect, why=why, adopted=step.adopted)


def _adopted(steps: Iterable[_Step]) -> set[DeliveryKey]:
    """What the gate, which has looked, found to be open already."""
    gates = (GateBag.read(one.new) for one in steps if one.kind == _GATE and one.new is not None)
    return {one.key for gate in gates for one in gate.deliveries if one.adopted}


# --- the plan -------------------------------------------------------------------------------------


def _steps(plan: object) -> Iterator[_Step]:
    """The steps for what is ours; those of a refresh only say what was found, and come again."""
    if not isinstance(plan, dict):
        raise _not_a_plan("it has no list of steps")
    for name, kind in _SHAPE.items():
        if not isinstance(plan.get(name), kind | None):
            raise _not_a_plan(f"its {name} is no {'object' if kind is dict else 'list'}")
    _refuse_failed(plan)
    for at, step in enumerate(plan.get("steps") or ()):
        if not isinstance(step, dict):
            raise PlanError(f"steps[{at}] is no object")
        if step.get("op") not in _PASSED_OVER and _type_of(step) in (_DELIVERY, _GATE, _SETTLED):
            yield _step(step, at)


def _not_a_plan(why: str) -> PlanError:
    return PlanError(f"this is not what `pulumi preview --json` prints: {why}")


def _refuse_failed(plan: Mapping[str, Any]) -> None:
    """What a failed preview shows is not whole: nothing can be said of what it would close."""
    diagnostics = [one for one in plan.get("diagnostics") or () if isinstance(one, dict)]
    failed = [
        str(one.get("message", "")).strip() for one in diagnostics if one.get("severity") == "error"
    ]
    if refused := refusals_of(diagnostics):
        raise RefusedError(*map(_refusal, refused))
    if failed:
        raise PlanError("the preview failed, and what it shows is not whole:\n" + "\n".join(failed))


def _refusal(message: str) -> Refusal:
    """From a message that ends with its code; it may have other ones before."""
    code = codes_in(message)[-1]
    return Refusal(code=code, message=message.removesuffix(f" {code}"))


def _config(plan: object) -> Mapping[str, object]:
    config = plan.get("config") if isinstance(plan, dict) else None
    return {key: value for key, value in (config or {}).items() if ":" in key}


def _type_of(step: Mapping[str, Any]) -> object:
    state = step.get("newState") or step.get("oldState")
    return state.get("type") if isinstance(state, dict) else None


def _step(step: Mapping[str, Any], at: int) -> _Step:
    kind = str(_type_of(step))
    try:
        old, new = _state(step.get("oldState")), _state(step.get("newState"))
        return _Step(
            kind=kind,
            old=_bag(old, kind),
            new=_bag(new, kind),
            adopted=bool((old.get("outputs") or {}).get("adopted")),
            retained=bool(old.get("retainOnDelete")),
        )
    except (AttributeError, KeyError, TypeError, ValueError, RefusedError) as error:
        raise PlanError(f"steps[{at}] is not a step of this project: {error!r}") from None


def _state(state: object) -> Mapping[str, Any]:
    """What the plan has of a resource before or after; nothing where there is none."""
    if not isinstance(state or {}, dict):
        raise TypeError(f"{type(state).__name__} is no state of a resource")
    return state or {}  # type: ignore[return-value]


def _bag(state: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """Its inputs, which can be read from here on."""
    if not state:
        return None
    bag: Mapping[str, Any] = state["inputs"]
    if kind == _GATE:
        GateBag.read(bag)
    elif kind == _SETTLED:
        bag = state.get("outputs") or bag  # of its inputs a part is known to the engine alone
        properties.settled_of(bag)
    else:
        properties.delivery_of(bag)
    return bag
