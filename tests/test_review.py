"""What a plan opens and closes, and whether the guardrails allow it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cloud_siem import guard
from cloud_siem.codes import Code, codes_in
from cloud_siem.errors import PlanError, Refusal, RefusedError, StackError
from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    Log,
    OnRemove,
    Perspective,
    Snapshot,
    State,
)
from cloud_siem.properties import GateBag, inputs_of, perspective_bag, write_entries
from cloud_siem.review import Effect, Look, Review, review_plan
from cloud_siem.settings import CLOSE_WORD, LAST_LOG_WORD, Settings
from tests.conftest import ACCOUNT, HERE

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


def step(op: str, kind: str, old: Plan | None, new: Plan | None) -> Plan:
    """One step; a bag of inputs stands for a state."""
    states = [
        {"type": f"{TYPE}{kind}", "inputs": bag, "outputs": bag} if bag else None
        for bag in (old, new)
    ]
    return {"op": op, "oldState": states[0], "newState": states[1]}


def plan_of(
    before: list[Delivery],
    after: list[Delivery],
    *,
    gate: bool = True,
    opened: Collection[str] = (),
    spared: Collection[str] = (),
    sames: bool = False,
    **config: str,
) -> Plan:
    """What the engine prints of an update from one to the other, each under its own name.

    Args:
        before: What is recorded.
        after: What is declared.
        gate: Whether there is a gate, which authorizes every removed and every closed entry.
        opened: The new closed entries under which the gate found something open.
        spared: The removed entries that the gate leaves open, since another stack declares them.
        sames: Whether the plan has steps for what stays the same (``--show-sames``).
        config: The stack's settings.
    """
    old = {one.key.name: recorded(one, retained=one.on_remove is OnRemove.KEEP) for one in before}
    new = {one.key.name: recorded(one) for one in after}
    steps: list[Plan] = [{"op": "same", "newState": {"type": "other"}}]
    if gate:
        states = {one.key: one.state for one in before}
        closing = [
            key
            for key in guard.closing_entries(before, after)
            if key.name not in spared and (key in states or key.name in opened)
        ]
        was = GateBag(perspective=HERE, stack="dev", deliveries=tuple(before))
        now = replace(was, deliveries=tuple(after)).authorizing(closing, (), {})
        if not before:
            steps.append(step("create", "Gate", None, now.write()))
        elif sames or was != now:
            op = "same" if was == now else "update"
            steps.append(step(op, "Gate", was.write(), now.write()))
    for name in sorted({*old, *new}):
        one, other = old.get(name), new.get(name)
        same = one is not None and other is not None and one["inputs"] == other["inputs"]
        op = "delete" if not other else "same" if same else "update" if one else "create"
        if sames or not same:
            steps.append({"op": op, "oldState": one, "newState": other})
    values = {f"cloud-siem:{key}": value for key, value in config.items()}
    return {"config": values, "steps": steps}


def destroying(before: list[Delivery]) -> Plan:
    """What ``pulumi destroy --preview-only --json`` prints."""
    gate = GateBag(perspective=HERE, stack="dev", deliveries=tuple(before)).write()
    settled = perspective_bag(HERE) | {"stack": "dev", "deliveries": write_entries(before)}
    plan = plan_of(before, [], gate=False)
    return plan | {
        "steps": [
            step("delete", "Settled", settled, None),
            *plan["steps"],
            step("delete", "Gate", gate, None),
        ]
    }


def review(before: list[Delivery], after: list[Delivery], **more: Any) -> Review:
    return review_plan(plan_of(before, after, **more), {})


def told(found: Review) -> list[str]:
    return [one.sentence for one in found.changes]


def account(**opened: tuple[str, ...]) -> Look:
    """An account that lists these logs, all open."""
    logs = tuple(
        Log(product=product, log=log, state=OPEN, operable=True)
        for product, codes in opened.items()
        for log in codes
    )
    snapshot = Snapshot(perspective=HERE, logs=logs, taken_at=datetime(2025, 10, 9, tzinfo=UTC))
    return lambda _perspective, _settings: snapshot


# --- what a plan does -----------------------------------------------------------------------------


def test_what_an_update_does_is_told_in_sentences_what_closes_first() -> None:
    before = [
        delivery("oss/a"),
        delivery("oss/b", CLOSED),
        delivery("sas/a"),
        delivery("sas/b", on_remove=OnRemove.KEEP),
        delivery("sas/c"),
        delivery("waf", State.PARTIAL),
    ]
    after = [
        delivery("oss/a", CLOSED, reason="CHG-1"),
        delivery("oss/b"),
        delivery("rds/a"),
        delivery("rds/b", adopted=True),
        delivery("waf"),
    ]

    assert told(review(before, after, spared=["sas/c"])) == [
        "oss/a closes: it is open, declared closed, for the reason CHG-1",
        "sas/a closes: its entry is removed",
        "oss/b opens: it is closed, declared open",
        "rds/a opens: it is new here",
        "rds/b is adopted: it is open already, and new here; nothing is written",
        "sas/b is forgotten: its entry is removed, with onRemove: keep; it stays open",
        "sas/c is released: its gate does not close it: another stack declares it open",
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


def test_a_new_entry_that_is_declared_closed_closes_what_its_gate_found_open() -> None:
    """Without a gate nothing in the plan knows of the account, so it is told as a close."""
    after = [delivery("oss/a", CLOSED)]

    (change,) = review([], after, opened=["oss/a"]).changes
    assert change.sentence == (
        "oss/a closes: it is declared closed, and new here: it may be open now"
    )
    assert review([], after).changes == ()
    assert [one.effect for one in review([], after, gate=False).changes] == [Effect.CLOSES]


def test_products_that_go_fully_dark_are_named() -> None:
    before = [delivery("oss/a"), delivery("oss/b"), delivery("waf"), delivery("sas/a")]
    kept = delivery("sas/a", on_remove=OnRemove.KEEP)

    assert review(before, [delivery("oss/b")]).dark == ("sas", "waf")
    assert review([*before[:3], kept], [delivery("oss/b")]).dark == ("waf",)


def test_a_product_of_which_something_stays_open_is_not_dark() -> None:
    """Declared, kept, or declared by another stack."""
    before = [delivery("oss/a"), delivery("sas/a"), delivery("waf/a"), delivery("waf/b")]
    kept = [delivery("oss/b", on_remove=OnRemove.KEEP), delivery("sas/b")]

    assert review([*before, *kept], before[3:], spared=["sas/b"]).dark == ()


def test_each_close_has_the_block_of_its_product_that_undoes_it() -> None:
    """As it was, with what stays and with its flags; the gate knows them all."""
    before = [
        delivery("oss/a"),
        delivery("oss/b", protect=True),
        delivery("oss/c", CLOSED, reason="CHG-1"),
        delivery("waf"),
    ]
    found = review(before, before[1:3])

    block = "oss:\n  a: open\n  b: {state: open, protect: true}"
    assert [one.undo for one in found.changes] == [
        f"{block}\n  c: {{state: closed, reason: 'CHG-1'}}",
        'waf:\n  "*": open',
    ]
    assert review([], [delivery("oss/a")]).changes[0].undo == ""


def test_what_stays_the_same_makes_no_difference() -> None:
    """The engine prints no step for it unless it is asked to; the gate has every entry."""
    before = [delivery(f"oss/{n}") for n in range(9)]
    plans = [plan_of(before, before[1:], sames=sames) for sames in (False, True)]

    assert len(plans[0]["steps"]) < len(plans[1]["steps"])
    assert review_plan(plans[0], {}) == review_plan(plans[1], {})
    assert review_plan(plans[0], {}).refusal == ""
    assert review_plan(plans[0], {}).dark == ()


# --- how many logs --------------------------------------------------------------------------------


def test_logs_are_counted_and_not_entries() -> None:
    """All logs of a product are counted by a look; without one the number is not known."""
    before = [delivery("oss/a"), delivery("oss/b"), delivery("waf")]
    plan = plan_of(before, [])

    assert review_plan(plan, {}).logs is None
    assert review_plan(plan, {}, account(oss=("a",), waf=("x", "y", "z"))).logs == 4
    assert review(before[:2], []).logs == 2
    assert review(before, before).logs == 0


def test_no_account_is_read_where_the_plan_says_all() -> None:
    """The gate has looked at the preview."""

    def look(_perspective: Perspective, _settings: Settings) -> Snapshot:
        raise AssertionError("the account was read")

    before = [delivery("oss/a"), delivery("waf")]
    assert review_plan(plan_of(before, before[1:]), {}, look).logs == 1
    assert review_plan(plan_of(before, [*before, delivery("sas")]), {}, look).logs == 0


# --- whether it is allowed ------------------------------------------------------------------------


def test_what_a_gate_has_authorized_is_not_judged_again() -> None:
    """It has counted all, with what no plan shows; a preview that it refuses has failed."""
    many = [delivery(f"oss/{n}") for n in range(9)]

    assert review(many, many[:1]).refusal == ""
    assert review(many, []).codes == ()


def test_a_delete_that_no_gate_authorizes_is_refused_unless_it_is_named() -> None:
    """As the update would do: it is asked only when it runs."""
    before = [delivery("oss/a"), delivery("waf")]
    plan = plan_of(before, [], gate=False)

    found = review_plan(plan, {})
    assert found.codes == codes_in(found.refusal) == (Code.NOT_AUTHORIZED,)
    assert [one.key.name for one in found.of(Effect.CLOSES)] == ["oss/a", "waf"]
    one = {CLOSE_WORD: f"{ACCOUNT}/oss/a"}
    assert "waf" in review_plan(plan, one).refusal
    assert "oss/a" not in review_plan(plan, one).refusal
    assert review_plan(plan, {CLOSE_WORD: f"{ACCOUNT}/oss/a,{ACCOUNT}/waf/*"}).refusal == ""
    limit = {"CLOUD_SIEM_CLOSE_LIMIT": "9"}
    assert review_plan(plan, limit).codes == (Code.NOT_AUTHORIZED,)


def test_an_update_of_a_delivery_without_a_gate_was_asked_at_the_preview() -> None:
    """By its own check, which has both sides."""
    assert review([delivery("oss/a")], [delivery("oss/a", CLOSED)], gate=False).refusal == ""


def test_a_destroy_is_judged_as_its_settled_resource_will_judge_it() -> None:
    """No provider is asked at its preview: with a look at the account every broken rule is told."""
    before = [delivery(f"oss/{n}", protect=n == 0) for n in range(6)]
    plan = destroying(before)
    look = account(oss=tuple(map(str, range(6))))

    found = review_plan(plan, {}, look)
    assert found.codes == (Code.PROTECTED, Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG)
    assert found.logs == 6
    unprotected = destroying([replace(one, protect=False) for one in before])
    words = {"CLOUD_SIEM_CLOSE_LIMIT": "6", LAST_LOG_WORD: f"{ACCOUNT}/oss/*"}
    assert review_plan(unprotected, words, look).codes == ()
    more = account(oss=tuple(map(str, range(6))), sas=("x",))
    assert review_plan(unprotected, {"CLOUD_SIEM_CLOSE_LIMIT": "6"}, more).codes == ()


def test_without_a_look_it_is_not_known_whether_a_destroy_is_allowed() -> None:
    """It is said so; neither allowed nor refused."""
    found = review_plan(destroying([delivery("oss/a")]), {})

    assert found.refusal == ""
    assert "not known" in found.unknown
    assert review([delivery("oss/a")], []).unknown == ""


# --- what is no plan, or not a whole one ----------------------------------------------------------


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


def diagnostic(message: str, kind: str = f"{TYPE}Gate") -> Plan:
    return {
        "severity": "error",
        "urn": f"urn:pulumi:dev::cloud-siem::{kind}::x",
        "message": message,
    }


def test_a_failed_preview_is_not_reviewed() -> None:
    """What it shows is not whole."""
    failed = {"diagnostics": [diagnostic("boom\n"), {"severity": "info"}]}

    with pytest.raises(
        PlanError, match="the preview failed, and what it shows is not whole:\nboom"
    ):
        review_plan(failed, {})


def test_a_preview_that_our_resources_refused_has_all_their_codes() -> None:
    limit = Refusal(code=Code.CLOSE_LIMIT, message="6 logs would close.", remedy="Close fewer.")
    kept = Refusal(
        code=Code.PROTECTED, message="It is protected.", listed=("  close oss/a",), remedy="Wait."
    )
    refused = {"diagnostics": [diagnostic(f"{limit}\n{kept}\n"), diagnostic("boom")]}

    with pytest.raises(RefusedError) as caught:
        review_plan(refused, {})
    assert str(caught.value) == f"{limit}\n{kept}"
    assert Review.of_refused(caught.value).codes == (Code.CLOSE_LIMIT, Code.PROTECTED)


def test_a_code_that_somebody_else_prints_is_no_refusal() -> None:
    """Such as the program: then the preview has failed, and nothing more is known."""
    for kind in ("pulumi:pulumi:Stack", "pulumi-python:dynamic/other:Gate"):
        printed = {"diagnostics": [diagnostic(f"no. {Code.CLOSE_LIMIT}", kind)]}
        with pytest.raises(PlanError):
            review_plan(printed, {})


def test_faulty_settings_in_the_plan_are_told() -> None:
    with pytest.raises(StackError, match="closeLimit"):
        review([], [], closeLimit="many")
