from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem import properties
from cloud_siem.errors import RefusedError
from cloud_siem.model import (
    DECLARABLE,
    Delivery,
    DeliveryKey,
    Log,
    OnRemove,
    Perspective,
    Region,
    Snapshot,
    State,
    View,
)
from cloud_siem.properties import GateBag
from tests.conftest import AUDIT, HERE, PROC, WAF

IDS = st.from_regex(r"[0-9]{16}", fullmatch=True)
CODES = st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True)
PERSPECTIVES = st.builds(
    Perspective,
    account=IDS,
    region=st.sampled_from(Region),
    view=st.sampled_from(View),
    member=st.none() | IDS,
)
KEYS = st.builds(DeliveryKey, perspective=PERSPECTIVES, product=CODES, log=st.none() | CODES)
ENTRIES = st.builds("{}/{}".format, CODES, CODES | st.just("*"))
STATES = st.sampled_from(DECLARABLE)


def bag_of(key: DeliveryKey, state: State, **more: object) -> dict[str, object]:
    """A bag as a program writes it: everything is there, unset or not."""
    return {
        "account": key.perspective.account,
        "region": key.perspective.region.value,
        "view": key.perspective.view.value,
        "member": key.perspective.member,
        "product": key.product,
        "log": key.log or "*",
        "state": state.value,
        **more,
    }


# --- one delivery --------------------------------------------------------------------------------


@given(key=KEYS, state=STATES, protect=st.booleans(), guarded=st.booleans())
def test_a_delivery_survives_the_way_through_the_engine(
    key: DeliveryKey, state: State, protect: bool, guarded: bool
) -> None:
    written = properties.inputs_of(
        bag_of(key, state, protect=protect, guarded=guarded, stack="prod")
    )
    back = json.loads(json.dumps(written))

    assert properties.key_of(back) == key
    assert properties.state_of(back) is state
    assert properties.stack_of(back) == "prod"
    assert properties.perspective_of(back) == key.perspective
    assert bool(back.get("protect")) is protect
    assert bool(back.get("guarded")) is guarded


@given(key=KEYS, state=STATES, protect=st.booleans(), seed=st.integers())
def test_the_normal_form_does_not_depend_on_order_or_on_what_is_unset(
    key: DeliveryKey, state: State, protect: bool, seed: int
) -> None:
    bag = bag_of(key, state, protect=protect, stack="prod", guarded=None)
    shuffled = list(bag.items())
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - no secret depends on it
    sparse = {name: value for name, value in shuffled if value not in (None, False)}

    normal = properties.inputs_of(bag)

    assert list(properties.inputs_of(sparse).items()) == list(normal.items())
    assert properties.inputs_of(normal) == normal
    assert None not in normal.values()
    assert False not in normal.values()


@pytest.mark.parametrize("log", [None, "", " ", 0, False, [], {}])
def test_a_log_that_is_not_there_never_means_every_log(log: object) -> None:
    bag = bag_of(PROC, State.OPEN) | {"log": log}

    for read in (properties.key_of, properties.inputs_of):
        with pytest.raises(RefusedError, match="sas: the log code is missing"):
            read(bag)
        with pytest.raises(RefusedError, match="sas: the log code is missing"):
            read({name: value for name, value in bag.items() if name != "log"})


def test_outputs_of_a_read_have_the_same_normal_form_as_the_inputs() -> None:
    inputs = properties.inputs_of(bag_of(PROC, State.OPEN, stack="prod"))
    outputs = inputs | {"project": "p", "logstore": "l", "topic": "t", "adopted": True}

    assert properties.inputs_of(outputs) == inputs


def test_the_normal_form_has_no_other_fields_than_those_that_are_compared() -> None:
    full = bag_of(
        PROC,
        State.CLOSED,
        reason="CHG-1",
        protect=True,
        stack="prod",
        guarded=True,
        member="1" * 16,
    )

    assert set(properties.inputs_of(full)) == set(properties.INPUT_FIELDS)
    assert not set(properties.INPUT_FIELDS) & set(properties.OUTPUT_FIELDS)


# --- differences ---------------------------------------------------------------------------------


@given(key=KEYS, state=STATES)
def test_what_is_alike_does_not_differ(key: DeliveryKey, state: State) -> None:
    bag = bag_of(key, state, protect=False)

    assert properties.differ(properties.inputs_of(bag), properties.inputs_of(bag)) == []


@pytest.mark.parametrize("field", [f for f in properties.INPUT_FIELDS if f != "stack"])
def test_every_field_but_the_stack_makes_a_difference(field: str) -> None:
    before = properties.inputs_of(bag_of(PROC, State.OPEN))

    assert properties.differ(before, before | {field: "another"}) == [field]
    assert properties.differ(before | {field: "another"}, before) == [field]


