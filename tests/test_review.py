from __future__ import annotations

from typing import Any

import pytest

from cloud_siem.errors import PlanError, RefusedError, StackError
from cloud_siem.model import Delivery, DeliveryKey, OnRemove, State
from cloud_siem.properties import GateBag, inputs_of, perspective_bag
from cloud_siem.review import Effect, Review, review_plan
from tests.conftest import HERE

OPEN, CLOSED = State.OPEN, State.CLOSED
TYPE = "pulumi-python:dynamic/cloud-siem:"
Plan = dict[str, Any]


def delivery(name: str, state: State = OPEN, **more: Any) -> Delivery:
    product, _, log = name.partition("/")
    key = DeliveryKey(perspective=HERE, product=product, log=log or None)
    return Delivery(key=key, state=state, **more)


def recorded(one: Delivery, *, retained: bool = False) -> Plan:
    """A delivery as the engine's plan has it."""
    bag = perspective_bag(HERE) | {
        "product": one.key.product,
        "log": one.key.log_word,
        "state": one.state.value,
        "reason": one.reason or None,
    }
    inputs = inputs_of(bag)
    return {
        "type": f"{TYPE}LogDelivery",
        "inputs": inputs,
        "outputs": inputs | {"adopted": one.adopted},
        "retainOnDelete": retained,
    }


def plan_of(before: list[Delivery], after: list[Delivery], **config: str) -> Plan:
    """What the engine prints of an update from one to the other, each under its own name."""
    old = {one.key.name: recorded(one, retained=one.on_remove is OnRemove.KEEP) for one in before}
    new = {one.key.name: recorded(one) for one in after}
    gate = GateBag(perspective=HERE, stack="dev", deliveries=tuple(after)).write()
    steps: list[Plan] = [{"op": "update", "newState": {"type": f"{TYPE}Gate", "inputs": gate}}]
    for name in sorted({*old, *new}):
        op = "delete" if name not in new else "update" if name in old else "create"
        steps.append({"op": op, "oldState": old.get(name), "newState": new.get(name)})
    values = {f"cloud-siem:{key}": value for key, value in config.items()}
    return {"config": values, "steps": [{"op": "same", "newState": {"type": "other"}}, *steps]}


def review(before: list[Delivery], after: list[Delivery], **config: str) -> Review:
    return review_plan(plan_of(before, after, **config), {})


def told(found: Review) -> list[str]:
    return [one.sentence for one in found.changes]


def test_what_an_update_does_is_told_in_sentences_what_closes_first() -> None:
    before = [
        delivery("oss/a"),
        delivery("oss/b", CLOSED),
        delivery("sas/a"),
        delivery("sas/b", on_remove=OnRemove.KEEP),
        delivery("waf", State.PARTIAL),
    ]
    after = [
        delivery("oss/a", CLOSED, reason="CHG-1"),
        delivery("oss/b"),
        delivery("rds/a"),
        delivery("rds/b", adopted=True),
        delivery("waf"),
    ]

    assert told(review(before, after)) == [
        "oss/a closes: it is open, declared closed, for the reason CHG-1",
        "sas/a closes: its entry is removed",
        "oss/b opens: it is closed, declared open",
        "rds/a opens: it is new here",
        "rds/b is adopted: it is open already, and new here; nothing is written",
        "sas/b is forgotten: its entry is removed, with onRemove: keep; it stays open",
        "waf opens: it is partial, declared open",
    ]


def test_a_product_is_split_and_single_logs_are_joined() -> None:
    """What is declared in another place stays open; what nothing declares any more closes."""
    whole, single = [delivery("waf")], [delivery("waf/a")]

    assert told(review(whole, single))[0] == (
        "waf closes: all its logs but those that are declared singly now"
    )
    joined = review(single, whole)
    assert [one.effect for one in joined.changes] == [Effect.OPENS, Effect.MOVED]
    assert joined.of(Effect.CLOSES) == ()


def test_what_is_recorded_closed_or_unchanged_is_not_told() -> None:
    same = [delivery("oss/a"), delivery("oss/b", CLOSED)]

    assert review(same, same).changes == ()
    assert review([delivery("oss/b", CLOSED)], []).changes == ()


def test_a_new_entry_that_is_declared_closed_may_close_something() -> None:
    """The plan has nothing of the account, so it is told and counted as a close."""
    (change,) = review([], [delivery("oss/a", CLOSED)]).changes

    assert change.sentence == (
        "oss/a closes: it is declared closed, and new here: it may be open now"
    )


