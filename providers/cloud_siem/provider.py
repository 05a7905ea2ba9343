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
from collections.abc import Callable
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

from cloud_siem import preflight, properties, rules
from cloud_siem.errors import ApiError, CloudSiemError, RefusedError
from cloud_siem.model import (
    DeliveryKey,
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
        if getattr(sys.modules["__main__"].__spec__, "name", "") == "pulumi.dynamic.__main__":
            # From 3.260 on the SDK shows people the whole traceback of what a verb raises.
            sys.tracebacklimit = 0
        with _install:
            if _process is None:
                begin(Process(req.config._props, os.environ, folder=Path.cwd()))  # noqa: SLF001


class LogDeliveryProvider(_Provider):
    """Of ``LogDelivery``: opens, closes and watches one delivery."""

    @checked
    def check(self, olds: Props, news: Props) -> CheckResult:
        failures = _failures(rules.delivery_faults(news, _unknown(news)))
        if failures or _unknown(news):
            return CheckResult(news, failures)
        inputs = properties.inputs_of(news)
        moved = properties.differ(olds, inputs, properties.KEY_FIELDS) if olds else []
        if moved:
            return CheckResult(inputs, [_moved(field, olds, inputs) for field in moved])
        key, state = properties.key_of(inputs), properties.state_of(inputs)
        process().declare(key, state)
        if inputs.get("guarded"):
            _session(inputs).sees(Sight.PART)
        if not olds or olds.get("state") != inputs["state"]:
            failures = _live_failures(inputs, [(key, state)], by_delivery=False)
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
        key = properties.key_of(props)
        beside = process().declared_beside(key)
        if props.get("guarded") and _session(props).sight is not Sight.WHOLE:
            if _session(props).sight is Sight.PART:
                _refuse_targeted(key)
            beside += process().configured_beside(key)
        snapshot = _look(props)
        closing = closable(key, beside, snapshot)
        if not closing:
            say(f"{key.name} is left as it is: this update still declares it.")
        for one in closing:
            if snapshot.state_of(one) in (State.OPEN, State.PARTIAL):
                _switch(_session(props), one, State.CLOSED)


class GateProvider(_Provider):
    """Of the gate, on which all deliveries depend: sees the whole before anything runs."""

    @checked
    def check(self, olds: Props, news: Props) -> CheckResult:
        if _unknown(news):
            return CheckResult(news, [])
        gate = GateBag.read(news)
        inputs = gate.write()
        _session(inputs).sees(Sight.PART)
        moved = properties.differ(olds, inputs, properties.PERSPECTIVE_FIELDS) if olds else []
        if moved:
            return CheckResult(inputs, [_moved(field, olds, inputs) for field in moved])
        for key, state in gate.states.items():
            process().declare(key, state)
        before = GateBag.read(olds).states if olds else {}
        failures: list[CheckFailure] = []
        if before != gate.states:
            failures = self._compare(inputs, before, gate.states)
        if not failures:
            _session(inputs).sees(Sight.WHOLE)
        return CheckResult(inputs, failures)

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
        bag = GateBag.read(props).write()
        return ReadResult(id_, bag, dict(bag))

    def _compare(
        self, inputs: Props, before: dict[DeliveryKey, State], states: dict[DeliveryKey, State]
    ) -> list[CheckFailure]:
        new = [(key, state) for key, state in states.items() if before.get(key) is not state]
        failures = _live_failures(inputs, new, by_delivery=True)
        if new and not failures and process().settings.preflight:
            snapshot = _look(inputs)
            ready = [k for k, s in new if judge(k, s, snapshot).standing is Standing.AS_DECLARED]
            if ready:
                say(
                    f"{len(ready)} of {len(new)} new or changed deliveries are already as declared"
                    f" and are adopted without a write: {', '.join(key.name for key in ready)}."
                )
        return failures


class SettledProvider(_Provider):
    """Of the settled bookend, which depends on all deliveries: looks after the writes."""

    @checked
    def check(self, olds: Props, news: Props) -> CheckResult:
        if not _unknown(news) & set(properties.PERSPECTIVE_FIELDS):
            _session(news).sees(Sight.PART)
        return CheckResult({name: value for name, value in news.items() if value is not None}, [])

    @told
    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        changed = properties.differ(olds, news, ["written"])
        return DiffResult(changes=bool(_unknown(news) or changed))

    @told
    def create(self, props: Props) -> CreateResult:
        perspective = properties.perspective_of(props)
        self._settle(props)
        return CreateResult(f"settled of {perspective}", _without_provider(props))

    @told
    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        self._settle(news)
        return UpdateResult(_without_provider(news))

    @told
    def delete(self, id_: str, props: Props) -> None:
        if _session(props).sight is Sight.NONE:
            _session(props).sees(Sight.WHOLE)

    def _settle(self, props: Props) -> None:
        declared = process().declared(properties.perspective_of(props))
        if declared:
            _session(props).settle(declared)


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
    inputs: Props, declared: list[tuple[DeliveryKey, State]], *, by_delivery: bool
) -> list[CheckFailure]:
    """What the live account says against new or changed deliveries, in order.

    On the gate a failure stands on the delivery's own key, in one place for all; on a delivery it
    stands on the input at fault.
    """
    if not declared or not process().settings.preflight:
        return []
    snapshot = _session(inputs).look()
    found = preflight.faults(sorted(declared, key=lambda one: by_name(one[0])), snapshot)
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


def _refuse_targeted(key: DeliveryKey) -> None:
    if process().settings.targeted_close:
        return
    raise RefusedError(
        f"{key} was not closed: with --target this run cannot see whether something else in the"
        " program still declares it. Run without --target, or allow it for one run with"
        " CLOUD_SIEM_TARGETED_CLOSE=true."
    )


def _unknown(bag: Props) -> set[str]:
    """The inputs whose values are not known before the update; the engine marks them so."""
    return {name for name, value in bag.items() if type(value).__name__ == "Unknown"}


def _failures(found: list[rules.FieldFault]) -> list[CheckFailure]:
    return [CheckFailure(one.field, one.message) for one in found]


def _without_provider(props: Props) -> Props:
    return {name: value for name, value in props.items() if name != "__provider"}


def _fault_of_ours(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f"unexpected {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}: {error}."
        " This is a fault of pulumi-cloud-siem; please report it."
    )
