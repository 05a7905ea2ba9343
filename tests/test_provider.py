"""The verbs one by one, as the engine would call them."""

from __future__ import annotations

import base64
import json
import pickletools
import re
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic import CheckResult, Config, ConfigureRequest, ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider
from pulumi.output import UNKNOWN
from pulumi.runtime._serialization import _serialize

from cloud_siem import guard, properties, provider
from cloud_siem.codes import Code, codes_in
from cloud_siem.model import Delivery, DeliveryKey, OnRemove, State
from cloud_siem.pacing import Clock
from cloud_siem.process import Process
from cloud_siem.properties import KEY_FIELDS, GateBag
from cloud_siem.provider import GateProvider, LogDeliveryProvider, SettledProvider, Shown
from cloud_siem.settings import CLOSE_WORD
from siem_emulator import EmulatorServer
from tests.conftest import (
    ACCOUNT,
    ANY_CLOSE,
    AUDIT,
    HERE,
    MEMBER,
    OTHER_ACCOUNT,
    PROC,
    WAF,
    FakeTime,
)
from tests.harness import Program
from tests.projectfolder import ProjectFolder

DELIVERY, GATE, SETTLED = LogDeliveryProvider(), GateProvider(), SettledProvider()
FLOW = DeliveryKey(perspective=HERE, product="waf", log="cloud_siem_waf_flow")
ALERT = DeliveryKey(perspective=HERE, product="waf", log="cloud_siem_waf_alert")
PORC = "cloud_siem_aegis_porc"

Begin = Callable[..., None]
Bag = dict[str, Any]


@pytest.fixture
def begin(siem: EmulatorServer, tmp_path: Path) -> Iterator[Begin]:
    """Begin a provider process on the emulator; settings are those of the environment.

    The limits are lifted, since the account has one open log only; tickets are needed all the same.
    The project has no other stack file.
    """
    ProjectFolder(tmp_path).declare(Program(perspective=HERE), {})

    def new(*, clock: Clock | None = None, config: Bag | None = None, **settings: str) -> None:
        environ = {
            "CLOUD_SIEM_ENDPOINT": siem.url,
            "CLOUD_SIEM_REQUEST_RATE": "100000",
            **ANY_CLOSE,
        }
        siem.calls.clear()
        provider.begin(Process(config or {}, environ | settings, folder=tmp_path, clock=clock))

    new()
    yield new
    provider.begin(None)


def bag(key: DeliveryKey, state: str = "open", **more: object) -> Bag:
    """The inputs of a delivery."""
    seen = key.perspective
    inputs = {
        "account": seen.account,
        "region": seen.region.value,
        "view": seen.view.value,
        "member": seen.member,
        "product": key.product,
        "log": key.log or "*",
        "state": state,
        "stack": "dev",
    }
    return {name: value for name, value in (inputs | more).items() if value is not None}


def gate(*declared: tuple[DeliveryKey, State], protect: bool = False) -> Bag:
    """The inputs of the gate."""
    deliveries = (Delivery(key=key, state=state, protect=protect) for key, state in declared)
    return GateBag(perspective=HERE, stack="dev", deliveries=tuple(deliveries)).write()


def settled(written: object = "digest") -> Bag:
    """The inputs of the settled bookend."""
    inputs = {"account": ACCOUNT, "region": "cn-hangzhou", "view": "account", "stack": "dev"}
    return inputs | {"written": written}


def named(*keys: DeliveryKey) -> Bag:
    """The word by which a person names these for one run."""
    return {CLOSE_WORD: ",".join(guard.log_names(keys))}


def faults(result: CheckResult) -> dict[str, str]:
    return {one.property: one.reason for one in result.failures}


def actions(siem: EmulatorServer) -> list[str]:
    return [call.action for call in siem.calls.all()]


def writes(siem: EmulatorServer) -> list[tuple[str, str, str]]:
    """Action, product and log; without a log it is the whole product."""
    return [
        (call.action, call.product, call.log)
        for call in siem.calls.all()
        if call.action in ("OpenDelivery", "CloseDelivery")
    ]


def codes(result: CheckResult) -> list[Code]:
    """Why it is refused, in the order of the inputs."""
    return [code for one in result.failures for code in codes_in(one.reason)]


def refused(verb: Callable[[], object]) -> list[Code]:
    """Why a verb other than check is refused."""
    with pytest.raises(Shown) as caught:
        verb()
    return list(codes_in(str(caught.value)))


LOOK = ["GetCallerIdentity", "ListDelivery"]


# --- LogDelivery.check ---------------------------------------------------------------------------


@pytest.mark.usefixtures("begin")
def test_inputs_that_cannot_be_are_told_together_and_nothing_is_asked(siem: EmulatorServer) -> None:
    """Offline rules come first, each on its own input."""
    found = faults(DELIVERY.check({}, bag(PROC, "opne") | {"log": "", "account": "123"}))

    assert list(found) == ["account", "log", "state"]
    assert actions(siem) == []


@pytest.mark.usefixtures("begin")
def test_what_is_not_known_yet_is_let_through_and_the_rest_is_judged(siem: EmulatorServer) -> None:
    """Values that come from other resources are judged in the update."""
    unknown = {"account": UNKNOWN, "log": UNKNOWN}
    news = bag(PROC) | unknown

    assert DELIVERY.check({}, dict(news)).inputs == news
    assert faults(DELIVERY.check({}, dict(news))) == {}
    assert list(faults(DELIVERY.check({}, bag(PROC, "opne") | unknown))) == ["state"]
    assert actions(siem) == []


