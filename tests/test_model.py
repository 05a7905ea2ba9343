from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    KeyIndex,
    Log,
    Perspective,
    Region,
    Snapshot,
    Standing,
    State,
    View,
    by_name,
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


# --- keys by what they switch ---------------------------------------------------------------------


@given(st.lists(KEYS, max_size=6), KEYS)
def test_an_index_answers_as_asking_each_key_would(
    keys: list[DeliveryKey], about: DeliveryKey
) -> None:
    """Whatever views and accounts the keys have, and however they came in."""
    index = KeyIndex(keys[:3])
    for one in keys[3:]:
        index.add(one)

    assert index.covers(about) is any(one.covers(about) for one in keys)
    assert index.overlaps(about) is any(one.overlaps(about) for one in keys)


def test_the_same_log_in_another_view_is_the_same_switch() -> None:
    """Whether views share their switches is unverified: for closing they are taken to."""
    index = KeyIndex([key("waf", "a", replace(HERE, view=View.ENTERPRISE))])

    assert index.covers(key("waf", "a"))
    assert not index.covers(key("waf", "b"))
    assert not index.covers(key("waf"))
    assert index.overlaps(key("waf"))
    assert not KeyIndex().overlaps(key("waf"))
