"""On the wire: a call without a log code, which means every log, comes of the word "*" alone.

Whatever a program, another resource, or a state file that was edited by hand puts into the inputs.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pulumi.dynamic import CheckResult
from pulumi.output import UNKNOWN

from cloud_siem import provider
from cloud_siem.model import DECLARABLE, Delivery, DeliveryKey, State
from cloud_siem.process import Process
from cloud_siem.provider import LogDeliveryProvider, Shown
from cloud_siem.settings import CLOSE_WORD
from siem_emulator import EmulatorServer
from siem_emulator.calls import Received
from tests.conftest import ACCOUNT, ANY_CLOSE, HERE, FakeTime
from tests.edits import LOGS, small_world
from tests.harness import Harness, Program

DELIVERY = LogDeliveryProvider()
EVERY_LOG = "*"
REAL = [log for logs in LOGS.values() for log in logs]
UNGUARDED = {
    "CLOUD_SIEM_PREFLIGHT": "false",
    CLOSE_WORD: ",".join(f"{ACCOUNT}/{product}/*" for product in LOGS),
    **ANY_CLOSE,
}
"""Without the other rules, which would keep odd codes from the wire before this one does."""

Bag = dict[str, Any]
some = settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
few = settings(some, max_examples=60)


@pytest.fixture(scope="module")
def small() -> Iterator[EmulatorServer]:
    """Three products, seven logs."""
    with EmulatorServer(small_world()) as server:
        yield server


def begin_anew(siem: EmulatorServer) -> dict[str, str]:
    """One product open, one closed, one partly open; returns how a process reaches it."""
    siem.reset()
    siem.switch("cfw", state="open")
    siem.switch("oss", "cloud_siem_oss_access_log", state="open")
    siem.calls.clear()

    return {"CLOUD_SIEM_ENDPOINT": siem.url, "CLOUD_SIEM_REQUEST_RATE": "100000"} | UNGUARDED


# --- odd inputs ----------------------------------------------------------------------------------

BLANKS = ["", " ", "\t", "\n", "\v", "\x00", "\x1c", "\x85", "\xa0", "\u2003", "\u200b", "\ufeff"]
NEARLY = ["**", "\uff0a", "%2A", "*&LogCode=", "LogCode=", "&", "null", "None", "False", "[]", "{}"]
texts = st.one_of(
    st.sampled_from([*REAL, EVERY_LOG, *BLANKS, *NEARLY]),
    st.builds(str.__add__, st.sampled_from(BLANKS), st.sampled_from([EVERY_LOG, *REAL])),
    st.builds(str.__add__, st.sampled_from([EVERY_LOG, *REAL]), st.sampled_from(BLANKS)),
    st.text(max_size=5),
)
values = st.one_of(
    texts,
    st.sampled_from([None, UNKNOWN, False, True, 0, 1, 0.0, 1.5, b"", b"*"]),
    st.lists(texts, max_size=2),
    st.dictionaries(texts, texts, max_size=2),
)
logs = st.one_of(st.sampled_from(REAL), st.just(EVERY_LOG), *[values] * 2)
states = st.sampled_from([one.value for one in DECLARABLE])


@st.composite
def bags(draw: st.DrawFn) -> Bag:
    """Inputs of a delivery somewhere; its log is anything, or not there."""
    place = {"account": ACCOUNT, "region": "cn-hangzhou", "view": "account", "stack": "dev"}
    product = draw(st.one_of(*[st.sampled_from(sorted(LOGS))] * 6, values))
    some = st.fixed_dictionaries(
        {"state": states}, optional={"log": logs, "guarded": st.just(True)}
    )

    return {**place, "product": product, **draw(some)}


@dataclass(frozen=True)
class Step:
    """One thing that the engine does with a resource."""

    verb: str
    bag: Bag
    before: Bag
    """What was recorded of it."""


@st.composite
def steps(draw: st.DrawFn) -> Step:
    bag = draw(bags())
    other = st.fixed_dictionaries({"state": states}, optional={"log": logs})
    verbs = ["declare", "change", "create", "update", "read", "delete"]

    return Step(draw(st.sampled_from(verbs)), bag, bag | draw(other))


def declaring(**inputs: str) -> Step:
    """A new resource of these inputs."""
    place = {"account": ACCOUNT, "region": "cn-hangzhou", "view": "account", "stack": "dev"}

    return Step("declare", place | inputs, {})


def opened(product: str, log: str | None = None) -> Delivery:
    key = DeliveryKey(perspective=HERE, product=product, log=log)

    return Delivery(key=key, state=State.OPEN)


def take(step: Step) -> None:
    """Take one step; what a verb tells a person ends it."""
    with contextlib.suppress(Shown):
        match step.verb:
            case "declare":
                if inputs := passed(DELIVERY.check({}, dict(step.bag))):
                    DELIVERY.create(inputs)
            case "change":
                if inputs := passed(DELIVERY.check(step.before, dict(step.bag))):
                    DELIVERY.update("id", step.before, inputs)
            # The others have inputs that no check has seen.
            case "create":
                DELIVERY.create(dict(step.bag))
            case "update":
                DELIVERY.update("id", step.before, dict(step.bag))
            case "read":
                DELIVERY.read("id", dict(step.bag))
            case "delete":
                DELIVERY.delete("id", dict(step.bag))


def passed(checked: CheckResult) -> Bag | None:
    return None if checked.failures else checked.inputs


# --- what must be true ---------------------------------------------------------------------------


def hold(calls: list[Received], product: object, logs: set[object], seen: Counter[str]) -> None:
    """Hold the writes that resources of this product and these logs brought about."""
    for call in calls:
        if call.action not in ("OpenDelivery", "CloseDelivery"):
            continue
        assert call.product == str(product)
        seen[call.action] += 1
        if call.parameters.get("LogCode", "").strip():
            # Of a removed product the logs that nothing declares are closed one by one.
            assert call.log in logs or (EVERY_LOG in logs and call.log in REAL)
            seen["single"] += 1
        else:
            assert "LogCode" not in call.parameters, "absent, and never blank"
            assert EVERY_LOG in logs
            seen["whole"] += 1


KINDS = ("single", "whole", "OpenDelivery", "CloseDelivery")


def test_no_input_but_the_word_for_it_brings_about_a_call_without_a_log_code(
    small: EmulatorServer,
) -> None:
    """Through check, create, update, read and delete, with whatever stands in the inputs."""
    seen: Counter[str] = Counter()

    @some
    @given(story=st.lists(steps(), min_size=2, max_size=6))
    @example(
        story=[
            declaring(product="waf", log=EVERY_LOG, state="open"),
            declaring(product="cfw", log="cloud_siem_cfw_flow", state="closed"),
        ]
    )
    def live_through(story: list[Step]) -> None:
        environ = begin_anew(small)
        provider.begin(Process({}, environ, folder=Path("/"), clock=FakeTime().clock))
        for step in story:
            small.calls.clear()
            take(step)
            text = step.bag.get("log")
            hold(
                small.calls.all(), step.bag["product"], {text} if type(text) is str else set(), seen
            )

    try:
        live_through()
    finally:
        provider.begin(None)

    assert all(seen[kind] for kind in KINDS), "else nothing was held"


def test_a_stack_of_odd_codes_brings_about_none_either(small: EmulatorServer) -> None:
    """Through the gate and the bookend: an update, one of other codes in their place, the end."""
    seen: Counter[str] = Counter()
    real = st.sampled_from([(product, log) for product in LOGS for log in (None, *LOGS[product])])
    odd = st.tuples(st.sampled_from(sorted(LOGS)), texts)
    declared = st.builds(
        lambda place, state: Delivery(
            key=DeliveryKey(perspective=HERE, product=place[0], log=place[1]), state=state
        ),
        st.one_of(*[real] * 4, odd),
        st.sampled_from(DECLARABLE),
    )
    stacks = st.lists(declared, min_size=1, max_size=3, unique_by=lambda one: one.key.name)

    @few
    @given(before=stacks, after=stacks)
    @example(before=[opened("waf")], after=[opened("oss", "cloud_siem_oss_delete_log")])
    def live_through(before: list[Delivery], after: list[Delivery]) -> None:
        environ = begin_anew(small)
        harness = Harness(environ=environ, clock=FakeTime().clock)
        for one in (before, after):
            harness.up(Program(perspective=HERE, deliveries=tuple(one)))
        harness.destroy()
        for product in LOGS:
            keys = [one.key for one in (*before, *after) if one.key.product == product]
            calls = [call for call in small.calls.all() if call.product == product]
            hold(calls, product, {key.log_word for key in keys}, seen)

    live_through()

    assert all(seen[kind] for kind in KINDS), "else nothing was held"