@pytest.mark.usefixtures("begin")
def test_a_key_that_the_update_alone_will_know_is_announced(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """At preview, with the way out: in the update it is too late."""
    DELIVERY.check(bag(PROC), bag(PROC) | {"log": UNKNOWN, "account": UNKNOWN})

    said = capsys.readouterr().out
    assert said.startswith("account, log of sas/cloud_siem_aegis_proc will be known in the update")
    assert codes_in(said) == (Code.KEY_CHANGED,)
    DELIVERY.check({}, bag(PROC) | {"log": UNKNOWN})
    DELIVERY.check(bag(PROC), bag(PROC) | {"reason": UNKNOWN})
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("begin")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", OTHER_ACCOUNT),
        ("region", "ap-southeast-1"),
        ("view", "enterprise"),
        ("member", MEMBER),
        ("product", "cfw"),
        ("log", "cloud_siem_aegis_dns"),
    ],
)
def test_a_key_never_changes_in_place(siem: EmulatorServer, field: str, value: str) -> None:
    """Each part of it is refused by name, with what it was and what it would become."""
    found = faults(DELIVERY.check(bag(PROC), bag(PROC) | {field: value}))

    assert list(found) == [field]
    assert f"(it was {bag(PROC).get(field, 'not set')}, and would become {value})" in found[field]
    assert codes_in(found[field]) == (Code.KEY_CHANGED,)
    assert field in KEY_FIELDS
    assert actions(siem) == []


@pytest.mark.usefixtures("begin")
def test_a_single_log_never_becomes_the_whole_product_in_place() -> None:
    """Losing its log code would make the next write close every log."""
    whole = bag(PROC) | {"log": "*"}
    lost = {name: value for name, value in bag(PROC).items() if name != "log"}

    assert "would become *" in faults(DELIVERY.check(bag(PROC), whole))["log"]
    assert "is missing" in faults(DELIVERY.check(bag(PROC), lost))["log"]


@pytest.mark.usefixtures("begin")
def test_the_checked_inputs_have_one_form() -> None:
    """What is not set is not there, in whatever order it comes."""
    unset = {"member": None, "protect": None, "guarded": None}
    news = dict(reversed((bag(WAF) | unset | {"protect": False, "topic": None}).items()))

    assert DELIVERY.check({}, news).inputs == bag(WAF)


@pytest.mark.usefixtures("begin")
def test_only_what_is_new_or_changed_is_compared_with_the_account(siem: EmulatorServer) -> None:
    """One look for all of them, however many ask at once; none for what stays."""
    assert faults(DELIVERY.check(bag(PROC), bag(PROC, protect=True))) == {}
    assert actions(siem) == []

    keys = [PROC, AUDIT, WAF, FLOW] * 10
    with ThreadPoolExecutor(16) as threads:
        results = list(threads.map(lambda key: DELIVERY.check({}, bag(key)), keys))

    assert [faults(result) for result in results] == [{}] * len(keys)
    assert actions(siem) == LOOK


@pytest.mark.usefixtures("begin")
@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"product": "ssa"}, "product", "did you mean sas?"),
        ({"log": PORC}, "log", "did you mean cloud_siem_aegis_proc?"),
        (
            {"product": "bastionhost", "log": "cloud_siem_bastionhost_event"},
            "state",
            "cannot be made open by this caller",
        ),
    ],
)
def test_a_live_fault_stands_on_the_input_at_fault(changes: Bag, field: str, said: str) -> None:
    """The engine shows it beside that input."""
    found = faults(DELIVERY.check({}, bag(PROC) | changes))

    assert list(found) == [field]
    assert said in found[field]


def test_without_preflight_nothing_is_asked_before_the_update(
    siem: EmulatorServer, begin: Begin
) -> None:
    """The setting is for those who may write and not look."""
    begin(CLOUD_SIEM_PREFLIGHT="false")

    assert faults(DELIVERY.check({}, bag(PROC) | {"log": PORC})) == {}
    assert faults(GATE.check({}, gate((PROC, State.OPEN)))) == {}
    assert actions(siem) == []


# --- LogDelivery.diff ----------------------------------------------------------------------------


@pytest.mark.usefixtures("begin")
def test_a_difference_is_in_the_inputs_and_never_replaces() -> None:
    """Outputs and the stack's name make none; a value that is not known yet may be one."""
    recorded = bag(PROC) | {"topic": "sas_proc", "request_id": "R", "adopted": False}

    def changes(**news: object) -> bool | None:
        found = DELIVERY.diff("id", recorded, bag(PROC) | news)
        assert found.replaces is None

        return found.changes

    assert changes() is False
    assert changes(stack="other") is False
    assert changes(state="closed") is True
    assert changes(protect=True) is True
    assert changes(log=UNKNOWN) is True


# --- LogDelivery.create, update ------------------------------------------------------------------


@pytest.mark.usefixtures("begin")
def test_creating_writes_what_is_missing_and_records_what_stays(siem: EmulatorServer) -> None:
    """One write, whose RequestId is recorded with what the account says of the log."""
    made = DELIVERY.create(bag(PROC))

    assert writes(siem) == [("OpenDelivery", "sas", "cloud_siem_aegis_proc")]
    assert made.id == f"{ACCOUNT}/cn-hangzhou/account/-/sas/cloud_siem_aegis_proc"
    assert made.outs == bag(PROC) | {
        "adopted": False,
        "request_id": siem.calls_of("OpenDelivery")[0].request_id,
        "project": f"aliyun-cloudsiem-data-{ACCOUNT}-cn-shanghai",
        "logstore": "cloud-siem",
        "topic": "sas_proc",
    }


@pytest.mark.usefixtures("begin")
@pytest.mark.parametrize(("key", "state"), [(AUDIT, "open"), (PROC, "closed"), (WAF, "closed")])
def test_creating_what_is_so_already_adopts_it(
    siem: EmulatorServer, key: DeliveryKey, state: str
) -> None:
    """It is recorded without a write."""
    made = DELIVERY.create(bag(key, state))

    assert (made.outs or {})["adopted"] is True
    assert (made.outs or {})["request_id"] == ""
    assert actions(siem) == LOOK


@pytest.mark.usefixtures("begin")
def test_a_whole_product_is_one_write_without_a_log(siem: EmulatorServer) -> None:
    """Half open is not open: it is opened as a whole, and has no topic of its own."""
    siem.switch("waf", "cloud_siem_waf_flow", state="open")
    made = DELIVERY.create(bag(WAF))

    assert writes(siem) == [("OpenDelivery", "waf", "")]
    assert (made.outs or {})["topic"] == ""
    assert (made.outs or {})["adopted"] is False


