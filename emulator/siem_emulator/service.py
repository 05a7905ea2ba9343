"""The emulated service without its wire: a call comes in, an answer goes out.

    1. arrive    write the call down, look whether a fault strikes it
    2. answer    find the operation -> identify the caller -> check signature, date and nonce ->
                 count the call against the rate -> ask RAM -> run the operation -> make the body
    3. commit    have the change on disk, where there is a state file
    4. finish    write down how it ended

`app.py` does the waiting and the sending between these steps; nothing here waits.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import errors, identity, operations, signature
from .answers import Answer, Collateral, Origin
from .calls import KEPT, CallLog, Received, SideEffect
from .events import Reset, SessionsEnded
from .faults import FaultError, Faults, Kind, Meeting, Rule
from .journal import Journal
from .operations import Operation, Outcome
from .ram import Verdict
from .settings import Settings
from .state import State
from .throttle import Throttle
from .wire import Call
from .world import World

METHODS = ("GET", "POST")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call that was written down, and the fault that strikes it."""

    call: Call
    received: Received
    rule: Rule | None
    meeting: Meeting | None = None
    """The calls that this one waits for before it is answered."""


class Service:
    """One emulated cloud. Its parts are safe to use from any thread."""

    def __init__(
        self,
        world: World,
        *,
        settings: Settings | None = None,
        journal: Journal | None = None,
        calls_kept: int = KEPT,
    ) -> None:
        self.world = world
        self.at_start = settings or Settings()
        self.settings = self.at_start
        self.calls = CallLog(calls_kept)
        self.faults = Faults()
        self.throttle = Throttle()
        self.journal = journal
        self.state = State(world, keep=journal.keep) if journal else State(world)
        self.forgotten = self._remember(journal) if journal else 0
        """How many kept events meant nothing in this world."""
        self._nonces = signature.Nonces(self.now)
        self._settings_lock = threading.Lock()
        self.resets = 0
        """How often everything was set back: what was to come later before, does not come."""

    def now(self) -> float:
        """Seconds since 1970 on the service's own clock."""
        return time.time() + self.settings.clock_skew_s

    # --- what tests and control calls set --------------------------------------------------------

    def configure(self, changes: Mapping[str, object]) -> None:
        with self._settings_lock:
            self.settings = self.settings.with_changes(changes)

    def add_faults(self, rules: Iterable[Rule]) -> None:
        """Put rules in force: all of them, or none if one names a log that does not exist.

        Raises:
            FaultError: A rule closes logs that this world does not have.
        """
        added = list(rules)
        for rule in added:
            if unknown := rule.unknown_closes(self.world.catalog.places):
                raise FaultError(f"There is no log {', '.join(unknown)}.")
        for rule in added:
            self.faults.add(rule)

    def reset(self) -> None:
        """Be as at the start: state, settings, faults and calls."""
        self.resets += 1
        self.state.do(Reset())
        self.settings = self.at_start
        self.faults.clear()
        self.throttle.clear()
        self.calls.clear()

    def end_sessions(self) -> None:
        """Make every session issued so far expire now."""
        self.state.do(SessionsEnded(before=self.now()))

    def commit(self) -> None:
        """Return when all changes so far are on disk."""
        if self.journal:
            self.journal.commit()

    # --- the four steps --------------------------------------------------------------------------

    def arrive(self, call: Call) -> Arrival:
        strike = self.faults.pick(
            call.action, call.parameters, lambda: identity.account_of(call, self.state)
        )
        rule = strike.rule if strike else None
        received = self.calls.arrived(
            Received(
                seq=self.calls.next_number(),
                time=time.time(),
                action=call.action,
                key_id=call.key_id,
                parameters=call.parameters,
                user_agent=call.headers.get("user-agent", ""),
                source=call.source,
                account=identity.account_of(call, self.state),
                fault=rule.kind if rule else "",
            )
        )

        return Arrival(call, received, rule, strike.meeting if strike else None)

    def answer(self, arrival: Arrival) -> Answer:
        call, rule, seq = arrival.call, arrival.rule, arrival.received.seq
        origin = Origin(
            host=call.headers.get("host", ""),
            product=operations.PRODUCTS.get(call.version, operations.PRODUCTS[operations.SIEM]),
        )
        if rule is None:
            return self._act(call, origin, seq)
        if not rule.lets_act:
            return dataclasses.replace(origin.fault(rule), damage=rule)

        return _struck(rule, origin, self._act(call, origin, seq, rule))

    def close_collateral(self, collateral: Collateral) -> bool:
        """Close what the service closes by itself; returns whether anything was open."""
        closed = [
            (panel, place)
            for panel in collateral.panels
            for place in self.state.switch(panel, collateral.places, opened=False, by_service=True)
        ]
        for panel, (product, log) in closed:
            self.calls.affected(
                SideEffect(
                    time=time.time(),
                    cause=collateral.cause,
                    product=product,
                    log=log,
                    **panel._asdict(),
                )
            )

        return bool(closed)

    def finish(self, arrival: Arrival, answer: Answer) -> None:
        self.calls.answered(
            dataclasses.replace(
                arrival.received,
                status=answer.status,
                code=answer.code,
                request_id=answer.request_id,
                changed=answer.changed,
                session=answer.session,
            )
        )

    # --- inside ----------------------------------------------------------------------------------

    def _remember(self, journal: Journal) -> int:
        """Take up what the state file says, and write it anew in its short form."""
        try:
            forgotten = self.state.replay(journal.past())
            journal.so_far = self.state.so_far
            journal.shorten()
        except BaseException:
            journal.let_go()
            raise

        return forgotten

    def _act(self, call: Call, origin: Origin, seq: int, rule: Rule | None = None) -> Answer:
        """Authenticate, authorize, and run the operation; whatever happens is an answer."""
        try:
            operation = _operation(call)
            principal = self._authenticate(call)
            self._authorize(operation, principal)
            outcome = self._run(call, operation, principal, rule)
        except errors.CloudError as error:
            return origin.error(error)

        answer = origin.success(outcome.body, session=principal.session, changed=outcome.changed)
        if rule is None or rule.kind is not Kind.COLLATERAL or not outcome.changed:
            return answer
        collateral = self._collateral(call, rule, outcome, seq)
        if not collateral.delay:
            self.close_collateral(collateral)

        return dataclasses.replace(answer, collateral=collateral)

    def _collateral(self, call: Call, rule: Rule, outcome: Outcome, seq: int) -> Collateral:
        product = call.parameters.get("ProductCode", "")

        return Collateral(
            cause=seq,
            panels=outcome.panels,
            places=rule.collateral(product, self.world.catalog.places),
            delay=rule.delay,
        )

    def _authenticate(self, call: Call) -> identity.Principal:
        now = self.now()
        fresh = signature.freshness(call) if call.key_id else None
        principal = identity.identify(call, self.state, now=now)
        signature.verify(call, principal.secret)
        if fresh:
            signature.check_fresh(fresh, principal.key_id, now=now, nonces=self._nonces)

        return principal

    def _authorize(self, operation: Operation, principal: identity.Principal) -> None:
        settings = self.settings
        self.throttle.take(principal.account, rate=settings.rate, burst=settings.burst)
        if not operation.permission:
            return
        verdict = principal.verdict(operation.permission)
        if verdict is not Verdict.ALLOWED:
            raise errors.NoPermission(principal.denial(operation.permission, verdict))

    def _run(
        self, call: Call, operation: Operation, principal: identity.Principal, rule: Rule | None
    ) -> Outcome:
        stale = rule is not None and rule.kind is Kind.STALE_READS
        outcome = operation.run(
            operations.Context(
                state=self.state,
                settings=self.settings,
                principal=principal,
                parameters=call.parameters,
                now=self.now(),
                stale_s=rule.seconds if rule and stale else 0,
            )
        )

        return _spoiled(rule, outcome) if rule else outcome


