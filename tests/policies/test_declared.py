from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.model import (
    DECLARABLE,
    Delivery,
    DeliveryKey,
    OnRemove,
    Perspective,
    Region,
    State,
    View,
)
from cloud_siem.properties import GateBag, inputs_of
from cloud_siem_policies import declared
from cloud_siem_policies.declared import DELIVERY, GATE, Bare, Entry, Gate
from tests.conftest import HERE

URN = "urn:pulumi:prod::cloud-siem::cloud-siem:index:AccountDeliveries$pulumi-python:dynamic/"
CODES = st.from_regex(r"[A-Za-z0-9_.-]{1,20}", fullmatch=True)
PERSPECTIVES = st.builds(
    Perspective,
    account=st.from_regex(r"[0-9]{16}", fullmatch=True),
    region=st.sampled_from(Region),
    view=st.sampled_from(View),
    member=st.none() | st.from_regex(r"[0-9]{16}", fullmatch=True),
)
FLAGS = st.tuples(
    CODES, st.none() | CODES, st.sampled_from(DECLARABLE), st.booleans(), st.sampled_from(OnRemove)
)


@given(
    perspective=PERSPECTIVES,
    said=st.lists(FLAGS, unique_by=lambda one: one[:2], max_size=8),
    tags=st.dictionaries(CODES, CODES, max_size=3),
)
def test_a_gate_is_read_as_the_program_wrote_it(
    perspective: Perspective,
    said: list[tuple[str, str | None, State, bool, OnRemove]],
    tags: dict[str, str],
) -> None:
    """The pack does not import what writes the gate: this holds the two together."""
    deliveries = tuple(
        Delivery(
            key=DeliveryKey(perspective=perspective, product=product, log=log),
            state=state,
            protect=protect,
            on_remove=on_remove,
            reason="CHG-1, open: too loud" if state is State.CLOSED else "",
        )
        for product, log, state, protect, on_remove in said
    )
    bag = GateBag(perspective=perspective, stack="prod", deliveries=deliveries, tags=tags).write()

    gate = declared.read(GATE, f"{URN}cloud-siem:Gate::gate", json.loads(json.dumps(bag)))

    assert isinstance(gate, Gate)
    assert (gate.stack, gate.tags, gate.view) == ("prod", tags, perspective.view.value)
    assert str(gate.perspective) == str(perspective), "both speak of it in the same words"
    assert gate.entries == {
        one.key.entry: Entry(open=one.state is State.OPEN, protected=one.protect)
        for one in deliveries
    }


@pytest.mark.parametrize(
    ("words", "entry"),
    [
        ("open", Entry(open=True)),
        ("closed", Entry(open=False)),
        ("partial", Entry(open=False)),
        ("open, protected, kept", Entry(open=True, protected=True)),
        ("open, kept, new word", Entry(open=True)),
        ("closed, protected: CHG-1, open, too loud", Entry(open=False, protected=True)),
    ],
)
def test_of_an_entrys_words_only_state_and_protection_count(words: str, entry: Entry) -> None:
    """The gate may have more to say than a policy asks for; a reason may say anything."""
    bag = {"account": "1" * 16, "region": "cn-hangzhou", "view": "account", "sas/x": words}
    gate = declared.read(GATE, URN, bag)

    assert isinstance(gate, Gate)
    assert gate.entries == {"sas/x": entry}


@given(perspective=PERSPECTIVES, said=FLAGS)
def test_a_guarded_delivery_is_read_as_its_gate_tells_of_it(
    perspective: Perspective, said: tuple[str, str | None, State, bool, OnRemove]
) -> None:
    product, log, state, protect, _ = said
    key = DeliveryKey(perspective=perspective, product=product, log=log)
    one = Delivery(key=key, state=state, protect=protect)
    told = GateBag(perspective=perspective, stack="prod", deliveries=(one,)).write()
    bag = told | {"product": product, "log": key.log_word, "state": state.value, "guarded": True}
    gate = declared.read(GATE, URN, told)

    shown = declared.read(DELIVERY, URN, inputs_of(bag | {"protect": protect}))

    assert isinstance(gate, Gate)
    assert isinstance(shown, declared.Delivery)
    assert gate.having(shown) == gate


def test_a_delivery_without_a_gate_has_the_name_of_its_resource() -> None:
    shown = declared.read(DELIVERY, f"{URN}cloud-siem:LogDelivery::a/b", {"view": "enterprise"})

    assert isinstance(shown, Bare)
    assert (shown.stack, shown.name, shown.view) == ("prod", "a/b", "enterprise")


def test_what_is_not_ours_is_left_alone() -> None:
    assert declared.read("aws:s3/bucket:Bucket", "urn:pulumi:prod::x::y::z", {}) is None


NAMES = st.builds("{}/{}".format, CODES, CODES | st.just("*"))


@given(name=NAMES, other=NAMES, product=CODES)
def test_one_delivery_covers_another_as_the_provider_has_it(
    name: str, other: str, product: str
) -> None:
    """The same rule, on names."""
    pairs = [
        (one, two)
        for one in (name, f"{product}/x", f"{product}/*")
        for two in (other, f"{product}/y", f"{product}/*")
    ]

    for one, two in pairs:
        assert declared.covers(one, two) is key(one).covers(key(two))
        assert declared.overlaps(one, two) is key(one).overlaps(key(two))


def key(name: str) -> DeliveryKey:
    product, _, log = name.partition("/")
    return DeliveryKey(perspective=HERE, product=product, log=None if log == "*" else log)
