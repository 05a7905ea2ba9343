from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    Log,
    Perspective,
    Region,
    Snapshot,
    Standing,
    State,
    View,
    by_name,
    closable,
    judge,
)

ACCOUNT = "1130916744880000"
MEMBER = "1234567890123456"
HERE = Perspective(account=ACCOUNT, region=Region.CN_HANGZHOU)
NOON = datetime(2025, 10, 9, 12, tzinfo=UTC)


def key(product: str, log: str | None = None, perspective: Perspective = HERE) -> DeliveryKey:
    return DeliveryKey(perspective=perspective, product=product, log=log)


def snapshot(**states: State) -> Snapshot:
    """A snapshot of logs named ``product__log``."""
    logs = []
    for name, state in sorted(states.items()):
        product, log = name.split("__")
        logs.append(Log(product=product, log=log, state=state, operable=True))
    return Snapshot(perspective=HERE, logs=tuple(logs), taken_at=NOON)


def closed(seen: Snapshot, written: DeliveryKey) -> Snapshot:
    """What the account shows after a close."""
    logs = (
        replace(log, state=State.CLOSED) if written.covers(key(log.product, log.log)) else log
        for log in seen.logs
    )
    return replace(seen, logs=tuple(logs))


# --- keys -----------------------------------------------------------------------------------------


def test_a_key_has_an_id_and_a_name() -> None:
    """Both stand in state files: changing them would make every resource a new one."""
    member = Perspective(
        account=ACCOUNT, region=Region.AP_SOUTHEAST_1, view=View.ENTERPRISE, member=MEMBER
    )

    assert key("sas", "a").id == f"{ACCOUNT}/cn-hangzhou/account/-/sas/a"
    assert key("waf").id == f"{ACCOUNT}/cn-hangzhou/account/-/waf/*"
    assert key("waf", None, member).id == f"{ACCOUNT}/ap-southeast-1/enterprise/{MEMBER}/waf/*"
    assert key("sas", "a").name == "sas/a"
    assert key("waf").name == "waf"


def test_a_key_tells_itself_to_people() -> None:
    """With who looks, and only what is not the usual case."""
    member = replace(HERE, view=View.ENTERPRISE, member=MEMBER)

    assert str(key("sas", "a")) == f"sas/a (account {ACCOUNT}, cn-hangzhou)"
    assert str(key("waf", None, member)) == (
        f"waf (account {ACCOUNT}, cn-hangzhou, enterprise view, member {MEMBER})"
    )


def test_the_owner_of_a_log_is_the_member_where_there_is_one() -> None:
    """The administrator's credentials, the member's switches."""
    assert HERE.owner == ACCOUNT
    assert replace(HERE, member=MEMBER).owner == MEMBER


def test_values_cannot_be_changed() -> None:
    """They move between threads and are compared later."""
    delivery = Delivery(key=key("waf"), state=State.OPEN)

    with pytest.raises(FrozenInstanceError):
        delivery.state = State.CLOSED  # type: ignore[misc]


def test_a_whole_product_comes_before_its_logs() -> None:
    """The one order in which deliveries are shown."""
    keys = [key("waf", "b"), key("sas", "z"), key("waf"), key("waf", "a")]

    assert [one.name for one in sorted(keys, key=by_name)] == ["sas/z", "waf", "waf/a", "waf/b"]


PERSPECTIVES = st.builds(
    Perspective,
    account=st.sampled_from([ACCOUNT, MEMBER]),
    region=st.sampled_from(Region),
    view=st.sampled_from(View),
    member=st.sampled_from([None, ACCOUNT, MEMBER]),
)
KEYS = st.builds(
    DeliveryKey,
    perspective=PERSPECTIVES,
    product=st.sampled_from(["sas", "waf"]),
    log=st.sampled_from([None, "a", "b"]),
)


@given(KEYS, KEYS)
def test_ids_are_equal_exactly_when_keys_are(one: DeliveryKey, other: DeliveryKey) -> None:
    """No two deliveries share an id."""
    assert (one.id == other.id) is (one == other)