def _operation(call: Call) -> Operation:
    if call.path != "/":
        raise errors.ApiNotFound
    if call.method not in METHODS:
        raise errors.UnsupportedHttpMethod

    return operations.find(call.version, call.action)


def _struck(rule: Rule, origin: Origin, answer: Answer) -> Answer:
    """What a fault makes of the answer of a call that acted."""
    given = origin.fault(rule)
    if not given.status:
        gone = {"status": 0, "code": ""} if rule.kind in _NEVER_SENT else {}
        return dataclasses.replace(answer, damage=rule, **gone)  # type: ignore[arg-type]

    return dataclasses.replace(
        given,
        damage=rule,
        session=answer.session,
        changed=answer.changed,
    )


_NEVER_SENT = {Kind.DROP_BEFORE, Kind.DROP_AFTER, Kind.HANG}


def _spoiled(rule: Rule, outcome: Outcome) -> Outcome:
    """What a fault makes of the body of ListDelivery; other bodies have no products."""
    data = outcome.body.get("Data")
    if not isinstance(data, dict) or "ProductList" not in data:
        return outcome
    match rule.kind:
        case Kind.EMPTY_PRODUCT_LIST:
            products: object = []
        case Kind.NULL_MAPS:
            products = [_without_logs(product) for product in data["ProductList"]]
        case _:
            return outcome

    return Outcome(body={**outcome.body, "Data": {**data, "ProductList": products}})


def _without_logs(product: Mapping[str, object]) -> dict[str, object]:
    match product:
        case {"LogMap": {**groups}}:
            return {**product, "LogMap": dict.fromkeys(groups)}
        case _:
            return {**product, "LogList": None}
