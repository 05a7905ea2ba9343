"""The dynamic provider: what the engine asks of each kind of resource, verb by verb.

The engine pickles a provider object into every resource's state, by the import path of its class;
so the three classes here have no instance state, and their paths never change (a test pins them).
What they know lives in ``process``, in the process that the engine starts for the run.

One update, in the order in which the engine calls the verbs::

    Gate.check          all that the program declares, compared with what was recorded and with the
                        account: gives the tickets for everything that this update closes, or none
    LogDelivery.check   offline rules; the same look for what is new or changed
    LogDelivery.create, update
    Settled.create, update    looks until the account shows what was written
    LogDelivery.delete  last of all: closes nothing that the run still declares

``destroy`` calls no check: there ``Settled.delete`` comes first, since it depends on everything,
and gives the tickets.

What Pulumi replaces (``--replace``, ``--target-replace``, a tainted resource) it checks without old
inputs. So gate and deliveries are replaced by deleting them first: a delivery's delete knows what
was recorded, and refuses where no ticket was given; a gate's delete says that something was.
"""

from __future__ import annotations

import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from pulumi.dynamic import (
    CheckFailure,
    CheckResult,
    ConfigureRequest,
    CreateResult,
    DiffResult,
    ReadResult,
    ResourceProvider,
    UpdateResult,
)
from pulumi.output import UNKNOWN, Unknown, contains_unknowns

from cloud_siem import guard, lifeline, preflight, properties, rules
from cloud_siem.closing import Closer, DeclarationScope
from cloud_siem.codes import Code
from cloud_siem.engine_text import speak_utf8
from cloud_siem.errors import MAX_REASONS, ApiError, CloudSiemError, Refusal, RefusedError
from cloud_siem.guard import Closing
from cloud_siem.machine import engine_command
from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    KeyIndex,
    OnRemove,
    Snapshot,
    Standing,
    State,
    by_name,
    judge,
)
from cloud_siem.process import Process
from cloud_siem.properties import GateBag
from cloud_siem.session import Session
from cloud_siem.wording import counted, harmless

P = ParamSpec("P")
R = TypeVar("R")
Props = dict[str, Any]

_PLUGIN = "pulumi.dynamic.__main__"
"""What runs in the process that the engine starts; in tests it is something else."""
_install = threading.Lock()
_process: Process | None = None


def process() -> Process:
    """What this provider process knows."""
    if _process is None:
        raise RuntimeError("the engine calls configure before any verb")
    return _process


def begin(new: Process | None) -> None:
    """Begin a process: once by ``configure``; and by tests, which live through many."""
    global _process  # noqa: PLW0603 - a process has one state, and the engine keeps no object of ours
    _process = new


def say(line: str) -> None:
    """Show a person a line in the engine's output; what a plugin prints becomes a message."""
    # In one write, with its end: verbs run side by side, and the engine shows line by line.
    sys.stdout.write(f"{harmless(line)}\n")
    sys.stdout.flush()


class Shown(Exception):  # noqa: N818 - the engine shows the class's name to people
    """What the engine shows when a verb fails."""


# As part of a traceback this is printed with its module, if it has one that is not built in.
Shown.__name__ = Shown.__qualname__ = "CloudSiemError"
Shown.__module__ = "builtins"