@given(KEYS, KEYS)
def test_two_keys_cover_each_other_exactly_when_they_switch_the_same(
    one: DeliveryKey, other: DeliveryKey
) -> None:
    """A whole product covers its logs; a log covers itself alone."""
    assert one.covers(one)
    assert (one.covers(other) and other.covers(one)) is (one.switch == other.switch)
    assert one.overlaps(other) is other.overlaps(one)
    if one.log is not None and other.log is None:
        assert not one.covers(other)


@given(KEYS, KEYS, KEYS)
def test_covering_is_handed_on(one: DeliveryKey, other: DeliveryKey, third: DeliveryKey) -> None:
    """What covers a cover covers what is covered."""
    if one.covers(other) and other.covers(third):
        assert one.covers(third)


@pytest.mark.parametrize(
    ("other", "overlap"),
    [
        (replace(HERE, view=View.ENTERPRISE), True),
        (Perspective(account=MEMBER, region=Region.CN_HANGZHOU, member=ACCOUNT), True),
        (replace(HERE, member=MEMBER), False),
        (replace(HERE, region=Region.AP_SOUTHEAST_1), False),
        (replace(HERE, account=MEMBER), False),
    ],
)
def test_whoever_looks_a_log_is_its_owner_s(other: Perspective, overlap: bool) -> None:
    """Whether views share their switches is unverified; guards against the dark say they do."""
    assert key("waf").overlaps(key("waf", "a", other)) is overlap


# --- snapshots ------------------------------------------------------------------------------------


def test_a_snapshot_finds_logs_and_products() -> None:
    """A key of a whole product is about all its logs."""
    seen = snapshot(sas__a=State.OPEN, sas__b=State.CLOSED, waf__c=State.OPEN)

    assert [log.log for log in seen.find(key("sas"))] == ["a", "b"]
    assert [log.log for log in seen.find(key("sas", "b"))] == ["b"]
    assert seen.find(key("sas", "c")) == seen.find(key("oss")) == ()


def test_the_state_of_a_delivery() -> None:
    """Open, closed, some of both, or not listed at all."""
    seen = snapshot(sas__a=State.OPEN, sas__b=State.CLOSED, waf__c=State.OPEN)

    assert seen.state_of(key("sas", "a")) is State.OPEN
    assert seen.state_of(key("sas", "b")) is State.CLOSED
    assert seen.state_of(key("sas")) is State.PARTIAL
    assert seen.state_of(key("waf")) is State.OPEN
    assert seen.state_of(key("oss")) is None


LOGS = st.dictionaries(
    st.sampled_from([f"{product}__{log}" for product in ("sas", "waf") for log in "abcd"]),
    st.sampled_from([State.OPEN, State.CLOSED]),
)
SNAPSHOTS = LOGS.map(lambda states: snapshot(**states))
KEYS_HERE = st.builds(
    key, st.sampled_from(["sas", "waf", "oss"]), st.sampled_from([None, "a", "b", "c", "d"])
)
DECLARED = st.sampled_from([State.OPEN, State.CLOSED])


# --- verdicts -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("declared", "about", "standing", "sentence"),
    [
        (State.OPEN, key("sas", "a"), Standing.AS_DECLARED, "sas/a is open, as declared"),
        (State.CLOSED, key("sas", "a"), Standing.DRIFTED, "sas/a is open, declared closed"),
        (State.OPEN, key("sas", "b"), Standing.DRIFTED, "sas/b is closed, declared open"),
        (
            State.OPEN,
            key("sas"),
            Standing.DRIFTED,
            "sas is partial, declared open: b is closed, c is closed",
        ),
        (
            State.CLOSED,
            key("sas"),
            Standing.DRIFTED,
            "sas is partial, declared closed: a is open",
        ),
        (
            State.OPEN,
            key("oss", "a"),
            Standing.MISSING,
            "oss/a is not listed by the account, declared open",
        ),
        (State.OPEN, key("waf"), Standing.AS_DECLARED, "waf is open, as declared"),
    ],
)
def test_a_verdict_is_a_standing_and_a_sentence(
    declared: State, about: DeliveryKey, standing: Standing, sentence: str
) -> None:
    """Findings are worded here, and nowhere else."""
    seen = snapshot(sas__a=State.OPEN, sas__b=State.CLOSED, sas__c=State.CLOSED, waf__a=State.OPEN)
    verdict = judge(about, declared, seen)

    assert verdict.standing is standing
    assert verdict.sentence == sentence