def test_another_name_of_the_stack_is_no_difference() -> None:
    before = properties.inputs_of(bag_of(PROC, State.OPEN, stack="prod"))

    assert properties.differ(before, before | {"stack": "production"}) == []


def test_only_the_fields_asked_for_are_compared() -> None:
    before = properties.inputs_of(bag_of(PROC, State.OPEN))
    after = before | {"state": "closed", "region": "ap-southeast-1"}

    assert properties.differ(before, after, properties.KEY_FIELDS) == ["region"]


# --- the gate ------------------------------------------------------------------------------------


DELIVERIES = st.builds(
    lambda product, log, **said: Delivery(
        key=DeliveryKey(perspective=HERE, product=product, log=log), **said
    ),
    product=CODES,
    log=st.none() | CODES,
    state=STATES,
    protect=st.booleans(),
    on_remove=st.sampled_from(OnRemove),
    reason=st.sampled_from(["", "CHG-1", "kept, protected: open"]),
    adopted=st.booleans(),
)


@given(
    deliveries=st.lists(DELIVERIES, unique_by=lambda one: one.key.id, max_size=8),
    tags=st.dictionaries(CODES, st.text(), max_size=3),
    closing=st.dictionaries(ENTRIES, st.integers(0, 3), max_size=3),
    on_remove=st.sampled_from(OnRemove),
)
def test_what_the_gate_is_told_it_reads_back(
    deliveries: list[Delivery],
    tags: dict[str, str],
    closing: dict[str, int],
    on_remove: OnRemove,
) -> None:
    """Through JSON, and through the engine, to which every number is a floating-point one."""
    gate = GateBag(
        perspective=HERE,
        stack="prod",
        deliveries=tuple(deliveries),
        tags=tags,
        closing=closing,
        on_remove=on_remove,
    )
    written = gate.write()
    back = GateBag.read(json.loads(json.dumps(written), parse_int=float))

    assert set(back.deliveries) == set(deliveries)
    assert (back.perspective, back.stack, back.tags) == (HERE, "prod", tags)
    assert (back.closing, back.on_remove) == (closing, on_remove)
    assert all(isinstance(runs, int) for runs in back.closing.values())
    assert back.states == {one.key: one.state for one in deliveries}
    assert back.write() == written, "reading and writing again changes nothing"


@given(perspective=PERSPECTIVES)
def test_an_empty_gate_is_read_back_too(perspective: Perspective) -> None:
    gate = GateBag(perspective=perspective, stack="", deliveries=())

    assert GateBag.read(gate.write()) == gate


def test_the_gate_names_each_delivery_in_words_for_people() -> None:
    kept = Delivery(key=WAF, state=State.CLOSED, protect=True, on_remove=OnRemove.KEEP)
    plain = Delivery(key=PROC, state=State.OPEN)

    bag = GateBag(perspective=HERE, stack="prod", deliveries=(kept, plain)).write()

    assert bag["waf/*"] == "closed, protected, kept"
    assert bag["sas/cloud_siem_aegis_proc"] == "open"
    assert "tags" not in bag, "what is not set is not there"
    said = replace(plain, state=State.CLOSED, reason="CHG-1: loud, noisy")
    assert written(said) == "closed: CHG-1: loud, noisy"
    assert written(replace(plain, adopted=True)) == "open, adopted"


def written(delivery: Delivery) -> object:
    """Its words in the bag of a gate."""
    bag = GateBag(perspective=HERE, stack="prod", deliveries=(delivery,)).write()
    return bag[delivery.key.entry]


def test_the_gate_keeps_the_word_adopted_while_the_state_is_the_same() -> None:
    """The program does not say it; what was closed in between is the stack's own."""
    gate = GateBag(perspective=HERE, stack="", deliveries=(Delivery(key=PROC, state=State.OPEN),))
    before = gate.adopting([PROC])
    closed = replace(gate, deliveries=(Delivery(key=PROC, state=State.CLOSED),))

    assert before.deliveries[0].adopted
    assert gate.carrying(before) == before
    assert gate.carrying(gate) == gate
    assert closed.carrying(before) == closed
    assert gate.carrying(closed) == gate
    assert gate.carrying(gate.emptied()) == gate


def snapshot(**states: State) -> Snapshot:
    """What an account shows of these logs of waf."""
    logs = tuple(
        Log(product="waf", log=log, state=state, operable=True)
        for log, state in sorted(states.items())
    )
    return Snapshot(perspective=HERE, logs=logs, taken_at=datetime(2025, 10, 9, tzinfo=UTC))


