"""A close from its ticket to the look that shows it, and what stops a run in the middle."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cloud_siem.closing import FRESH_S, Closer, DeclarationScope
from cloud_siem.codes import Code, codes_in
from cloud_siem.errors import ApiError, CloudSiemError, RefusedError, SettleError, StoppedError
from cloud_siem.guard import Closing, Closings, Conflict
from cloud_siem.kinds import CloseLimit
from cloud_siem.model import Delivery, DeliveryKey, State
from cloud_siem.other_stacks import Claim, OtherStacks
from cloud_siem.session import Session
from cloud_siem.settings import LogName
from cloud_siem.tickets import Tickets
from siem_emulator import EmulatorServer
from tests.conftest import AUDIT, HERE, PROC, FakeTime, api_at

OPEN, CLOSED = State.OPEN, State.CLOSED
FLOW = DeliveryKey(perspective=HERE, product="waf", log="cloud_siem_waf_flow")
ALERT = DeliveryKey(perspective=HERE, product="waf", log="cloud_siem_waf_alert")
WAF = DeliveryKey(perspective=HERE, product="waf")


def named(*keys: DeliveryKey) -> frozenset[LogName]:
    return frozenset(map(LogName.of, keys))


def by_hand(siem: EmulatorServer, key: DeliveryKey, state: State) -> None:
    """Switch in the console."""
    siem.switch(key.product, str(key.log), state=state.value)


def closer_at(
    siem: EmulatorServer,
    *opened: DeliveryKey,
    others: OtherStacks | None = None,
    declared_closed: Callable[[DeliveryKey], bool] = lambda _: False,
    fake: FakeTime | None = None,
    **settings: Any,
) -> Closer:
    """Of an account in which these logs are open beside that of actiontrail."""
    for key in opened:
        by_hand(siem, key, OPEN)
    siem.calls.clear()
    session = Session(api_at(siem.url, fake=fake, **settings))
    return Closer(session, Tickets(), lambda: others or OtherStacks(), declared_closed)


def closings(*keys: DeliveryKey) -> list[Closing]:
    return [Closing(key=key, entry=key) for key in keys]


def writes(siem: EmulatorServer) -> list[str]:
    return [
        f"{call.action.removesuffix('Delivery').lower()} {call.product}/{call.log or '*'}"
        for call in siem.calls.all()
        if call.action in ("OpenDelivery", "CloseDelivery")
    ]


def actions(siem: EmulatorServer) -> list[str]:
    return [call.action for call in siem.calls.all()]


def refused(act: Callable[[], object]) -> tuple[Code, ...]:
    """Why something is refused."""
    with pytest.raises(RefusedError) as caught:
        act()
    codes = codes_in(str(caught.value))
    assert codes == tuple(dict.fromkeys(one.code for one in caught.value.refusals))
    return codes


LOOK = ["GetCallerIdentity", "ListDelivery"]


# --- one close ------------------------------------------------------------------------------------


def test_a_close_is_shown_by_the_account_before_it_is_done(siem: EmulatorServer) -> None:
    closer = closer_at(siem, FLOW)
    assert closer.authorize(closings(FLOW)) == ()
    siem.configure(lag_ms=200)

    request_id = closer.close(FLOW)
    assert request_id == siem.calls_of("CloseDelivery")[0].request_id
    assert closer.session.look().state_of(FLOW) is CLOSED
    assert actions(siem)[:3] == [*LOOK, "CloseDelivery"]
    assert closer.tickets.closed(HERE) == {FLOW: request_id}


def test_without_a_ticket_nothing_is_called(siem: EmulatorServer) -> None:
    closer = closer_at(siem, FLOW)

    assert refused(lambda: closer.close(FLOW)) == (Code.NOT_AUTHORIZED,)
    assert actions(siem) == LOOK


def test_all_logs_of_a_product_need_a_ticket_each(siem: EmulatorServer) -> None:
    """One call closes them; with one ticket missing it is not made."""
    closer = closer_at(siem, FLOW, ALERT)
    closer.authorize(closings(FLOW))

    assert refused(lambda: closer.close(WAF)) == (Code.NOT_AUTHORIZED,)
    assert writes(siem) == []
    closer.authorize(closings(ALERT))
    closer.close(WAF)
    assert writes(siem) == ["close waf/*"]


def test_what_is_closed_already_is_not_called(siem: EmulatorServer) -> None:
    assert closer_at(siem).close(FLOW) == ""
    assert actions(siem) == LOOK


def test_a_ticket_is_for_one_call(siem: EmulatorServer, fake: FakeTime) -> None:
    """What somebody opens again meanwhile stays open."""
    closer = closer_at(siem, FLOW, fake=fake)
    closer.authorize(closings(FLOW))
    closer.close(FLOW)
    by_hand(siem, FLOW, OPEN)
    fake.at += FRESH_S + 1

    assert refused(lambda: closer.close(FLOW)) == (Code.NOT_AUTHORIZED,)
    assert writes(siem) == ["close waf/cloud_siem_waf_flow"]


@pytest.mark.parametrize("scope", DeclarationScope)
def test_a_refusal_says_how_to_name_the_logs_whatever_the_run_has_seen(
    siem: EmulatorServer, scope: DeclarationScope
) -> None:
    closer = closer_at(siem, FLOW, ALERT)
    closer.widen_scope(scope)

    with pytest.raises(RefusedError) as caught:
        closer.close(WAF)
    names = ",".join(f"{HERE.account}/waf/{key.log}" for key in (ALERT, FLOW))
    assert f"CLOUD_SIEM_CLOSE={names}" in str(caught.value)


def test_a_scope_is_never_taken_back(siem: EmulatorServer) -> None:
    """Deliveries come after their gate, and know of a part alone."""
    closer = closer_at(siem)
    for scope in (DeclarationScope.PARTIAL, DeclarationScope.FULL, DeclarationScope.PARTIAL):
        closer.widen_scope(scope)

    assert closer.scope is DeclarationScope.FULL


# --- a person's word and what an earlier run left over --------------------------------------------


def test_a_named_log_closes_within_the_limits(siem: EmulatorServer) -> None:
    closer = closer_at(siem, FLOW, closes=named(FLOW))
    closer.close(FLOW)
    assert writes(siem) == ["close waf/cloud_siem_waf_flow"]

    none = CloseLimit(number=0)
    limited = closer_at(siem, FLOW, closes=named(FLOW), close_limit=none)
    assert refused(lambda: limited.close(FLOW)) == (Code.CLOSE_LIMIT,)
    assert writes(siem) == []


def test_a_named_log_is_not_the_last_to_close(siem: EmulatorServer) -> None:
    closer = closer_at(siem, closes=named(AUDIT))

    assert refused(lambda: closer.close(AUDIT)) == (Code.LAST_OPEN_LOG,)
    assert writes(siem) == []


def test_a_name_does_not_close_what_another_stack_declares_open(siem: EmulatorServer) -> None:
    others = OtherStacks(claims=(Claim(stack="prod", file="x", key=WAF),))
    closer = closer_at(siem, FLOW, others=others, closes=named(FLOW))

    assert closer.claimed(FLOW) == "prod"
    assert refused(lambda: closer.close(FLOW)) == (Code.DECLARED_ELSEWHERE,)
    assert writes(siem) == []


def test_while_other_stack_files_are_unknown_only_what_is_named_is_authorized(
    siem: EmulatorServer,
) -> None:
    others = OtherStacks(unknown=("x.yaml: it cannot be read",))
    closer = closer_at(siem, FLOW, ALERT, others=others, closes=named(FLOW))

    [refusal] = closer.authorize(closings(FLOW, ALERT))
    assert refusal.code is Code.SIBLINGS_UNKNOWN
    assert refusal.listed == (f"  close {ALERT.name}",)
    assert closer.authorize(closings(FLOW)) == ()
    closer.close(FLOW)
    assert writes(siem) == ["close waf/cloud_siem_waf_flow"]


def test_what_an_earlier_run_left_over_is_authorized_all_or_none(siem: EmulatorServer) -> None:
    """When the first of it is due."""
    two = CloseLimit(number=2)
    for limit, outcome in ((CloseLimit(number=1), [Code.CLOSE_LIMIT]), (two, [])):
        closer = closer_at(siem, FLOW, ALERT, close_limit=limit)
        closer.unfinished = Closings(logs=tuple(closings(ALERT, FLOW)))
        if outcome:
            assert list(refused(lambda: closer.close(ALERT))) == outcome  # noqa: B023
            assert writes(siem) == []
        else:
            closer.close(ALERT)
            assert closer.obtain(FLOW) == ()


def test_what_was_left_over_and_is_declared_open_elsewhere_is_a_conflict(
    siem: EmulatorServer,
) -> None:
    closer = closer_at(siem, FLOW)
    conflict = Conflict(key=FLOW, entry=FLOW, stack="prod")
    closer.unfinished = Closings(logs=tuple(closings(FLOW)), conflicts=(conflict,))

    assert refused(lambda: closer.close(FLOW)) == (Code.DECLARED_ELSEWHERE,)
    assert writes(siem) == []


def test_a_percentage_is_of_the_logs_that_are_open_under_the_record(siem: EmulatorServer) -> None:
    half = CloseLimit(number=50, percent=True)
    closer = closer_at(siem, FLOW, ALERT, close_limit=half)
    before = [Delivery(key=WAF, state=OPEN)]

    assert [one.code for one in closer.authorize(closings(FLOW, ALERT), before=before)] == [
        Code.CLOSE_LIMIT
    ]
    assert closer.authorize(closings(FLOW), before=before) == ()


# --- the last open log ----------------------------------------------------------------------------


def test_a_close_goes_by_a_look_that_is_fresh(siem: EmulatorServer, fake: FakeTime) -> None:
    """The gate may have looked long ago; another update has closed the other logs since."""
    closer = closer_at(siem, FLOW, fake=fake)
    assert closer.authorize(closings(FLOW)) == ()
    by_hand(siem, AUDIT, CLOSED)
    fake.at += FRESH_S + 1

    assert refused(lambda: closer.close(FLOW)) == (Code.LAST_OPEN_LOG,)
    assert writes(siem) == []


def test_within_that_time_the_look_is_shared(siem: EmulatorServer, fake: FakeTime) -> None:
    closer = closer_at(siem, FLOW, ALERT, fake=fake)
    closer.authorize(closings(FLOW, ALERT))
    closer.close(FLOW)
    closer.close(ALERT)

    assert actions(siem) == [*LOOK, *["CloseDelivery", "ListDelivery"] * 2]


def test_the_word_for_the_last_log_lets_it_close(siem: EmulatorServer) -> None:
    closer = closer_at(siem, last_logs=named(AUDIT))
    closer.authorize(closings(AUDIT))
    closer.close(AUDIT)

    assert siem.open_logs() == frozenset()


def test_two_updates_at_once_leave_a_log_open(siem: EmulatorServer) -> None:
    """Each sees the other's log open before its own close; one at least opens its own again."""
    first, second = closer_at(siem, FLOW), closer_at(siem, FLOW)
    first.authorize(closings(AUDIT))
    second.authorize(closings(FLOW))
    siem.fault("meet", action="CloseDelivery", parties=2)
    outcomes: list[CloudSiemError | None] = []

    def close(closer: Closer, key: DeliveryKey) -> None:
        try:
            closer.close(key)
            outcomes.append(None)
        except CloudSiemError as error:
            outcomes.append(error)

    threads = [
        threading.Thread(target=close, args=pair) for pair in ((first, AUDIT), (second, FLOW))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert siem.open_logs() != frozenset()
    stopped = [error for error in outcomes if error is not None]
    assert stopped
    for error in stopped:
        assert isinstance(error, StoppedError)
        assert set(codes_in(str(error))) <= {Code.STOPPED_LAST_OPEN_LOG, Code.UNEXPECTED_CLOSE}


def test_what_was_closed_last_is_opened_again_and_nothing_more_closes(
    siem: EmulatorServer,
) -> None:
    """When the service, or somebody else, has closed all the others in between."""
    closer = closer_at(siem, FLOW, PROC)
    closer.authorize(closings(FLOW, PROC))
    siem.fault("collateral", closes=["*/*"])

    assert Code.STOPPED_LAST_OPEN_LOG in refused(lambda: closer.close(FLOW))
    assert siem.open_logs() == {(FLOW.product, FLOW.log)}
    by_hand(siem, PROC, OPEN)
    assert Code.STOPPED_LAST_OPEN_LOG in refused(lambda: closer.close(PROC))
    assert writes(siem) == [f"close {FLOW.name}", f"open {FLOW.name}"]


def test_why_it_could_not_be_opened_again_is_reported(siem: EmulatorServer) -> None:
    closer = closer_at(siem, FLOW)
    closer.authorize(closings(FLOW))
    siem.fault("collateral", closes=["*/*"])
    siem.fault("error_mapping", action="OpenDelivery")

    with pytest.raises(StoppedError, match=r"Opening them again failed: OpenDelivery"):
        closer.close(FLOW)


# --- what nobody asked to close -------------------------------------------------------------------


def test_a_log_that_nobody_asked_to_close_stops_the_run(siem: EmulatorServer) -> None:
    """A call that closes more than it names; what was closed is said, and nothing more closes."""
    closer = closer_at(siem, FLOW, ALERT, PROC)
    closer.authorize(closings(FLOW, PROC))
    siem.fault("collateral", productCode="waf", closes=["waf/*"])

    with pytest.raises(StoppedError) as caught:
        closer.close(FLOW)
    text = str(caught.value)
    assert codes_in(text) == (Code.UNEXPECTED_CLOSE,)
    assert ALERT.name in text
    assert "It was closed." in text

    with pytest.raises(StoppedError, match=r"It was not closed\."):
        closer.close(PROC)
    assert writes(siem) == [f"close {FLOW.name}"]


@pytest.mark.parametrize("by", ["own", "other stack", "own call"])
def test_what_some_stack_file_declares_closed_does_not_stop_it(
    siem: EmulatorServer, by: str
) -> None:
    """Another update may close it at the same time."""
    closer = closer_at(
        siem,
        *(FLOW, ALERT),
        others=OtherStacks(closed=(ALERT,) if by == "other stack" else ()),
        declared_closed=lambda key: by == "own" and key == ALERT,
    )
    closer.authorize(closings(FLOW, ALERT))
    siem.fault("collateral", productCode="waf", closes=["waf/*"], times=1)

    if by == "own call":
        closer.tickets.send([ALERT])
    closer.close(FLOW)
    assert writes(siem) == [f"close {FLOW.name}"]


def test_before_this_run_closes_anything_it_watches_nothing(
    siem: EmulatorServer, fake: FakeTime
) -> None:
    """Somebody's console is none of its business."""
    closer = closer_at(siem, FLOW, ALERT, fake=fake)
    closer.authorize(closings(FLOW))
    by_hand(siem, ALERT, CLOSED)
    fake.at += FRESH_S + 1
    closer.close(FLOW)

    assert writes(siem) == [f"close {FLOW.name}"]


# --- failures -------------------------------------------------------------------------------------


def test_a_close_that_the_cloud_refuses_spends_its_ticket_and_counts_for_nothing(
    siem: EmulatorServer,
) -> None:
    closer = closer_at(siem, FLOW)
    closer.authorize(closings(FLOW))
    siem.fault("error_mapping", action="CloseDelivery", times=1)

    with pytest.raises(ApiError):
        closer.close(FLOW)
    assert closer.tickets.count == 0
    assert refused(lambda: closer.close(FLOW)) == (Code.NOT_AUTHORIZED,)


def test_a_close_that_is_never_shown_is_reported(siem: EmulatorServer, fake: FakeTime) -> None:
    closer = closer_at(siem, fake=fake, last_logs=named(AUDIT))
    closer.authorize(closings(AUDIT))
    siem.configure(lag_ms=60_000)

    with pytest.raises(SettleError, match="not shown by the account within"):
        closer.close(AUDIT)
    assert closer.tickets.is_closed(AUDIT)


# --- many at once ---------------------------------------------------------------------------------


def test_closes_side_by_side_share_their_looks(siem: EmulatorServer) -> None:
    """Each is called once, and far fewer looks are taken than two for each."""
    places = sorted(
        (product, log.code)
        for product, known in siem.world.catalog.products.items()
        for log in known.logs
        if product not in {*siem.world.first.not_connected, "bastionhost", "actiontrail"}
    )[:16]
    keys = [DeliveryKey(perspective=HERE, product=product, log=log) for product, log in places]
    closer = closer_at(siem, *keys, close_limit=CloseLimit(number=16))
    assert closer.authorize(closings(*keys)) == ()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(closer.close, keys))

    assert sorted(writes(siem)) == sorted(f"close {key.name}" for key in keys)
    assert siem.open_logs() == {(AUDIT.product, AUDIT.log)}
    assert len(siem.calls_of("ListDelivery")) <= 1 + 16
    assert closer.tickets.count == 16