def reports_errors(verb: Callable[P, R]) -> Callable[P, R]:
    """Have whatever fails in a verb reach the person as sentences, never as a traceback."""

    @wraps(verb)
    def telling(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except CloudSiemError as error:
            raise Shown(harmless(str(error))) from None
        except Exception as error:  # noqa: BLE001 - this is where exceptions end
            raise Shown(_fault_of_ours(error)) from None

    return telling


def reports_failures(
    check: Callable[[Any, Props, Props], CheckResult],
) -> Callable[..., CheckResult]:
    """The same for ``check``, whose failures the engine words as problems of the resource."""

    @wraps(check)
    def checking(self: object, olds: Props, news: Props) -> CheckResult:
        try:
            return check(self, olds, news)
        except CloudSiemError as error:
            return CheckResult(news, [CheckFailure("", harmless(str(error)))])
        except Exception as error:  # noqa: BLE001 - this is where exceptions end
            raise Shown(_fault_of_ours(error)) from None

    return checking


class _Provider(ResourceProvider):
    """What the three have in common."""

    serialize_as_secret_always = False
    """Nothing in it is secret."""

    def configure(self, req: ConfigureRequest) -> None:
        with _install:
            if _process is None:
                if getattr(sys.modules["__main__"].__spec__, "name", "") == _PLUGIN:
                    # From 3.260 on the SDK shows people the whole traceback of what a verb raises.
                    sys.tracebacklimit = 0
                    speak_utf8()
                    lifeline.hold()
                config = req.config._props  # noqa: SLF001
                begin(Process(config, os.environ, folder=Path.cwd(), command=engine_command))


class LogDeliveryProvider(_Provider):
    """Of ``LogDelivery``: opens, closes and watches one delivery."""

    @reports_failures
    def check(self, olds: Props, news: Props) -> CheckResult:
        required = process().settings.require_reason
        found = rules.delivery_faults(news, _unknown(news), require_reason=required)
        failures = [CheckFailure(one.field, one.message) for one in found]
        if failures or _unknown(news):
            if olds and (unknown := sorted(_unknown(news) & set(properties.KEY_FIELDS))):
                say(
                    f"{', '.join(unknown)} of {olds.get('product')}/{olds.get('log')} will be known"
                    " in the update alone. If it changes, the update is refused there: what it"
                    f" means stays with a resource's name, so use another name. {Code.KEY_CHANGED}"
                )
            return CheckResult(news, failures)
        process().name_stack(properties.stack_of(news))
        inputs = properties.inputs_of(news)
        moved = properties.differ(olds, inputs, properties.KEY_FIELDS) if olds else []
        if moved:
            return CheckResult(inputs, [_moved(field, olds, inputs) for field in moved])
        delivery = properties.delivery_of(inputs)
        if other := process().declare(delivery):
            return CheckResult(inputs, [_contradiction(delivery, other, "state")])
        closer = _closer(inputs)
        if inputs.get("guarded"):
            closer.widen_scope(DeclarationScope.PARTIAL)
            if olds and not process().compared(delivery.key):
                closer.recorded_unseen = True
        recorded = [properties.delivery_of(olds)] if olds else []
        if failures := [
            _check_failure(one, "state", closer) for one in guard.protected(recorded, [delivery])
        ]:
            return CheckResult(inputs, failures)
        if not olds or olds.get("state") != inputs["state"]:
            failures = _live_failures(inputs, [delivery], by_delivery=False)
            if delivery.state is State.CLOSED:
                refusals = self._close_refusals(
                    closer, recorded, delivery, bool(inputs.get("guarded"))
                )
                failures += [_check_failure(one, "state", closer) for one in refusals]
        return CheckResult(inputs, failures)

    def _close_refusals(
        self, closer: Closer, recorded: list[Delivery], delivery: Delivery, guarded: bool
    ) -> Sequence[Refusal]:
        """Why this delivery cannot become closed in this run, as far as its own check can know."""
        if not guarded and recorded:
            # No gate compares it with what was recorded; its own check can, since it has both.
            found = closer.closings(recorded, [delivery])
            broken = closer.authorize(
                found.logs, before=recorded, broken=guard.declared_elsewhere(found.conflicts)
            )
            if not broken:
                _say_closing(closer, found.logs, recorded, [delivery])
            return broken
        missing = closer.obtain(delivery.key, creates=not recorded)
        return [closer.not_authorized(delivery.key, missing)] if missing else []

    @reports_errors
    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        return DiffResult(changes=bool(_unknown(news) or properties.differ(olds, news)))

    @reports_errors
    def create(self, props: Props) -> CreateResult:
        inputs = properties.inputs_of(props)
        key, state = properties.key_of(inputs), properties.state_of(inputs)
        closer = _closer(inputs)
        snapshot = closer.session.look()
        adopted = judge(key, state, snapshot).standing is Standing.AS_DECLARED
        request_id = "" if adopted else _switch(closer, key, state, creates=True)
        outputs = {**_facts(snapshot, key), "adopted": adopted, "request_id": request_id}
        return CreateResult(key.id, inputs | outputs)

    @reports_errors
    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        inputs = properties.inputs_of(news)
        outputs = {name: olds[name] for name in properties.OUTPUT_FIELDS if name in olds}
        if olds.get("state") != inputs["state"]:
            key, state = properties.key_of(inputs), properties.state_of(inputs)
            closer = _closer(inputs)
            snapshot = closer.session.look()
            if judge(key, state, snapshot).standing is not Standing.AS_DECLARED:
                outputs["request_id"] = _switch(closer, key, state)
            else:
                _say_already(closer, key, state)
            outputs |= _facts(snapshot, key)
        return UpdateResult(inputs | outputs)

    @reports_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        snapshot = _look(props)
        key = properties.key_of(props)
        state = snapshot.state_of(key)
        if state is None:
            say(f"{key} is no longer listed by the account: it is taken as gone.")
            return ReadResult("", {})
        seen = {"state": state.value}
        outputs = {name: props[name] for name in properties.OUTPUT_FIELDS if name in props}
        inputs = properties.inputs_of(props) | seen
        return ReadResult(id_, inputs | outputs | _facts(snapshot, key), inputs)

    @reports_errors
    def delete(self, id_: str, props: Props) -> None:
        if properties.state_of(props) is State.CLOSED:
            return
        key, closer = properties.key_of(props), _closer(props)
        if process().keeps(key):
            say(f"{key.name} is left as it is: its entry was recorded with onRemove: keep.")
            return
        beside = process().open_beside(key)
        if closer.scope is not DeclarationScope.FULL:
            beside += process().configured_beside(key)
        snapshot = _look(props)
        stays = KeyIndex(beside)
        claims = {
            log: closer.claimed(log)
            for log in guard.open_logs(key, snapshot)
            if not stays.covers(log)
        }
        calls = guard.calls(
            key,
            snapshot,
            lambda log: stays.covers(log) or bool(claims.get(log)),
            shared=stays.overlaps(key) or any(claims.values()),
        )
        for log, stack in claims.items():
            if stack:
                say(f"{log.name} is left open: stack {stack} declares it open.")
        if stays.covers(key):
            say(f"{key.name} is left as it is: this update still declares it open.")
        elif calls and props.get("protect"):
            raise RefusedError(guard.protection_refusal(key))
        elif not calls and snapshot.state_of(key) is State.CLOSED:
            _say_already(closer, key, State.CLOSED)
        self._close(closer, calls)

    def _close(self, closer: Closer, calls: Sequence[DeliveryKey]) -> None:
        """Close these, each by one call, if all of them have their tickets; else none."""
        refused = [(call, missing) for call in calls if (missing := closer.obtain(call))]
        if refused:
            raise RefusedError(*(closer.not_authorized(call, logs) for call, logs in refused))
        for call in calls:
            _switch(closer, call, State.CLOSED)


class GateProvider(_Provider):
    """Of the gate, on which all deliveries depend: sees the whole before anything runs."""

    @reports_failures
    def check(self, olds: Props, news: Props) -> CheckResult:
        if _unknown(news):
            return CheckResult(news, [])
        process().name_stack(properties.stack_of(news))
        gate, closer = GateBag.read(news), _closer(news)
        closer.widen_scope(DeclarationScope.PARTIAL)
        moved = properties.differ(olds, gate.write(), properties.PERSPECTIVE_FIELDS) if olds else []
        if moved:
            return CheckResult(gate.write(), [_moved(field, olds, gate.write()) for field in moved])
        before = GateBag.read(olds) if olds else gate.emptied()
        gate = gate.carrying(before)
        contradictions = [(one, process().declare(one)) for one in gate.deliveries]
        process().compare(before.deliveries)
        process().spare(gate.beside)
        failures = [
            _contradiction(one, other, one.key.entry) for one, other in contradictions if other
        ]
        if before.states != gate.states:
            failures += self._live_failures(before, gate)
        gate, refusals = self._authorized(before, gate, blind=not olds, dry=bool(failures))
        failures += [_check_failure(one, one.entry, closer) for one in refusals]
        if failures:
            return CheckResult(gate.write(), failures)
        if before.states != gate.states:
            gate = self._adopting(before, gate)
        closer.widen_scope(DeclarationScope.FULL)
        return CheckResult(gate.write(), [])

    @reports_errors
    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        fields = {*olds, *news} - {"__provider", properties.CLOSING}
        # What an earlier run closed is taken off the record without a step of its own; what is
        # still to be closed is shown as one.
        unfinished = any(properties.closing_of(news).values())
        changes = _unknown(news) or unfinished or properties.differ(olds, news, fields)
        return DiffResult(changes=bool(changes))

    @reports_errors
    def create(self, props: Props) -> CreateResult:
        gate = GateBag.read(props)
        return CreateResult(f"gate of {gate.perspective}", gate.write())

    @reports_errors
    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(GateBag.read(news).write())

    @reports_errors
    def read(self, id_: str, props: Props) -> ReadResult:
        gate = GateBag.read(props)
        bag = gate.as_seen(_look(props)).write() if gate.deliveries else gate.write()
        return ReadResult(id_, bag, dict(bag))

    @reports_errors
    def delete(self, id_: str, props: Props) -> None:
        """Refuse to go where its successor, which saw nothing of its record, would close something.

        A gate is deleted last, and before this only where Pulumi replaces it. What it has recorded
        must not be lost in a run that is refused; and the rest of the run has to know of it.
        """
        closer, recorded = _closer(props), GateBag.read(props).deliveries
        if not recorded:
            return
        closer.recorded_unseen = True
        named = closer.session.settings.names
        if blind := [log for log in closer.tickets.for_creates() if not named(log)]:
            raise RefusedError(*(closer.not_authorized(log, [log]) for log in blind))

    def _live_failures(self, before: GateBag, gate: GateBag) -> list[CheckFailure]:
        new = [one for one in gate.deliveries if before.states.get(one.key) is not one.state]
        return _live_failures(gate.write(), new, by_delivery=True)

    def _authorized(
        self, before: GateBag, gate: GateBag, *, blind: bool, dry: bool
    ) -> tuple[GateBag, Sequence[Refusal]]:
        """The gate with what it authorizes to close, and every rule that this update breaks.

        What an earlier run was authorized to close, and is still open, gets its tickets when the
        first of it is due: only Pulumi knows whether anything of it is left.

        Args:
            before: What is recorded; nothing for a new gate, and for one that is replaced.
            gate: What is declared.
            blind: Whether the gate has no old inputs.
            dry: Whether to report the broken rules alone and to authorize nothing.
        """
        closer = _closer(gate.write())
        declared = [*gate.deliveries, *(Delivery(key=key, state=State.OPEN) for key in gate.beside)]
        broken = [*guard.protected(before.deliveries, declared)]
        if before.on_remove is OnRemove.CLOSE and gate.on_remove is OnRemove.KEEP:
            named = {one.entry for one in broken}
            late = guard.kept_too_late(before.deliveries, declared)
            broken += [one for one in late if one.entry not in named]
        entries = guard.closing_entries(before.deliveries, declared)
        process().keep(guard.kept(before.deliveries, gate.deliveries))
        if not entries and not before.closing:
            return gate, broken
        now = closer.closings(before.deliveries, declared)
        unfinished = {one.key for one in before.unfinished}
        # What else is declared closed here is new, and no earlier run was authorized to close it.
        after = [one for one in declared if one.state is State.OPEN or one.key in unfinished]
        earlier = closer.closings(before.unfinished, after)
        broken += guard.declared_elsewhere(now.conflicts)
        refusals = closer.authorize(
            now.logs, before=before.deliveries, broken=broken, creates_only=blind, dry=dry
        )
        if refusals or dry:
            return gate, refusals
        _say_closing(closer, now.logs, before.deliveries, gate.deliveries)
        closer.unfinished = earlier
        entries = {*now.entries, *((entries & before.states.keys()) - now.released)}
        return gate.authorizing(entries, earlier.entries, before.closing), ()

    def _adopting(self, before: GateBag, gate: GateBag) -> GateBag:
        """With the word on what is new here and open already; as far as the account was asked."""
        new = [one for one in gate.deliveries if before.states.get(one.key) is not one.state]
        if not new or not process().settings.preflight:
            return gate
        snapshot = _look(gate.write())
        ready = [one for one in new if _is_as_declared(one, snapshot)]
        if ready:
            say(
                f"{len(ready)} of {len(new)} new or changed deliveries are already as declared"
                f" and are adopted without a write: {', '.join(one.key.name for one in ready)}."
            )
        return gate.adopting({one.key for one in ready if one.state is State.OPEN})


class SettledProvider(_Provider):
    """Of the settled bookend, which depends on all deliveries: looks after the writes.

    ``destroy`` deletes it first. So it records what the gate was told, and holds the end of it all
    to the same rules.
    """

    @reports_failures
    def check(self, olds: Props, news: Props) -> CheckResult:
        bag: Props = {
            name: UNKNOWN if contains_unknowns(value) else value
            for name, value in news.items()
            if value is not None
            # At preview the SDK takes what the gate has not recorded for unknown.
            if name != properties.CLOSING or not contains_unknowns(value)
        }
        unknown = _unknown(bag)
        if not unknown & set(properties.PERSPECTIVE_FIELDS):
            _closer(bag).widen_scope(DeclarationScope.PARTIAL)
        if not unknown:
            bag["written"] = properties.written_digest(properties.settled_of(bag), bag["written"])
        return CheckResult(bag, [])

    @reports_errors
    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        changed = properties.differ(
            olds, news, ["written", "deliveries", properties.CLOSING, properties.STACK]
        )
        return DiffResult(changes=bool(_unknown(news) or changed))

    @reports_errors
    def create(self, props: Props) -> CreateResult:
        perspective = properties.perspective_of(props)
        self._settle(props)
        return CreateResult(f"settled of {perspective}", _without_provider(props))

    @reports_errors
    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        if properties.differ(olds, news, ["written"]):
            self._settle(news)
        return UpdateResult(_without_provider(news))

    @reports_errors
    def delete(self, id_: str, props: Props) -> None:
        closer, recorded = _closer(props), self._recorded(props)
        declared = process().declared(closer.session.perspective)
        if closer.scope is DeclarationScope.NONE and process().is_targeted_update:
            # A program runs, and the targets hide all of it from us: no destroy.
            closer.widen_scope(DeclarationScope.PARTIAL)
            declared += process().configured(closer.session.perspective)
        broken = [*guard.protected(recorded, declared)]
        process().keep(guard.kept(recorded, declared))
        if broken or guard.closing_entries(recorded, declared):
            found = closer.closings(recorded, declared)
            refusals = closer.authorize(
                found.logs,
                before=recorded,
                broken=[*broken, *guard.declared_elsewhere(found.conflicts)],
            )
            if refusals:
                raise _refused(closer, refusals)
            _say_closing(closer, found.logs, recorded, declared)
        if closer.scope is DeclarationScope.NONE:
            closer.widen_scope(DeclarationScope.FULL)

    def _recorded(self, props: Props) -> tuple[Delivery, ...]:
        """All that the stack may have recorded as open.

        An update that did not come to its end left this record behind: so what the config declares,
        which was recorded when that update began, counts as well, and what its gate authorized to
        close.
        """
        perspective = properties.perspective_of(props)
        recorded = {one.key: one for one in process().configured(perspective)}
        recorded |= {one.key: one for one in properties.settled_of(props)}
        for name in properties.closing_of(props):
            key = properties.entry_key(perspective, name)
            recorded.setdefault(key, Delivery(key=key, state=State.OPEN))
        return tuple(recorded.values())

    def _settle(self, props: Props) -> None:
        # Its own component's deliveries: those of another one may not be written yet.
        deliveries = properties.settled_of(props)
        if deliveries:
            session = _session(props)
            # What was written counts: an update without the gate shows the gate's old declaration.
            session.settle({one.key: session.written.get(one.key, one.state) for one in deliveries})


def _refused(closer: Closer, refusals: Sequence[Refusal]) -> RefusedError:
    """The refusal of a whole group of closes, with what this run has done so far."""
    return RefusedError(*(one.then(_done_so_far(closer)) for one in refusals))


def _done_so_far(closer: Closer) -> str:
    count = closer.tickets.count
    return f"This run has closed {counted(count, 'log')} before." if count else guard.NOTHING_CLOSED


def _check_failure(refusal: Refusal, field: str, closer: Closer) -> CheckFailure:
    return CheckFailure(field, harmless(str(refusal.then(_done_so_far(closer)))))


def _contradiction(delivery: Delivery, other: Delivery, field: str) -> CheckFailure:
    refusal = Refusal(
        code=Code.CONTRADICTION,
        message=f"{delivery.key} is declared {delivery.state.value}, and the same program declares"
        f" {other.key} {other.state.value}: they have a log in common. Keep one of them.",
    )
    return CheckFailure(field, str(refusal))


def _closer(bag: properties.Bag) -> Closer:
    return process().closer(properties.perspective_of(bag), properties.stack_of(bag))


def _session(bag: properties.Bag) -> Session:
    return process().session(properties.perspective_of(bag), properties.stack_of(bag))


def _look(bag: properties.Bag) -> Snapshot:
    """The look that all share; never an empty one, since something is recorded or declared."""
    snapshot = _session(bag).look()
    if not snapshot.logs:
        raise ApiError(
            f"ListDelivery for {snapshot.perspective} lists no products at all, though this stack"
            " has deliveries there. Nothing was taken as gone or closed. Check the account, the"
            f" region and whether Cloud SIEM is still activated. [RequestId {snapshot.request_id}]",
            action="ListDelivery",
            request_id=snapshot.request_id,
        )
    return snapshot


def _switch(closer: Closer, key: DeliveryKey, state: State, *, creates: bool = False) -> str:
    """Write; a write that closes is waited for, one that opens is left to the settled resource."""
    if state is State.OPEN:
        return closer.session.write(key, state)
    _say_unannounced(closer, key)
    return closer.close(key, creates=creates)


def _facts(snapshot: Snapshot, key: DeliveryKey) -> Props:
    """The outputs that ListDelivery knows and that stay."""
    topics = sorted({log.topic for log in snapshot.find(key) if log.topic})
    return {
        "project": snapshot.project,
        "logstore": snapshot.logstore,
        "topic": topics[0] if len(topics) == 1 else "",
    }


def _live_failures(
    inputs: Props, declared: list[Delivery], *, by_delivery: bool
) -> list[CheckFailure]:
    """What the live account says against new or changed deliveries, in order.

    On the gate a failure stands on the delivery's own key, in one place for all; on a delivery it
    stands on the input at fault.
    """
    if not declared or not process().settings.preflight:
        return []
    snapshot = _session(inputs).look()
    asked = sorted(((one.key, one.state) for one in declared), key=lambda one: by_name(one[0]))
    found = preflight.faults(asked, snapshot)
    failures = [
        CheckFailure(fault.key.entry if by_delivery else fault.field, str(fault))
        for fault in found[:MAX_REASONS]
    ]
    if more := len(found) - len(failures):
        failures.append(CheckFailure("deliveries", f"{counted(more, 'more delivery')} like these"))
    return failures


def _moved(field: str, olds: Props, news: Props) -> CheckFailure:
    was, now = olds.get(field, "not set"), news.get(field, "not set")
    refusal = Refusal(
        code=Code.KEY_CHANGED,
        message=f"{field} cannot change in place (it was {was}, and would become {now}): that would"
        " open everything there and leave or close everything here. Create a new stack or a new"
        " entry; in a program of your own, give the resource another name.",
    )
    return CheckFailure(field, str(refusal))


_BY_HAND = "it was changed outside Pulumi, or by another run; nothing is written."


def _say_already(closer: Closer, key: DeliveryKey, state: State) -> None:
    """Say that nothing is written, unless this run itself has closed it."""
    if not (state is State.CLOSED and closer.tickets.is_closed(key)):
        say(f"{key.name} is {state.value} already: {_BY_HAND}")


def _say_closing(
    closer: Closer,
    closing: Sequence[Closing],
    before: Sequence[Delivery],
    after: Sequence[Delivery],
) -> None:
    closer.announced.update(one.key.switch for one in closing)
    for line in guard.announcement(closing, before, after):
        say(line)


def _say_unannounced(closer: Closer, key: DeliveryKey) -> None:
    """Name what closes and no gate has announced: what an earlier run left over, or was named."""
    logs = guard.open_logs(key, closer.session.look())
    closing = [Closing(key=log, entry=key) for log in logs if log.switch not in closer.announced]
    _say_closing(closer, closing, [Delivery(key=key, state=State.OPEN)], [])


def _is_as_declared(one: Delivery, snapshot: Snapshot) -> bool:
    return judge(one.key, one.state, snapshot).standing is Standing.AS_DECLARED


def _unknown(bag: Props) -> set[str]:
    """The inputs whose values are not known before the update; the engine marks them so."""
    return {name for name, value in bag.items() if isinstance(value, Unknown)}


def _without_provider(props: Props) -> Props:
    return {name: value for name, value in props.items() if name != "__provider"}


def _fault_of_ours(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}: {error}."
        " This is a fault of pulumi-cloud-siem; please report it."
    )