def test_a_refresh_has_the_gate_record_what_the_account_shows() -> None:
    """Other states in the place of the declared ones; what is not listed stays with its flags."""
    flow, alert = (replace(WAF, log=log) for log in ("flow", "alert"))
    unlisted = Delivery(key=PROC, state=State.OPEN, adopted=True, protect=True)
    gate = GateBag(
        perspective=HERE,
        stack="",
        deliveries=(
            unlisted,
            Delivery(key=WAF, state=State.CLOSED, reason="CHG-1", protect=True),
            Delivery(key=flow, state=State.OPEN, adopted=True, protect=True),
            Delivery(key=alert, state=State.CLOSED),
        ),
    )
    seen = gate.as_seen(snapshot(alert=State.OPEN, flow=State.CLOSED))

    assert seen.deliveries == (
        unlisted,
        Delivery(key=WAF, state=State.PARTIAL, protect=True),
        Delivery(key=flow, state=State.CLOSED, protect=True),
        Delivery(key=alert, state=State.OPEN),
    )
    assert GateBag.read(seen.write()).states == seen.states
    assert gate.as_seen(snapshot()) == gate


# --- what is still to be closed ------------------------------------------------------------------


def closing(**runs: int) -> GateBag:
    """A gate that has authorized these logs of waf to close so many runs ago."""
    entries = {f"waf/{log}".replace("all", "*"): ago for log, ago in runs.items()}
    return GateBag(perspective=HERE, stack="", deliveries=(), closing=entries)


def waf(log: str | None) -> DeliveryKey:
    return replace(WAF, log=log)


def test_nothing_is_to_be_closed_where_the_bag_does_not_say_so() -> None:
    """An older bag has no such key, and an empty one is not written."""
    bag = closing().write()

    assert properties.CLOSING not in bag
    assert properties.closing_of(bag) == properties.closing_of({"closing": None}) == {}
    assert closing(a=0).write() == bag | {"closing": {"waf/a": 0}}


def test_what_is_still_to_be_closed_has_the_keys_of_its_entries() -> None:
    assert closing(b=0, all=2).unfinished == (
        Delivery(key=waf(None), state=State.OPEN),
        Delivery(key=waf("b"), state=State.OPEN),
    )


def test_what_an_update_closes_begins_at_zero_runs() -> None:
    """Also what an earlier one was to close already."""
    gate = closing().authorizing([waf("a"), waf("b")], [waf("b")], {"waf/b": 2})

    assert gate.closing == {"waf/a": 0, "waf/b": 0}


def test_what_stays_open_is_carried_along_for_three_runs() -> None:
    """Then a person has to name it: it may have been opened again since."""
    gate, seen = closing(a=0), []
    while gate.closing:
        gate = gate.authorizing([], [waf("a")], gate.closing)
        seen.append(gate.closing)

    assert seen == [{"waf/a": 1}, {"waf/a": 2}, {"waf/a": 3}, {}]


def test_what_was_seen_closed_is_no_longer_carried_along() -> None:
    assert closing(a=0, b=1).authorizing([], [], {"waf/a": 0, "waf/b": 1}).closing == {}


def test_a_refresh_keeps_what_is_still_open_to_be_closed() -> None:
    """Part of a product counts as open; what is not listed, or closed, is done with."""
    gate = closing(a=1, b=0, gone=0, all=2)

    assert gate.as_seen(snapshot(a=State.OPEN, b=State.CLOSED)).closing == {"waf/a": 1, "waf/*": 2}
    assert gate.as_seen(snapshot(a=State.CLOSED, b=State.CLOSED)).closing == {}


# --- the settled bookend -------------------------------------------------------------------------


def test_the_digest_changes_with_every_fact_and_never_with_the_order() -> None:
    log, whole = Delivery(key=PROC, state=State.OPEN), Delivery(key=WAF, state=State.CLOSED)
    digest = properties.written_digest

    facts = digest([log, whole], {PROC.name: "R-1", WAF.name: ""})
    assert digest([whole, log], {WAF.name: "", PROC.name: "R-1"}) == facts
    assert len(facts) == 64
    others = [
        digest([log, whole], {PROC.name: "R-2", WAF.name: ""}),
        digest([log, whole], {WAF.name: ""}),
        digest([replace(log, state=State.CLOSED), whole], {PROC.name: "R-1", WAF.name: ""}),
        digest([replace(log, key=AUDIT), whole], {AUDIT.name: "R-1", WAF.name: ""}),
        digest([log], {PROC.name: "R-1", WAF.name: ""}),
        digest([], {}),
    ]
    assert len({facts, *others}) == 7