def test_products_that_go_fully_dark_are_named() -> None:
    before = [delivery("oss/a"), delivery("oss/b"), delivery("waf"), delivery("sas/a")]
    kept = delivery("sas/a", on_remove=OnRemove.KEEP)

    assert review(before, [delivery("oss/b")]).dark == ("sas", "waf")
    assert review([*before[:3], kept], [delivery("oss/b")]).dark == ("waf",)


def test_each_close_has_the_line_that_undoes_it() -> None:
    found = review([delivery("oss/a"), delivery("waf"), delivery("sas/a")], [delivery("sas/a")])

    assert [one.undo for one in found.changes] == ["oss: {a: open}", 'waf: {"*": open}']
    assert review([], [delivery("oss/a")]).changes[0].undo == ""


def test_the_limit_is_that_of_the_stack_and_of_the_environment() -> None:
    """One rule with the gate: the same sentence, the same way out."""
    before = [delivery(f"oss/{n}", adopted=n == 0) for n in range(8)]
    after = before[6:]

    assert review(before, after).refusal == (
        "6 deliveries would close, of a stack that has 8 open; cloud-siem:closeLimit is 5. 1 of"
        " them was open before this stack had it. To close: oss/0, oss/1, oss/2, oss/3, oss/4,"
        " oss/5. To allow it for one run, set CLOUD_SIEM_CLOSE_LIMIT=6."
    )
    assert review(before, after, closeLimit="75%").refusal == ""
    assert review_plan(plan_of(before, after), {"CLOUD_SIEM_CLOSE_LIMIT": "6"}).refusal == ""
    assert "last open log" in review(before[:1], []).refusal


def test_a_plan_of_another_stack_or_an_empty_one_changes_nothing() -> None:
    """The engine leaves the steps out where there are none."""
    assert review_plan({"steps": [], "config": {"aws:region": "x"}}, {}).changes == ()
    assert review_plan({}, {}).changes == ()


@pytest.mark.parametrize(
    "plan",
    [
        *([], "x", None, {"steps": {}}, {"steps": [1]}),
        *({"config": "x"}, {"config": ["a:b"]}, {"diagnostics": 5}),
    ],
)
def test_what_is_no_plan_is_refused(plan: object) -> None:
    with pytest.raises(PlanError):
        review_plan(plan, {})


def test_a_step_that_cannot_be_read_is_named() -> None:
    """An older or newer version of this project, or a hand that has been at it."""
    plan = plan_of([delivery("oss/a")], [])
    del plan["steps"][2]["oldState"]["inputs"]["account"]

    with pytest.raises(PlanError, match=r"steps\[2\] is not a step of this project: .*account"):
        review_plan(plan, {})


@pytest.mark.parametrize("spoiled", ["x", 5, ["inputs"], {"inputs": "x"}, {"inputs": {}}, {}])
@pytest.mark.parametrize("at", [1, 2])
def test_a_step_of_another_shape_is_named(spoiled: object, at: int) -> None:
    """The gate's, and a delivery's."""
    plan = plan_of([delivery("oss/a")], [delivery("oss/a", CLOSED)])
    state = plan["steps"][at]["newState"]
    plan["steps"][at]["oldState"] = {
        "type": state["type"],
        "inputs": state["inputs"],
        "outputs": {},
    }
    plan["steps"][at]["oldState" if spoiled else "newState"] = spoiled or {"type": state["type"]}

    with pytest.raises(PlanError, match=rf"steps\[{at}\] is not a step of this project"):
        review_plan(plan, {})


@pytest.mark.parametrize("field", ["product", "log", "state", "region"])
def test_a_delivery_that_lacks_what_it_is_is_named(field: str) -> None:
    plan = plan_of([delivery("oss/a")], [])
    del plan["steps"][2]["oldState"]["inputs"][field]

    with pytest.raises(PlanError, match=r"steps\[2\] is not a step of this project"):
        review_plan(plan, {})


def test_a_failed_preview_is_not_reviewed() -> None:
    """What it shows is not whole; a guard rail's refusal is told as one."""
    failed = {"diagnostics": [{"severity": "error", "message": "boom\n"}, {"severity": "info"}]}
    refused = {"diagnostics": [{"severity": "error", "message": "6 ... Nothing was closed."}]}

    with pytest.raises(
        PlanError, match="the preview failed, and what it shows is not whole:\nboom"
    ):
        review_plan(failed, {})
    with pytest.raises(RefusedError, match="Nothing was closed"):
        review_plan(refused, {})


def test_faulty_settings_in_the_plan_are_told() -> None:
    with pytest.raises(StackError, match="closeLimit"):
        review([], [], closeLimit="many")