def test_a_write_that_closes_waits_until_the_account_shows_it(
    siem: EmulatorServer, begin: Begin
) -> None:
    """One that opens is left to the settled bookend."""
    siem.configure(lag_ms=100)
    begin(clock=Clock(chance=lambda: 0.1))

    assert faults(DELIVERY.check(bag(AUDIT), bag(AUDIT, "closed"))) == {}
    DELIVERY.update("id", bag(AUDIT), bag(AUDIT, "closed"))
    closed = actions(siem)
    siem.calls.clear()
    DELIVERY.create(bag(PROC))

    assert closed[:3] == [*LOOK, "CloseDelivery"]
    assert closed[3:] == ["ListDelivery"] * len(closed[3:])
    assert len(closed) > 3
    assert actions(siem) == ["OpenDelivery"]


def test_what_does_not_close_in_time_is_told(siem: EmulatorServer, begin: Begin) -> None:
    """The write was accepted, and the delivery is not taken for closed."""
    siem.configure(lag_ms=60_000)
    begin(clock=FakeTime().clock)
    DELIVERY.check(bag(AUDIT), bag(AUDIT, "closed"))

    with pytest.raises(Shown, match="written, and not shown by the account within 60 s"):
        DELIVERY.update("id", bag(AUDIT), bag(AUDIT, "closed"))


@pytest.mark.usefixtures("begin")
def test_updating_writes_a_new_state_and_nothing_else(siem: EmulatorServer) -> None:
    """A new flag asks nothing and leaves the outputs as they are; so does a state that the account
    has already, but for the look.
    """
    outputs = {"project": "p", "logstore": "l", "topic": "t", "adopted": True, "request_id": "R"}
    olds = bag(PROC, "closed") | outputs

    flagged = DELIVERY.update("id", olds, bag(PROC, "closed", protect=True))

    assert flagged.outs == bag(PROC, "closed", protect=True) | outputs
    assert actions(siem) == []

    opened = DELIVERY.update("id", olds, bag(PROC))

    assert writes(siem) == [("OpenDelivery", "sas", "cloud_siem_aegis_proc")]
    assert (opened.outs or {})["request_id"] == siem.calls_of("OpenDelivery")[0].request_id

    siem.calls.clear()
    by_hand = DELIVERY.update("id", bag(AUDIT, "closed") | outputs, bag(AUDIT))

    assert (by_hand.outs or {})["request_id"] == "R"
    assert writes(siem) == []


# --- what a close needs --------------------------------------------------------------------------

STRICT = {"CLOUD_SIEM_CLOSE_LIMIT": "0", "CLOUD_SIEM_CLOSE_LAST_LOG": ""}
SAS = replace(PROC, log=None)


