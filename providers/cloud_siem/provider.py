"""The dynamic provider: what the engine asks of each kind of resource, verb by verb.

The engine pickles a provider object into every resource's state, by the import path of its class;
so the three classes here have no instance state, and their paths never change (a test pins them).
What they know lives in ``session``, in the process that the engine starts for the run.

One update, in the order in which the engine calls the verbs::

    Gate.check          all that the program declares: recorded, proven, compared with the account
    LogDelivery.check   offline rules; the same look for what is new or changed
    LogDelivery.create, update
    Settled.create, update    looks until the account shows what was written
    LogDelivery.delete  last of all: closes nothing that the run still declares

``destroy`` calls no check: there ``Settled.delete`` comes first, since it depends on everything.
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
from cloud_siem.errors import ApiError, CloudSiemError, RefusedError
from cloud_siem.guard import Closing
from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    OnRemove,
    Snapshot,
    Standing,
    State,
    by_name,
    closable,
    judge,
)
from cloud_siem.properties import GateBag
from cloud_siem.session import Process, Session, Sight

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
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Shown(Exception):  # noqa: N818 - the engine shows the class's name to people
    """What the engine shows when a verb fails."""


# As part of a traceback this is printed with its module, if it has one that is not built in.
Shown.__name__ = Shown.__qualname__ = "CloudSiemError"
Shown.__module__ = "builtins"


def told(verb: Callable[P, R]) -> Callable[P, R]:
    """Have whatever fails in a verb reach the person as sentences, never as a traceback."""

    @wraps(verb)
    def telling(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except CloudSiemError as error:
            raise Shown(str(error)) from None
        except Exception as error:  # noqa: BLE001 - this is where exceptions end
            raise Shown(_fault_of_ours(error)) from None

    return telling


def checked(check: Callable[[Any, Props, Props], CheckResult]) -> Callable[..., CheckResult]:
    """The same for ``check``, whose failures the engine words as problems of the resource."""

    @wraps(check)
    def checking(self: object, olds: Props, news: Props) -> CheckResult:
        try:
            return check(self, olds, news)
        except CloudSiemError as error:
            return CheckResult(news, [CheckFailure("", str(error))])
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
                    lifeline.hold()
                begin(Process(req.config._props, os.environ, folder=Path.cwd()))  # noqa: SLF001


class LogDeliveryProvider(_Provider):
    """Of ``LogDelivery``: opens, closes and watches one delivery."""

    @checked
    def check(self, olds: Props, news: Props) -> CheckResult:
        required = process().settings.require_reason
        found = rules.delivery_faults(news, _unknown(news), require_reason=required)
        failures = [CheckFailure(one.field, one.message) for one in found]
        if failures or _unknown(news):
            return CheckResult(news, failures)
        inputs = properties.inputs_of(news)
        moved = properties.differ(olds, inputs, properties.KEY_FIELDS) if olds else []
        if moved:
            return CheckResult(inputs, [_moved(field, olds, inputs) for field in moved])
        delivery = properties.delivery_of(inputs)
        process().declare(delivery)
        if inputs.get("guarded"):
            _session(inputs).sees(Sight.PART)
        if olds and guard.dropped_protection([properties.delivery_of(olds)], [delivery]):
            failures = [CheckFailure("state", guard.protected([delivery.key]))]
        elif not olds or olds.get("state") != inputs["state"]:
            failures = _live_failures(inputs, [delivery], by_delivery=False)
        return CheckResult(inputs, failures)

    @told
    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        return DiffResult(changes=bool(_unknown(news) or properties.differ(olds, news)))

    @told
    def create(self, props: Props) -> CreateResult:
        inputs = properties.inputs_of(props)
        key, state = properties.key_of(inputs), properties.state_of(inputs)
        session = _session(inputs)
        snapshot = session.look()
        adopted = judge(key, state, snapshot).standing is Standing.AS_DECLARED
        request_id = "" if adopted else _switch(session, key, state)
        outputs = {**_facts(snapshot, key), "adopted": adopted, "request_id": request_id}
        return CreateResult(key.id, inputs | outputs)

    @told
    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        inputs = properties.inputs_of(news)
        outputs = {name: olds[name] for name in properties.OUTPUT_FIELDS if name in olds}
        if olds.get("state") != inputs["state"]:
            key, state = properties.key_of(inputs), properties.state_of(inputs)
            session = _session(inputs)
            snapshot = session.look()
            if judge(key, state, snapshot).standing is not Standing.AS_DECLARED:
                outputs["request_id"] = _switch(session, key, state)
            else:
                say(f"{key.name} is {state.value} already: {_BY_HAND}")
            outputs |= _facts(snapshot, key)
        return UpdateResult(inputs | outputs)

    @told
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

    @told
    def delete(self, id_: str, props: Props) -> None:
        if properties.state_of(props) is State.CLOSED:
            return
        key, session = properties.key_of(props), _session(props)
        beside = process().declared_beside(key)
        if props.get("guarded") and session.sight is not Sight.WHOLE:
            _refuse_blind(key, session.sight)
            beside += process().configured_beside(key)
        snapshot = _look(props)
        closing = closable(key, beside, snapshot)
        if not closing:
            say(f"{key.name} is left as it is: this update still declares it.")
        elif props.get("protect"):
            raise RefusedError(guard.protected([key]))
        for one in closing:
            if snapshot.state_of(one) in (State.OPEN, State.PARTIAL):
                _switch(session, one, State.CLOSED)
            elif snapshot.state_of(one) is State.CLOSED:
                say(f"{one.name} is closed already: {_BY_HAND}")


class GateProvider(_Provider):
    """Of the gate, on which all deliveries depend: sees the whole before anything runs."""

    @checked
    def check(self, olds: Props, news: Props) -> CheckResult:
        if _unknown(news):
            return CheckResult(news, [])
        gate = GateBag.read(news)
        _session(news).sees(Sight.PART)
        moved = properties.differ(olds, gate.write(), properties.PERSPECTIVE_FIELDS) if olds else []
        if moved:
            return CheckResult(gate.write(), [_moved(field, olds, gate.write()) for field in moved])
        before = GateBag.read(olds) if olds else gate.emptied()
        gate = gate.carrying(before)
        for one in gate.deliveries:
            process().declare(one)
        failures = self._two_steps(before, gate)
        if before.states != gate.states:
            failures += self._held_against_the_account(before, gate)
            gate = gate if failures else self._adopting(before, gate)
        if not failures:
            _session(news).sees(Sight.WHOLE)
        return CheckResult(gate.write(), failures)

    @told
    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        fields = {*olds, *news} - {"__provider"}
        return DiffResult(changes=bool(_unknown(news) or properties.differ(olds, news, fields)))

    @told
    def create(self, props: Props) -> CreateResult:
        gate = GateBag.read(props)
        return CreateResult(f"gate of {gate.perspective}", gate.write())

    @told
    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        return UpdateResult(GateBag.read(news).write())

    @told
    def read(self, id_: str, props: Props) -> ReadResult:
        gate = GateBag.read(props)
        bag = gate.as_seen(_look(props)).write() if gate.deliveries else gate.write()
        return ReadResult(id_, bag, dict(bag))

    def _two_steps(self, before: GateBag, gate: GateBag) -> list[CheckFailure]:
        """What needs an update of its own before this one."""
        dropped = guard.dropped_protection(before.deliveries, gate.deliveries)
        sentences = {key: guard.protected([key]) for key in dropped}
        if before.on_remove is OnRemove.CLOSE and gate.on_remove is OnRemove.KEEP:
            late = guard.kept_too_late(before.deliveries, gate.deliveries)
            sentences |= {key: guard.to_be_kept_first(key) for key in late if key not in sentences}
        return [
            CheckFailure(properties.entry_name(key), f"{sentence} {guard.NOTHING_CLOSED}")
            for key, sentence in sentences.items()
        ]

    def _held_against_the_account(self, before: GateBag, gate: GateBag) -> list[CheckFailure]:
        new = [one for one in gate.deliveries if before.states.get(one.key) is not one.state]
        bag = gate.write()
        failures = _live_failures(bag, new, by_delivery=True)
        if guard.may_close(before.deliveries, gate.deliveries):
            session = _session(bag)
            closing = guard.closings(before.deliveries, gate.deliveries, session.look())
            try:
                session.admit(closing, opened=before.opened or gate.opened)
            except RefusedError as error:
                message = f"{gate.perspective}: {error} {guard.NOTHING_CLOSED}"
                failures.append(CheckFailure("", message))
            else:
                if not failures:
                    _say_closing(closing)
        return failures

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

    @checked
    def check(self, olds: Props, news: Props) -> CheckResult:
        bag: Props = {
            name: UNKNOWN if contains_unknowns(value) else value
            for name, value in news.items()
            if value is not None
        }
        unknown = _unknown(bag)
        if not unknown & set(properties.PERSPECTIVE_FIELDS):
            _session(bag).sees(Sight.PART)
        if not unknown:
            bag["written"] = properties.written_digest(properties.settled_of(bag), bag["written"])
        return CheckResult(bag, [])

    @told
    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        changed = properties.differ(olds, news, ["written", "deliveries"])
        return DiffResult(changes=bool(_unknown(news) or changed))

    @told
    def create(self, props: Props) -> CreateResult:
        perspective = properties.perspective_of(props)
        self._settle(props)
        return CreateResult(f"settled of {perspective}", _without_provider(props))

    @told
    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        if properties.differ(olds, news, ["written"]):
            self._settle(news)
        return UpdateResult(_without_provider(news))

    @told
    def delete(self, id_: str, props: Props) -> None:
        session, recorded = _session(props), properties.settled_of(props)
        declared = process().declared(session.perspective)
        protected = guard.dropped_protection(recorded, declared)
        if protected:
            raise RefusedError(f"{guard.protected(protected)} {guard.NOTHING_CLOSED}")
        if guard.may_close(recorded, declared):
            closing = guard.closings(recorded, declared, session.look())
            opened = sum(one.state is not State.CLOSED for one in recorded)
            try:
                session.admit(closing, opened=opened)
            except RefusedError as error:
                message = f"{session.perspective}: {error} {guard.NOTHING_CLOSED}"
                raise RefusedError(message) from None
            _say_closing(closing)
        if session.sight is Sight.NONE:
            session.sees(Sight.WHOLE)

    def _settle(self, props: Props) -> None:
        declared = process().declared(properties.perspective_of(props))
        if declared:
            _session(props).settle({one.key: one.state for one in declared})


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


def _switch(session: Session, key: DeliveryKey, state: State) -> str:
    """Write; a write that closes is waited for, one that opens is left to the bookend."""
    request_id = session.switch(key, state)
    if state is State.CLOSED:
        session.settle({key: state})
    return request_id


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
    return [
        CheckFailure(properties.entry_name(f.key) if by_delivery else f.field, f.message)
        for f in found
    ]


def _moved(field: str, olds: Props, news: Props) -> CheckFailure:
    was, now = olds.get(field, "not set"), news.get(field, "not set")
    return CheckFailure(
        field,
        f"{field} never changes in place (it was {was}, and would become {now}): that would open"
        " everything there and leave or close everything here. Make a new stack, or a new entry.",
    )


_BY_HAND = "it was switched by hand, or by another run; nothing is written."


def _say_closing(closing: Sequence[Closing]) -> None:
    for line in guard.announcement(closing):
        say(line)


def _is_as_declared(one: Delivery, snapshot: Snapshot) -> bool:
    return judge(one.key, one.state, snapshot).standing is Standing.AS_DECLARED


def _refuse_blind(key: DeliveryKey, sight: Sight) -> None:
    """Refuse a delete in a run that cannot know what else it would close, unless that is meant."""
    settings = process().settings
    if sight is Sight.PART and not settings.targeted_close:
        raise RefusedError(
            f"{key} was not closed: with --target this run cannot see whether something else in the"
            " program still declares it. Run without --target, or allow it for one run with"
            " CLOUD_SIEM_TARGETED_CLOSE=true."
        )
    if sight is Sight.NONE and guard.LIMIT.field not in settings.overridden:
        raise RefusedError(
            f"{key} was not closed: the settled bookend of its stack is gone, or was left out with"
            " --target, so nothing counts what this run closes. Run `pulumi up` first, which makes"
            f" it again; or set {guard.LIMIT.environ_name} to how many this run may close."
        )


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