@given(SNAPSHOTS, KEYS_HERE, DECLARED)
def test_a_delivery_is_as_declared_exactly_when_no_log_is_odd(
    seen: Snapshot, about: DeliveryKey, declared: State
) -> None:
    """One rule, seen from both sides."""
    verdict = judge(about, declared, seen)
    listed = seen.find(about)

    assert (verdict.standing is Standing.MISSING) is (not listed)
    assert (verdict.standing is Standing.DRIFTED) is bool(verdict.odd)
    assert set(verdict.odd) == {log for log in listed if log.state is not declared}


# --- what a removal may close ---------------------------------------------------------------------


def test_removing_what_nothing_else_declares_closes_it() -> None:
    """The usual case: one call, with the key that was removed."""
    seen = snapshot(sas__a=State.OPEN, waf__b=State.OPEN)

    assert closable(key("sas", "a"), [key("waf")], seen) == (key("sas", "a"),)
    assert closable(key("waf"), [], seen) == (key("waf"),)


def test_removing_what_is_declared_under_another_name_closes_nothing() -> None:
    """A resource that was renamed, or a log that its whole product covers now."""
    seen = snapshot(waf__a=State.OPEN)

    assert closable(key("waf", "a"), [key("waf", "a")], seen) == ()
    assert closable(key("waf", "a"), [key("waf")], seen) == ()
    assert closable(key("waf"), [key("waf")], seen) == ()


def test_removing_a_whole_product_spares_the_logs_that_are_declared_singly() -> None:
    """The others are closed one by one, those that are open."""
    seen = snapshot(waf__a=State.OPEN, waf__b=State.OPEN, waf__c=State.CLOSED, sas__d=State.OPEN)

    assert closable(key("waf"), [key("waf", "a")], seen) == (key("waf", "b"),)


def test_the_same_log_in_another_view_is_spared_too() -> None:
    """Whether views share their switches is unverified."""
    seen = snapshot(waf__a=State.OPEN)
    enterprise = replace(HERE, view=View.ENTERPRISE)

    assert closable(key("waf", "a"), [key("waf", "a", enterprise)], seen) == ()


@given(SNAPSHOTS, KEYS_HERE, st.lists(KEYS_HERE, max_size=4))
def test_a_removal_never_changes_what_is_declared(
    seen: Snapshot, removed: DeliveryKey, declared: list[DeliveryKey]
) -> None:
    """The rule behind: a delete never closes what this run still declares."""
    after = seen
    for one in closable(removed, declared, seen):
        after = closed(after, one)

    for still in declared:
        assert after.find(still) == seen.find(still)


@given(SNAPSHOTS, KEYS_HERE, st.lists(KEYS_HERE, max_size=4))
def test_a_removal_closes_all_that_it_may(
    seen: Snapshot, removed: DeliveryKey, declared: list[DeliveryKey]
) -> None:
    """What was removed and nobody declares is closed; nothing outside of it is touched."""
    after = seen
    for one in closable(removed, declared, seen):
        assert removed.covers(one)
        after = closed(after, one)

    for log in after.logs:
        about = key(log.product, log.log)
        if removed.covers(about) and not any(still.covers(about) for still in declared):
            assert log.state is State.CLOSED


@given(SNAPSHOTS, KEYS_HERE, st.lists(KEYS_HERE, max_size=4))
def test_a_removal_is_the_same_whatever_the_order(
    seen: Snapshot, removed: DeliveryKey, declared: list[DeliveryKey]
) -> None:
    """The engine runs deletes in any order."""
    there = closable(removed, declared, seen)

    assert there == closable(removed, list(reversed(declared)), seen)
    assert list(there) == sorted(there, key=by_name)