@pytest.mark.usefixtures("begin")
def test_a_delivery_without_a_gate_closes_by_an_update_that_its_own_check_has_seen(
    siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The check has what was recorded and what is declared; it announces the close."""
    assert faults(DELIVERY.check(bag(AUDIT), bag(AUDIT, "closed"))) == {}
    assert f"  close {AUDIT.name}\n" in capsys.readouterr().out
    DELIVERY.update("id", bag(AUDIT), bag(AUDIT, "closed"))

    assert writes(siem) == [("CloseDelivery", AUDIT.product, AUDIT.log)]


def test_what_one_process_was_given_is_worth_nothing_in_another(
    siem: EmulatorServer, begin: Begin
) -> None:
    """A preview's check authorizes nothing of the update."""
    DELIVERY.check(bag(AUDIT), bag(AUDIT, "closed"))
    begin()

    def update() -> object:
        return DELIVERY.update("id", bag(AUDIT), bag(AUDIT, "closed"))

    assert refused(update) == [Code.NOT_AUTHORIZED]
    assert writes(siem) == []


def test_all_rules_that_a_delivery_alone_would_break_are_reported_at_once(begin: Begin) -> None:
    begin(**STRICT)
    result = DELIVERY.check(bag(AUDIT), bag(AUDIT, "closed"))

    assert codes(result) == [Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG]


@pytest.mark.parametrize("guarded", [None, True])
def test_a_recorded_protection_is_refused_by_the_deliverys_own_check(
    siem: EmulatorServer, begin: Begin, guarded: bool | None
) -> None:
    """With --target nobody else asks; a person's word does not lift it."""
    begin(**named(AUDIT))
    olds = bag(AUDIT, protect=True, guarded=guarded)

    assert codes(DELIVERY.check(olds, bag(AUDIT, "closed", guarded=guarded))) == [Code.PROTECTED]

    begin()
    assert faults(DELIVERY.check(olds, bag(AUDIT, guarded=guarded))) == {}
    assert writes(siem) == []


@pytest.mark.parametrize("guarded", [None, True])
def test_a_new_delivery_that_is_declared_closed_needs_a_gate_or_a_name(
    siem: EmulatorServer, begin: Begin, guarded: bool | None
) -> None:
    """It may have been recorded under another name, whose protection it does not know."""
    news = bag(AUDIT, "closed", guarded=guarded)

    assert codes(DELIVERY.check({}, dict(news))) == [Code.NOT_AUTHORIZED]
    assert refused(lambda: DELIVERY.create(dict(news))) == [Code.NOT_AUTHORIZED]
    assert writes(siem) == []

    begin(**named(AUDIT))
    assert faults(DELIVERY.check({}, dict(news))) == {}
    DELIVERY.create(dict(news))
    assert len(writes(siem)) == 1


@pytest.mark.usefixtures("begin")
def test_a_new_gate_authorizes_new_deliveries_that_are_declared_closed(
    siem: EmulatorServer,
) -> None:
    """The first update of a stack may close what others opened."""
    assert faults(GATE.check({}, gate((AUDIT, State.CLOSED)))) == {}
    assert faults(DELIVERY.check({}, bag(AUDIT, "closed", guarded=True))) == {}
    DELIVERY.create(bag(AUDIT, "closed", guarded=True))

    assert len(writes(siem)) == 1


def test_a_gate_without_its_past_authorizes_nothing_once_it_is_known_to_have_one(
    siem: EmulatorServer, begin: Begin
) -> None:
    """By a delivery that is recorded."""
    begin()
    GATE.check({}, gate((AUDIT, State.CLOSED), (PROC, State.OPEN)))
    DELIVERY.check(bag(PROC, guarded=True), bag(PROC, guarded=True))
    news = bag(AUDIT, "closed", guarded=True)

    assert codes(DELIVERY.check({}, news)) == [Code.NOT_AUTHORIZED]
    assert refused(lambda: DELIVERY.create(dict(news))) == [Code.NOT_AUTHORIZED]
    assert writes(siem) == []


@pytest.mark.parametrize("words", [{}, named(AUDIT)])
def test_a_gate_does_not_make_room_for_one_that_would_close_something(
    siem: EmulatorServer, begin: Begin, words: Bag
) -> None:
    """Else the run would be refused later, and what the gate has recorded would be lost.

    Unless a person named what closes.
    """
    begin(**words)
    GATE.check({}, gate((AUDIT, State.CLOSED), (PROC, State.OPEN)))

    if words:
        GATE.delete("id", gate((AUDIT, State.OPEN)))
    else:
        old, news = gate((AUDIT, State.OPEN)), bag(AUDIT, "closed", guarded=True)
        assert refused(lambda: GATE.delete("id", old)) == [Code.NOT_AUTHORIZED]
        assert codes(DELIVERY.check({}, news)) == [Code.NOT_AUTHORIZED]
        assert refused(lambda: DELIVERY.create(dict(news))) == [Code.NOT_AUTHORIZED]
    GATE.delete("id", gate())
    assert writes(siem) == []


@pytest.mark.usefixtures("begin")
def test_a_gate_without_its_past_authorizes_no_update(siem: EmulatorServer) -> None:
    """Tainted or replaced, it does not know what was protected."""
    GATE.check({}, gate((AUDIT, State.CLOSED)))
    result = DELIVERY.check(bag(AUDIT, guarded=True), bag(AUDIT, "closed", guarded=True))

    assert codes(result) == [Code.NOT_AUTHORIZED]
    assert writes(siem) == []


@pytest.mark.usefixtures("begin")
def test_two_deliveries_that_contradict_each_other_are_refused(siem: EmulatorServer) -> None:
    """By the second one's check, or by the gate on the entry at fault."""
    assert faults(DELIVERY.check({}, bag(PROC))) == {}
    siem.calls.clear()

    assert codes(DELIVERY.check({}, bag(PROC, "closed"))) == [Code.CONTRADICTION]
    assert codes(DELIVERY.check({}, bag(SAS, "closed"))) == [Code.CONTRADICTION]
    found = GATE.check({}, gate((SAS, State.CLOSED)))
    assert (list(faults(found)), codes(found)) == ([SAS.entry], [Code.CONTRADICTION])


# --- LogDelivery.read ----------------------------------------------------------------------------


@pytest.mark.usefixtures("begin")
@pytest.mark.parametrize(
    ("key", "seen"), [(AUDIT, "open"), (PROC, "closed"), (WAF, "closed"), (FLOW, "closed")]
)
def test_a_read_answers_inputs_too(key: DeliveryKey, seen: str) -> None:
    """So the engine's next preview shows the way back."""
    found = DELIVERY.read("id", bag(key) | {"adopted": True, "request_id": "R", "odd": 1})

    assert found.id == "id"
    assert found.inputs == bag(key, seen)
    assert (found.outs or {}).items() >= {"state": seen, "adopted": True}.items()
    assert "odd" not in (found.outs or {})


@pytest.mark.usefixtures("begin")
def test_a_product_with_some_logs_open_is_partial(siem: EmulatorServer) -> None:
    """Which is drift, whatever was declared."""
    siem.switch("waf", "cloud_siem_waf_flow", state="open")

    assert (DELIVERY.read("id", bag(WAF)).inputs or {})["state"] == "partial"


@pytest.mark.usefixtures("begin")
def test_what_is_not_listed_is_gone_with_a_line(
    siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """The one case in which a read answers nothing."""
    siem.control("disconnect", product="waf")
    found = DELIVERY.read("id", bag(WAF))

    assert (found.id, found.outs) == ("", {})
    assert capsys.readouterr().out == (
        f"waf (account {ACCOUNT}, cn-hangzhou) is no longer listed by the account:"
        " it is taken as gone.\n"
    )


@pytest.mark.usefixtures("begin")
def test_an_empty_list_is_never_gone(siem: EmulatorServer) -> None:
    """Nor closed: a read and a delete say so, and ask once in all."""
    siem.fault("empty_product_list")

    for verb in (DELIVERY.read, DELIVERY.delete, DELIVERY.read):
        with pytest.raises(Shown, match="Nothing was taken as gone or closed"):
            verb("id", bag(WAF))

    assert actions(siem) == LOOK


# --- LogDelivery.delete --------------------------------------------------------------------------


def test_deleting_closes_what_is_open_if_a_person_named_it(
    siem: EmulatorServer, begin: Begin
) -> None:
    """With its log code, and waited for; by itself a delivery has no gate that authorizes it."""
    assert refused(lambda: DELIVERY.delete("id", bag(AUDIT))) == [Code.NOT_AUTHORIZED]
    assert actions(siem) == LOOK

    begin(**named(AUDIT))
    DELIVERY.delete("id", bag(AUDIT))

    assert actions(siem) == [*LOOK, "CloseDelivery", "ListDelivery"]
    assert writes(siem) == [("CloseDelivery", "actiontrail", "cloud_siem_trail_actiontrail")]


@pytest.mark.usefixtures("begin")
def test_deleting_what_is_not_open_closes_nothing(siem: EmulatorServer) -> None:
    """Declared closed, it does not even look; closed or disconnected already, it looks."""
    DELIVERY.delete("id", bag(AUDIT, "closed"))

    assert actions(siem) == []

    siem.control("disconnect", product="waf")
    DELIVERY.delete("id", bag(PROC))
    DELIVERY.delete("id", bag(WAF))

    assert actions(siem) == LOOK


@pytest.mark.usefixtures("begin")
@pytest.mark.parametrize("told", ["the gate", "each delivery"])
def test_a_delete_closes_nothing_that_the_run_declares(
    siem: EmulatorServer, capsys: pytest.CaptureFixture[str], told: str
) -> None:
    """By whatever name, as a single log or as part of the whole product."""
    siem.switch("waf", state="open")
    declared = gate((AUDIT, State.OPEN), (WAF, State.OPEN))
    if told == "the gate":
        GATE.check(declared, declared)
    else:
        for key in (AUDIT, WAF):
            DELIVERY.check({}, bag(key))
    for key in (AUDIT, WAF, FLOW):
        DELIVERY.delete("id", bag(key))

    assert writes(siem) == []
    assert capsys.readouterr().out.count("this update still declares it open.\n") == 3


def test_of_a_removed_product_only_the_logs_that_nothing_declares_are_closed(
    siem: EmulatorServer, begin: Begin
) -> None:
    """Each by its own code, never by a call for the whole product, whatever a person named."""
    siem.switch("waf", state="open")
    begin(**named(WAF))
    DELIVERY.check({}, bag(FLOW))
    DELIVERY.delete("id", bag(WAF))

    assert writes(siem) == [("CloseDelivery", "waf", "cloud_siem_waf_alert")]


@pytest.mark.usefixtures("begin")
def test_a_log_that_is_declared_from_another_view_is_not_closed(siem: EmulatorServer) -> None:
    """Whether views share their switches is unverified: for closing they are taken to."""
    siem.switch("waf", state="open")
    DELIVERY.check(bag(WAF, view="enterprise"), bag(WAF, view="enterprise"))
    DELIVERY.delete("id", bag(FLOW))

    assert writes(siem) == []


def test_a_guarded_delete_needs_the_ticket_of_a_gate_that_saw_the_whole(
    siem: EmulatorServer, begin: Begin
) -> None:
    """Or of a destroy's settled resource. After some of what the program declares, or after nothing
    at all, it is refused, unless a person named the log.
    """
    guarded = bag(AUDIT, guarded=True)
    recorded = gate((AUDIT, State.OPEN))
    entries = {"deliveries": {AUDIT.entry: "open"}}
    part: dict[str, Callable[[], object]] = {
        "nothing": lambda: None,
        "a delivery": lambda: DELIVERY.check(bag(PROC, guarded=True), bag(PROC, guarded=True)),
        "the settled resource": lambda: SETTLED.check(settled(), settled({})),
        "a gate that fails": lambda: GATE.check(recorded, gate() | {f"sas/{PORC}": "open"}),
        "a gate that does not have it": lambda: GATE.check(gate(), gate()),
        "a gate without its past": lambda: GATE.check({}, gate()),
        "a destroy of something else": lambda: SETTLED.delete("id", settled()),
    }
    for seen in part.values():
        begin()
        seen()
        assert refused(lambda: DELIVERY.delete("id", guarded)) == [Code.NOT_AUTHORIZED]
        assert writes(siem) == []

    whole: dict[str, Callable[[], object]] = {
        "the gate": lambda: GATE.check(recorded, gate()),
        "a destroy": lambda: SETTLED.delete("id", settled() | entries),
        "an update that broke off": lambda: SETTLED.delete(
            "id", settled() | {properties.CLOSING: {AUDIT.entry: 0}}
        ),
    }
    for seen in whole.values():
        siem.switch(AUDIT.product, state="open")
        begin()
        seen()
        DELIVERY.delete("id", guarded)
        assert len(writes(siem)) == 1

    for seen in part.values():
        siem.switch(AUDIT.product, state="open")
        begin(**named(AUDIT))
        seen()
        DELIVERY.delete("id", guarded)
        assert len(writes(siem)) == 1


def test_what_is_recorded_as_protected_is_not_deleted_even_if_a_person_named_it(
    siem: EmulatorServer, begin: Begin
) -> None:
    """A person's word authorizes a close; it does not take protection off."""
    begin(**named(AUDIT))

    assert refused(lambda: DELIVERY.delete("id", bag(AUDIT, protect=True))) == [Code.PROTECTED]
    assert writes(siem) == []


@pytest.mark.usefixtures("begin")
def test_what_the_gate_recorded_as_kept_is_left_open_by_its_delete(
    siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though its own record does not say so: an interrupted update wrote the gate's alone."""
    kept = Delivery(key=AUDIT, state=State.OPEN, on_remove=OnRemove.KEEP)
    before = GateBag(perspective=HERE, stack="dev", deliveries=(kept,)).write()
    assert faults(GATE.check(before, gate())) == {}
    DELIVERY.delete("id", bag(AUDIT, guarded=True))

    assert writes(siem) == []
    assert "recorded with onRemove: keep" in capsys.readouterr().out


@pytest.mark.parametrize("targeted", [False, True])
def test_a_delete_that_was_not_told_the_whole_spares_what_the_config_declares(
    siem: EmulatorServer, begin: Begin, targeted: bool
) -> None:
    """Such as ``up --target`` of the whole product alone, after its delete failed in an update that
    had put a single log in its place: no check is called then, as in a destroy. In a destroy the
    config declares the product itself.
    """

    def config(log: str) -> Bag:
        return {
            "cloud-siem:account": ACCOUNT,
            "cloud-siem:region": "cn-hangzhou",
            "cloud-siem:deliveries": json.dumps({"waf": {log: "open"}}),
        }

    siem.switch("waf", state="open")
    begin(config=config("cloud_siem_waf_flow"), **named(WAF))
    if targeted:
        SETTLED.check(settled(), settled({}))
    DELIVERY.delete("id", bag(WAF, guarded=True))

    assert writes(siem) == [("CloseDelivery", "waf", "cloud_siem_waf_alert")]

    begin(config=config("*"), **named(WAF))
    DELIVERY.delete("id", bag(WAF, guarded=True))

    assert writes(siem) == [("CloseDelivery", "waf", "")]


# --- the gate ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("begin")
def test_the_gate_tells_the_faults_of_all_new_or_changed_deliveries(siem: EmulatorServer) -> None:
    """Each on its own key, in order, from one look; what stays is not compared."""
    before = gate((PROC, State.OPEN)) | {"gone/x": "open"}
    after = before | {"waf/nope": "open", "sas/nope": "closed", "abc/*": "open"}
    found = faults(GATE.check(before, after))

    assert list(found) == ["abc/*", "sas/nope", "waf/nope"]
    assert actions(siem) == LOOK


@pytest.mark.usefixtures("begin")
def test_the_gate_says_what_is_adopted(
    siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that a preview tells how much of it is so already."""
    GATE.check({}, gate((AUDIT, State.OPEN), (PROC, State.OPEN), (WAF, State.CLOSED)))

    assert capsys.readouterr().out == (
        "2 of 3 new or changed deliveries are already as declared and are adopted without a write:"
        " actiontrail/cloud_siem_trail_actiontrail, waf.\n"
    )


@pytest.mark.usefixtures("begin")
def test_a_gate_without_a_new_state_asks_nothing(siem: EmulatorServer) -> None:
    """Flags, and entries that are only removed, are no reason to look."""
    both = gate((AUDIT, State.OPEN), (WAF, State.OPEN))
    flagged = gate((AUDIT, State.OPEN), (WAF, State.OPEN), protect=True)

    assert faults(GATE.check(both, both)) == {}
    assert faults(GATE.check(both, flagged)) == {}
    assert actions(siem) == []


@pytest.mark.usefixtures("begin")
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("account", OTHER_ACCOUNT),
        ("region", "ap-southeast-1"),
        ("view", "enterprise"),
        ("member", MEMBER),
    ],
)
def test_a_stack_is_one_account_center_view_and_member(
    siem: EmulatorServer, field: str, value: str
) -> None:
    """Editing one of them would open everything there and close everything here."""
    before = gate((AUDIT, State.OPEN))
    result = GATE.check(before, before | {field: value})

    assert list(faults(result)) == [field]
    assert codes(result) == [Code.KEY_CHANGED]
    assert actions(siem) == []


@pytest.mark.usefixtures("begin")
def test_the_gates_diff_has_every_entry_and_the_stacks_name() -> None:
    """It is what a person reads first in a preview; a destroy needs the name that is recorded."""
    before = gate((AUDIT, State.OPEN), (WAF, State.OPEN)) | {"__provider": "a"}

    assert GATE.diff("id", before, before | {"__provider": "b"}).changes is False
    assert GATE.diff("id", before, before | {"stack": "other"}).changes is True
    assert GATE.diff("id", before, gate((AUDIT, State.OPEN))).changes is True
    assert GATE.diff("id", before, before | {"waf/*": "closed"}).changes is True
    assert GATE.diff("id", before, before | {"waf/*": UNKNOWN}).changes is True


@pytest.mark.usefixtures("begin")
def test_new_tags_are_recorded_without_a_call(siem: EmulatorServer) -> None:
    """A policy goes by them; no delivery does."""
    before = gate((AUDIT, State.OPEN))
    after = before | {"tags": {"env": "prod"}}

    assert GATE.check(before, after).inputs == after
    assert GATE.diff("id", before, after).changes is True
    assert GATE.update("id", before, after).outs == after
    assert actions(siem) == []


@pytest.mark.usefixtures("begin")
def test_the_gate_records_what_it_was_told() -> None:
    """And a refresh leaves it as it was."""
    told = GateBag(
        perspective=HERE,
        stack="dev",
        deliveries=(
            Delivery(key=AUDIT, state=State.OPEN, protect=True, on_remove=OnRemove.KEEP),
            Delivery(key=WAF, state=State.CLOSED),
        ),
    ).write()
    made = GATE.create({**told, "__provider": "x"})
    read = GATE.read(str(made.id), {**told, "__provider": "x"})

    assert made.outs == GATE.update("id", {}, told).outs == read.outs == read.inputs == told
    assert (made.id, read.id) == (f"gate of account {ACCOUNT}, cn-hangzhou",) * 2


@pytest.mark.usefixtures("begin")
def test_a_gate_with_values_that_are_not_known_waits_for_them(siem: EmulatorServer) -> None:
    """A program may make its stack from what other resources know."""
    news = gate((AUDIT, State.OPEN)) | {"account": UNKNOWN}

    assert GATE.check({}, dict(news)).inputs == news
    assert actions(siem) == []


# --- what the gate authorizes --------------------------------------------------------------------


def test_the_gate_reports_all_broken_rules_and_authorizes_nothing(
    siem: EmulatorServer, begin: Begin
) -> None:
    begin(**STRICT)
    before = gate((AUDIT, State.OPEN), (PROC, State.OPEN), protect=True)
    result = GATE.check(before, gate())

    assert codes(result) == [Code.PROTECTED, Code.PROTECTED, Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG]
    assert all("Nothing was closed." in reason for reason in faults(result).values())
    with pytest.raises(Shown):
        DELIVERY.delete("id", bag(AUDIT, guarded=True))
    assert writes(siem) == []


@pytest.mark.usefixtures("begin")
def test_the_gate_authorizes_nothing_while_something_else_of_it_is_at_fault(
    siem: EmulatorServer,
) -> None:
    """All or nothing: a misspelled code beside a removed entry."""
    before = gate((AUDIT, State.OPEN))
    result = GATE.check(before, gate() | {f"sas/{PORC}": "open"})

    assert list(faults(result)) == [f"sas/{PORC}"]
    delete = refused(lambda: DELIVERY.delete("id", bag(AUDIT, guarded=True)))
    assert delete == [Code.NOT_AUTHORIZED]
    assert writes(siem) == []


@pytest.mark.usefixtures("begin")
def test_the_gate_records_the_entries_that_it_authorized_to_close(siem: EmulatorServer) -> None:
    """Not those that are closed already and were closed when they were recorded."""
    siem.switch("waf", state="open")
    before = gate((AUDIT, State.OPEN), (WAF, State.OPEN), (PROC, State.CLOSED))
    result = GATE.check(before, gate((WAF, State.CLOSED)))

    assert faults(result) == {}
    assert properties.closing_of(result.inputs) == {AUDIT.entry: 0, WAF.entry: 0}


@pytest.mark.usefixtures("begin")
def test_what_was_seen_closed_is_taken_off_the_record_by_one_look(siem: EmulatorServer) -> None:
    """Without a change that anybody sees; the next check does not even look."""
    siem.switch(AUDIT.product, state="closed")
    recorded = gate() | {properties.CLOSING: {AUDIT.entry: 0}}
    result = GATE.check(recorded, gate())

    assert result.inputs == gate()
    assert GATE.diff("id", recorded, result.inputs).changes is False
    assert actions(siem) == LOOK

    siem.calls.clear()
    assert GATE.check(result.inputs, gate()).inputs == gate()
    assert actions(siem) == []


@pytest.mark.usefixtures("begin")
def test_what_an_earlier_run_left_open_is_authorized_anew_when_it_is_due(
    siem: EmulatorServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """And shown as a change of the gate; announced right before it closes."""
    recorded = gate() | {properties.CLOSING: {AUDIT.entry: 0}}
    result = GATE.check(recorded, gate())

    assert properties.closing_of(result.inputs) == {AUDIT.entry: 1}
    assert GATE.diff("id", recorded, result.inputs).changes is True
    assert capsys.readouterr().out == ""
    DELIVERY.delete("id", bag(AUDIT, guarded=True))

    assert len(writes(siem)) == 1
    assert f"  close {AUDIT.name}\n" in capsys.readouterr().out


def test_what_an_earlier_run_left_open_is_counted_anew(siem: EmulatorServer, begin: Begin) -> None:
    """All of it together, when the first of it is due."""
    begin(**STRICT)
    assert faults(GATE.check(gate() | {properties.CLOSING: {AUDIT.entry: 0}}, gate())) == {}
    delete = refused(lambda: DELIVERY.delete("id", bag(AUDIT, guarded=True)))

    assert delete == [Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG]
    assert writes(siem) == []


# --- the settled bookend -------------------------------------------------------------------------


def test_settling_waits_for_what_was_written(siem: EmulatorServer, begin: Begin) -> None:
    """Until the account shows all that this run declares."""
    siem.configure(lag_ms=100)
    begin(clock=Clock(chance=lambda: 0.1))
    DELIVERY.check({}, bag(PROC))
    DELIVERY.create(bag(PROC))

    inputs = settled() | {"deliveries": {PROC.entry: "open"}}
    made = SETTLED.create({**inputs, "__provider": "x"})

    assert actions(siem)[:3] == [*LOOK, "OpenDelivery"]
    assert len(actions(siem)) > 4
    assert made.outs == inputs
    assert made.id == f"settled of account {ACCOUNT}, cn-hangzhou"


@pytest.mark.usefixtures("begin")
def test_settling_tells_what_somebody_else_changed(siem: EmulatorServer) -> None:
    """It was as declared when it was checked, and is not any more."""
    DELIVERY.check({}, bag(AUDIT))
    siem.switch(AUDIT.product, state="closed")

    with pytest.raises(Shown, match="not as declared, and not by this update: actiontrail/"):
        SETTLED.update(
            "id", settled("before"), settled("after") | {"deliveries": {AUDIT.entry: "open"}}
        )


@pytest.mark.usefixtures("begin")
def test_settling_without_anything_declared_asks_nothing(siem: EmulatorServer) -> None:
    """A stack without deliveries has a bookend too."""
    SETTLED.create(settled())

    assert actions(siem) == []


@pytest.mark.usefixtures("begin")
def test_settling_runs_when_something_was_written() -> None:
    """Its digest changes with every write, and is not known before."""
    deliveries = {"deliveries": properties.write_entries([Delivery(key=PROC, state=State.OPEN)])}

    def inputs(request: object) -> dict[str, Any]:
        told = {**settled({PROC.name: request}), **deliveries, "member": None}
        return SETTLED.check({}, told).inputs

    digest = properties.written_digest([Delivery(key=PROC, state=State.OPEN)], {PROC.name: "R-1"})
    assert inputs("R-1") == {**settled(digest), **deliveries}
    assert inputs(UNKNOWN) == {**settled(UNKNOWN), **deliveries}
    assert SETTLED.diff("id", inputs("R-1"), inputs("R-1")).changes is False
    assert SETTLED.diff("id", inputs("R-1"), inputs("R-2")).changes is True
    assert SETTLED.diff("id", inputs("R-1"), inputs(UNKNOWN)).changes is True


def test_a_destroy_that_breaks_rules_closes_nothing_and_names_them_all(
    siem: EmulatorServer, begin: Begin
) -> None:
    begin(**STRICT)
    props = settled() | {"deliveries": {AUDIT.entry: "open, protected", PROC.entry: "open"}}

    assert refused(lambda: SETTLED.delete("id", props)) == [
        Code.PROTECTED,
        Code.CLOSE_LIMIT,
        Code.LAST_OPEN_LOG,
    ]
    with pytest.raises(Shown):
        DELIVERY.delete("id", bag(AUDIT, guarded=True))
    assert writes(siem) == []


# --- whose credentials ---------------------------------------------------------------------------


def test_credentials_of_another_account_get_no_further_in_any_verb(
    siem: EmulatorServer, begin: Begin
) -> None:
    """Reads included: a refresh as somebody else would empty the state."""
    theirs = replace(AUDIT, perspective=replace(HERE, account=OTHER_ACCOUNT))
    said = f"the credentials belong to account {ACCOUNT} .* declares account {OTHER_ACCOUNT}"
    checks: list[Callable[[], CheckResult]] = [
        lambda: DELIVERY.check({}, bag(theirs)),
        lambda: GATE.check({}, gate((AUDIT, State.OPEN)) | {"account": OTHER_ACCOUNT}),
    ]
    for check in checks:
        begin()

        assert re.search(said, faults(check())[""])
        assert actions(siem) == ["GetCallerIdentity"]

    verbs: list[Callable[[], object]] = [
        lambda: DELIVERY.create(bag(theirs)),
        lambda: DELIVERY.update("id", bag(theirs), bag(theirs, "closed")),
        lambda: DELIVERY.read("id", bag(theirs)),
        lambda: DELIVERY.delete("id", bag(theirs)),
    ]
    for verb in verbs:
        begin()
        with pytest.raises(Shown, match=said):
            verb()

        assert actions(siem) == ["GetCallerIdentity"]


# --- what a person is told -----------------------------------------------------------------------


def test_faulty_settings_are_told_in_words(siem: EmulatorServer, begin: Begin) -> None:
    """A check fails, other verbs say so; the config that the engine recorded counts too."""
    begin(config={"cloud-siem:deadline": "soon", "cloud-siem:preflight": "maybe"})

    told = faults(DELIVERY.check({}, bag(PROC)))[""].splitlines()

    assert [line.partition(" (")[0] for line in told] == [
        'cloud-siem:deadline: "soon" is no number of seconds',
        'cloud-siem:preflight: "maybe" is neither true nor false',
    ]
    with pytest.raises(Shown, match='cloud-siem:deadline: "soon"'):
        DELIVERY.read("id", bag(PROC))

    assert actions(siem) == []


VERBS: dict[str, Callable[[], object]] = {
    "delivery check": lambda: DELIVERY.check({}, bag(PROC)),
    "delivery diff": lambda: DELIVERY.diff("id", {}, bag(PROC)),
    "delivery create": lambda: DELIVERY.create(bag(PROC)),
    "delivery update": lambda: DELIVERY.update("id", bag(PROC, "closed"), bag(PROC)),
    "delivery read": lambda: DELIVERY.read("id", bag(PROC)),
    "delivery delete": lambda: DELIVERY.delete("id", bag(PROC)),
    "gate check": lambda: GATE.check({}, gate()),
    "gate diff": lambda: GATE.diff("id", {}, gate()),
    "gate create": lambda: GATE.create(gate()),
    "gate update": lambda: GATE.update("id", {}, gate()),
    "gate read": lambda: GATE.read("id", gate()),
    "settled diff": lambda: SETTLED.diff("id", {}, settled()),
    "settled create": lambda: SETTLED.create(settled()),
    "settled update": lambda: SETTLED.update("id", {}, settled()),
    "settled delete": lambda: SETTLED.delete("id", settled()),
}


@pytest.mark.usefixtures("begin")
@pytest.mark.parametrize("verb", VERBS)
def test_a_fault_of_ours_is_one_sentence_with_its_place(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback and no chained exception leave any verb, whatever breaks."""

    def broken(*_: object) -> None:
        raise KeyError("nobody thought of this")

    for name in ("key_of", "perspective_of", "differ", "inputs_of"):
        monkeypatch.setattr(properties, name, broken)
    with pytest.raises(Shown) as caught:
        VERBS[verb]()
    error = caught.value

    assert error.__cause__ is None
    assert error.__suppress_context__
    assert "unexpected KeyError at test_provider.py:" in str(error)
    assert "please report it" in str(error)
    assert "\n" not in str(error)


def test_what_is_raised_prints_as_one_line_where_tracebacks_are_cut(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the provider's process has it: from 3.260 on the SDK prints the traceback."""
    begin(CLOUD_SIEM_DEADLINE="x")
    monkeypatch.setattr(sys, "tracebacklimit", 0, raising=False)
    with pytest.raises(Shown) as caught:
        DELIVERY.read("id", bag(PROC))

    assert traceback.format_exception(caught.value) == [f"CloudSiemError: {caught.value}\n"]


def test_a_verb_before_configure_is_told_as_a_fault_of_ours() -> None:
    """The engine never does it; if it did, it would be told."""
    with pytest.raises(Shown, match="the engine calls configure before any verb"):
        DELIVERY.read("id", bag(PROC))


@pytest.mark.usefixtures("begin")
def test_lines_of_threads_do_not_mix(capfd: pytest.CaptureFixture[str]) -> None:
    """The engine shows a plugin's output line by line."""
    lines = [f"line {number} of many" for number in range(400)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(provider.say, lines))

    assert sorted(capfd.readouterr().out.splitlines()) == sorted(lines)


# --- the process ---------------------------------------------------------------------------------


def test_configure_begins_one_process_with_the_stacks_config(
    siem: EmulatorServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine configures each of the three providers; they share one process, and tests that
    are no plugin keep their tracebacks, and their lives when nobody reads their output.
    """
    monkeypatch.setenv("CLOUD_SIEM_REQUEST_RATE", "100000")
    raw = {"cloud-siem:endpoint": siem.url, "cloud-siem:deadline": "7", "other:key": "x"}
    provider.begin(None)
    for one in (DELIVERY, GATE, SETTLED):
        one.configure(ConfigureRequest(Config(raw, "any-project")))
        first = provider.process()

        assert first.settings.deadline == 7
        assert first.settings.request_rate == 100_000
    assert not hasattr(sys, "tracebacklimit")
    assert "lifeline" not in [thread.name for thread in threading.enumerate()]
    provider.begin(None)


PROVIDERS = (LogDeliveryProvider, GateProvider, SettledProvider)


@pytest.mark.parametrize("kind", PROVIDERS)
def test_a_provider_is_recorded_as_the_path_of_its_class(kind: type[ResourceProvider]) -> None:
    """No code and no state: the bytes are the same for ever, whatever was done with it before."""
    used = kind()
    pickled = base64.b64decode(serialize_provider(used))
    names = [one for _, one, _ in pickletools.genops(pickled) if isinstance(one, str)]

    assert names == ["cloud_siem.provider", kind.__name__]
    assert pickled == base64.b64decode(serialize_provider(kind()))
    assert vars(used) == {}
    assert used.serialize_as_secret_always is False


def test_thousands_of_providers_are_recorded_by_the_same_bytes() -> None:
    """As the SDK records them; a provider pickled by value ends in a RecursionError at 320."""
    recorded = {_serialize(True, serialize_provider, LogDeliveryProvider()) for _ in range(2_000)}

    assert len(recorded) == 1
