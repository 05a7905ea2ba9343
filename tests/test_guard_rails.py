"""Each guardrail, from its refusal to its remedy, through the verbs as the engine calls them.

Tests assert codes; the whole message of each refusal is shown in docs/safety.md.
tests/engine/test_guard_rails.py has the same on the real engine.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cloud_siem.codes import Code, codes_in
from cloud_siem.model import Delivery, DeliveryKey, OnRemove, State
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, ANY_CLOSE, AUDIT, HERE
from tests.harness import DELIVERY, GATE, SETTLED, Flags, Harness, Program, Run
from tests.projectfolder import ProjectFolder

DOCS = Path(__file__).parent.parent / "docs" / "safety.md"
OPEN, CLOSED = State.OPEN, State.CLOSED
Documented = Callable[[str, Run], None]
NAMES = tuple(f"sas/cloud_siem_aegis_{log}" for log in ("dns", "login_event", "proc"))
DNS, LOGIN, PROC = NAMES
TRAIL = "actiontrail/cloud_siem_trail_actiontrail"


def delivery(name: str, state: State = OPEN, **more: Any) -> Delivery:
    product, _, log = name.partition("/")
    key = DeliveryKey(perspective=HERE, product=product, log=log or None)
    return Delivery(key=key, state=state, **more)


@dataclass(kw_only=True)
class Stack:
    """One stack on the harness."""

    siem: EmulatorServer
    harness: Harness

    def up(
        self,
        *declared: Delivery,
        refresh: bool = False,
        preview: bool = True,
        flags: Flags | None = None,
        **more: Any,
    ) -> Run:
        program = Program(perspective=HERE, deliveries=declared, **more)
        self.siem.calls.clear()
        return self.harness.up(program, refresh=refresh, preview=preview, flags=flags or Flags())

    def preview(self, *declared: Delivery, **more: Any) -> Run:
        self.siem.calls.clear()
        return self.harness.preview(Program(perspective=HERE, deliveries=declared, **more))

    def destroy(self) -> Run:
        self.siem.calls.clear()
        return self.harness.destroy()

    def allow(self, **environ: str) -> None:
        """Set these from now on; an empty one is not set."""
        now = {**self.harness.environ, **environ}
        self.harness.environ = {name: value for name, value in now.items() if value}

    @property
    def writes(self) -> list[str]:
        return [
            f"{call.action.removesuffix('Delivery').lower()} {call.product}/{call.log or '*'}"
            for call in self.siem.calls.all()
            if call.action in ("OpenDelivery", "CloseDelivery")
        ]

    def opened(self) -> set[str]:
        return {f"{product}/{log}" for product, log in self.siem.open_logs()}


@pytest.fixture
def stack(tmp_path: Path, siem: EmulatorServer) -> Stack:
    """Of an account in which only the one log of actiontrail is open."""
    environ = {"CLOUD_SIEM_ENDPOINT": siem.url, "CLOUD_SIEM_REQUEST_RATE": "100000"}
    return Stack(siem=siem, harness=Harness(environ=environ, folder=tmp_path))


def many(siem: EmulatorServer, number: int) -> list[Delivery]:
    """So many deliveries of single logs, by name; the first of them is open from the start."""
    products = sorted(set(siem.world.catalog.products) - siem.world.first.not_connected)
    logs = [
        f"{product}/{log.code}"
        for product in products
        for log in siem.world.catalog.products[product].logs
        if product != "bastionhost"  # which the demo account may not switch
    ]
    return [delivery(name) for name in sorted(logs)[:number]]


@pytest.fixture
def documented(request: pytest.FixtureRequest) -> Callable[[str, Run], None]:
    """Compare a refusal with docs/safety.md, or write it there with --update-golden."""

    def hold(rule: str, run: Run) -> None:
        block = re.compile(
            rf"(<!-- refusal: {re.escape(rule)} -->\n```text\n)(.*?)(```)", re.DOTALL
        )
        text = DOCS.read_text()
        found = block.search(text)
        assert found, f"{DOCS.name} has no refusal: {rule}"
        if request.config.getoption("--update-golden"):
            lines = "\n".join(run.failures).splitlines()
            filled = [
                textwrap.fill(line, 98, break_on_hyphens=False, break_long_words=False)
                for line in lines
            ]
            wrapped = "\n".join(filled) + "\n"
            DOCS.write_text(block.sub(lambda one: one[1] + wrapped + one[3], text))

        assert said(run) == " ".join(block.search(DOCS.read_text())[2].split())  # type: ignore[index]

    return hold


def said(run: Run) -> str:
    return " ".join(" ".join(run.failures).split())


def codes(run: Run) -> tuple[Code, ...]:
    """Why a run is refused."""
    return codes_in("\n".join(run.failures))


# --- the close limit ------------------------------------------------------------------------------


def test_an_update_that_closes_more_than_the_limit_closes_nothing(
    stack: Stack, documented: Documented
) -> None:
    """At preview and in the update, on every try; with the word for one run it goes through."""
    twenty = many(stack.siem, 20)
    assert stack.up(*twenty).ok
    opened = stack.opened()

    refused = stack.preview(*twenty[:2])
    documented("close limit", refused)
    for _ in range(5):
        again = stack.up(*twenty[:2], preview=False)
        assert again.failures == refused.failures
        assert codes(again) == (Code.CLOSE_LIMIT,)
        assert stack.writes == []
    assert stack.opened() == opened

    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="18")
    assert stack.up(*twenty[:2]).ok
    assert len(stack.writes) == 18


def test_a_destroy_that_closes_more_than_the_limit_closes_nothing(
    stack: Stack, documented: Documented
) -> None:
    """The settled resource is deleted first, and refuses for all; each rule has its own word."""
    seven = many(stack.siem, 7)
    assert stack.up(*seven).ok

    for _ in range(5):
        refused = stack.destroy()
        documented("destroy", refused)
        assert codes(refused) == (Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG)
        assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="7")
    assert codes(stack.destroy()) == (Code.LAST_OPEN_LOG,)
    assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE_LAST_LOG=ANY_CLOSE["CLOUD_SIEM_CLOSE_LAST_LOG"])
    assert stack.destroy().ok
    assert len(stack.writes) == 7
    assert not stack.harness.state


def test_what_is_left_of_a_destroy_is_refused_until_it_is_named(
    stack: Stack, documented: Documented
) -> None:
    """Without the settled resource nothing compares the whole: four runs would close twenty."""
    assert stack.up(delivery(TRAIL), delivery(DNS)).ok
    assert stack.harness.delete_record(Program(perspective=HERE).urn(SETTLED)) == ""
    stack.harness.state = {
        urn: one for urn, one in stack.harness.state.items() if one.inputs.get("log") != AUDIT.log
    }

    refused = stack.destroy()
    documented("no bookend", refused)
    assert codes(refused) == (Code.NOT_AUTHORIZED,)
    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="20")
    assert codes(stack.destroy()) == (Code.NOT_AUTHORIZED,), "a limit does not authorize a close"
    assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE=f"{ACCOUNT}/{DNS}")
    assert stack.destroy().ok
    assert stack.writes == [f"close {DNS}"]


def test_a_failed_update_cannot_be_finished_beyond_the_limit(stack: Stack) -> None:
    """The gate has recorded the cut by then; what is left is counted anew, all of it at once."""
    eight = many(stack.siem, 8)
    assert stack.up(*eight).ok
    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="7")
    stack.siem.fault("error_mapping", action="CloseDelivery")
    assert not stack.up(*eight[:1]).ok
    stack.siem.faults.clear()
    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="")

    refused = stack.up(*eight[:1], preview=False)
    assert codes(refused) == (Code.CLOSE_LIMIT,)
    assert "7 logs would close" in said(refused)
    assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="7")
    assert stack.up(*eight[:1]).ok
    assert len(stack.writes) == 7


def test_the_unit_is_a_log_and_not_an_entry(stack: Stack) -> None:
    """One entry may be all logs of a product; narrowing it closes most of them."""
    whole = delivery("sas")
    assert stack.up(delivery(TRAIL), whole).ok
    logs = len(stack.opened()) - 1

    for edited in ([], [delivery(DNS)], [delivery("sas", CLOSED)]):
        assert codes(stack.up(delivery(TRAIL), *edited)) == (Code.CLOSE_LIMIT,)
        assert stack.writes == []

    assert f"{logs} logs (1 entry) would close" in said(stack.up(delivery(TRAIL)))
    stack.allow(CLOUD_SIEM_CLOSE_LIMIT=str(logs))
    assert stack.up(delivery(TRAIL)).ok
    assert stack.writes == ["close sas/*"]


def test_all_broken_rules_are_reported_at_once(stack: Stack) -> None:
    """So that nobody lifts one of them without knowing of the others."""
    eight = many(stack.siem, 8)
    assert stack.up(replace(eight[0], protect=True), *eight[1:]).ok
    for urn in stack.harness.state:
        stack.harness.unprotect(urn)

    refused = stack.up()
    assert set(codes(refused)) == {Code.PROTECTED, Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG}
    assert stack.writes == []


@pytest.mark.parametrize("limit", ["0", "10%"])
def test_a_limit_may_be_a_share_or_nothing(stack: Stack, limit: str) -> None:
    """Ten percent of five open logs are none."""
    five = many(stack.siem, 5)
    stack.harness.config = {"cloud-siem:closeLimit": limit}
    assert stack.up(*five).ok

    refused = stack.up(*five[:4])
    assert codes(refused) == (Code.CLOSE_LIMIT,)
    assert "cloud-siem:closeLimit allows 0" in said(refused)
    assert stack.writes == []


def test_the_last_open_log_is_closed_by_no_stack_file_and_no_limit(
    stack: Stack, documented: Documented
) -> None:
    """Cloud SIEM would receive no logs; only the word for it, which names the log, allows that."""
    stack.harness.config = {"cloud-siem:closeLimit": "100"}
    stack.allow(CLOUD_SIEM_CLOSE=f"{ACCOUNT}/{TRAIL}", CLOUD_SIEM_CLOSE_LIMIT="5")
    assert stack.up(delivery(TRAIL)).ok

    refused = stack.up(delivery(TRAIL, CLOSED))
    documented("last open log", refused)
    assert codes(refused) == (Code.LAST_OPEN_LOG,)
    assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE_LAST_LOG=f"{ACCOUNT}/{TRAIL}")
    assert stack.up(delivery(TRAIL, CLOSED)).ok
    assert stack.opened() == set()


def test_what_was_opened_by_hand_counts_when_it_is_closed_again(stack: Stack) -> None:
    """Found by a refresh, it closes with the update; so the gate is told of it."""
    seven = [replace(one, state=CLOSED) for one in many(stack.siem, 8)[1:]]
    assert stack.up(*seven).ok
    for one in seven:
        assert one.key.log
        stack.siem.switch(one.key.product, one.key.log, state="open")

    refused = stack.up(*seven, refresh=True)
    assert codes(refused) == (Code.CLOSE_LIMIT,)
    assert "7 logs would close" in said(refused)
    assert stack.writes == []


def test_what_closes_is_announced_before_it_does_with_the_block_that_undoes_it(
    stack: Stack,
) -> None:
    """At preview, and again in the update before the first call."""
    before = [delivery(TRAIL), delivery(DNS), delivery(LOGIN, protect=True), delivery("waf")]
    assert stack.up(*before).ok
    after = [delivery(TRAIL), delivery(LOGIN, protect=True)]
    announced = [
        "3 logs (2 entries) close:",
        f"  close {DNS}",
        "  close waf/cloud_siem_waf_alert",
        "  close waf/cloud_siem_waf_flow",
        "To undo it, replace these products below cloud-siem:deliveries and run `pulumi up`:",
        "  sas:",
        "    cloud_siem_aegis_dns: open",
        "    cloud_siem_aegis_login_event: {state: open, protect: true}",
        "  waf:",
        '    "*": open',
    ]

    assert [line.text for line in stack.preview(*after).lines] == announced
    done = stack.up(*after, preview=False)
    assert [line.text for line in done.lines] == announced
    first = min(call.time for call in stack.siem.calls_of("CloseDelivery"))
    assert all(line.time <= first for line in done.lines)


# --- part of the program --------------------------------------------------------------------------


def test_with_target_a_delete_is_refused(stack: Stack, documented: Documented) -> None:
    """What else declares the log is hidden from the run; a person may name it."""
    assert stack.up(delivery(TRAIL), delivery(DNS)).ok
    program = Program(perspective=HERE, deliveries=(delivery(TRAIL),))
    flags = Flags(targets=frozenset({program.urn(DELIVERY, DNS), program.urn(SETTLED)}))

    refused = stack.up(delivery(TRAIL), flags=flags, preview=False)
    documented("target", refused)
    assert codes(refused) == (Code.NOT_AUTHORIZED,)
    assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE=f"{ACCOUNT}/{DNS}")
    assert stack.up(delivery(TRAIL), flags=flags).ok
    assert stack.writes == [f"close {DNS}"]


@pytest.mark.parametrize(
    "kinds", [(GATE,), (DELIVERY,), (GATE, DELIVERY)], ids=["gate", "delivery", "both"]
)
@pytest.mark.parametrize("targets", [False, True], ids=["replace", "target-replace"])
@pytest.mark.parametrize("protect", [False, True])
@pytest.mark.parametrize("edit", ["closed", "removed"])
def test_whatever_is_replaced_nothing_closes_beyond_the_gates_knowledge(
    stack: Stack, kinds: tuple[str, ...], targets: bool, protect: bool, edit: str
) -> None:
    """What is replaced is checked without old inputs: the gate then knows of no record, and a
    delivery of no protection. Only a gate that has its past lets go of what is not protected.
    """
    assert stack.up(delivery(TRAIL), delivery(DNS, protect=protect)).ok
    after = [delivery(TRAIL), *([delivery(DNS, CLOSED)] if edit == "closed" else [])]
    program = Program(perspective=HERE)
    urns = frozenset(program.urn(kind, DNS if kind == DELIVERY else "") for kind in kinds)
    flags = Flags(replaces=urns, targets=urns if targets else frozenset())

    run = stack.up(*after, flags=flags, preview=False)

    if stack.writes:
        assert stack.writes == [f"close {DNS}"]
        assert not protect
        assert "check gate" not in run.verbs, "a gate without old inputs"
        assert "check+ gate" in run.verbs


@pytest.mark.parametrize("taint", [False, True])
def test_a_replaced_gate_announces_nothing_and_authorizes_no_delete(
    stack: Stack, taint: bool
) -> None:
    """Eight of nine entries removed: it does not know that they were there."""
    nine = many(stack.siem, 9)
    assert stack.up(*nine).ok
    gate = Program(perspective=HERE).urn(GATE)
    if taint:
        stack.harness.taint(gate)
    flags = Flags() if taint else Flags(replaces=frozenset({gate}))

    refused = stack.up(*nine[:1], flags=flags, preview=False)
    assert codes(refused) == (Code.NOT_AUTHORIZED,)
    assert stack.writes == []


def test_a_new_closed_entry_that_is_targeted_alone_closes_nothing(stack: Stack) -> None:
    """Its gate is left out, and what it covers is protected under other names."""
    single = [delivery(name, protect=True) for name in NAMES]
    assert stack.up(delivery(TRAIL), *single).ok
    closed = delivery("sas", CLOSED)
    new = Program(perspective=HERE).urn(DELIVERY, "sas")

    run = stack.up(delivery(TRAIL), closed, flags=Flags(targets=frozenset({new})), preview=False)
    assert not run.ok
    assert stack.writes == []


# --- other stacks ---------------------------------------------------------------------------------


def beside(stack: Stack, *declared: Delivery) -> None:
    """Declare these in another stack file of the same project."""
    other = Program(perspective=HERE, deliveries=declared, stack="other")
    ProjectFolder(stack.harness.folder).declare(other, {})


def test_an_entry_that_moved_to_another_stack_file_stays_open(stack: Stack) -> None:
    """The update that removes it here says so, and counts nothing."""
    stack.harness.config = {"cloud-siem:closeLimit": "0"}
    assert stack.up(delivery(TRAIL), delivery(DNS), delivery("waf")).ok
    beside(stack, delivery(DNS), delivery("waf/cloud_siem_waf_flow"))

    moved = stack.up(delivery(TRAIL), delivery("waf/cloud_siem_waf_alert"))
    assert moved.ok, said(moved)
    assert stack.writes == []
    assert f"{DNS} is left open: stack other declares it open." in [
        line.text for line in moved.lines
    ]
    assert stack.destroy().failures, "the rest would close"


def test_what_another_stack_file_declares_open_is_not_declared_closed_here(stack: Stack) -> None:
    assert stack.up(delivery(TRAIL), delivery(DNS)).ok
    beside(stack, delivery(DNS))

    refused = stack.up(delivery(TRAIL), delivery(DNS, CLOSED))
    assert codes(refused) == (Code.DECLARED_ELSEWHERE,)
    assert stack.writes == []


def test_nothing_closes_while_another_stack_file_cannot_be_read(stack: Stack) -> None:
    """Whether it declares the log open is not known; a person may name the log."""
    assert stack.up(delivery(TRAIL), delivery(DNS)).ok
    other = f'config:\n  cloud-siem:account: "{ACCOUNT}"\n  cloud-siem:deliveries: ['
    (stack.harness.folder / "stacks" / "Pulumi.other.yaml").write_text(other)

    assert codes(stack.up(delivery(TRAIL))) == (Code.SIBLINGS_UNKNOWN,)
    assert codes(stack.destroy()) == (Code.SIBLINGS_UNKNOWN, Code.LAST_OPEN_LOG)
    assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE=f"{ACCOUNT}/{DNS}")
    assert stack.up(delivery(TRAIL)).ok
    assert stack.writes == [f"close {DNS}"]


# --- protect --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "edit", ["closed", "closed and not protected", "removed", "product closed"]
)
def test_what_is_recorded_as_protected_closes_by_no_single_edit(
    stack: Stack, documented: Documented, edit: str
) -> None:
    """Nor does anything else of that update; two updates do it."""
    kept, extra = delivery(DNS, protect=True), delivery(LOGIN)
    assert stack.up(delivery(TRAIL), kept, extra).ok
    edited = {
        "closed": [replace(kept, state=CLOSED)],
        "closed and not protected": [replace(kept, state=CLOSED, protect=False)],
        "removed": [],
        "product closed": [delivery("sas", CLOSED)],
    }[edit]

    refused = stack.up(delivery(TRAIL), *edited, preview=False)
    assert codes(refused)[0] is Code.PROTECTED
    assert stack.writes == []
    if edit == "closed and not protected":
        documented("protect", refused)

    assert stack.up(delivery(TRAIL), replace(kept, protect=False), extra).ok
    assert stack.up(delivery(TRAIL), replace(kept, protect=False, state=CLOSED), extra).ok
    assert stack.writes == [f"close {DNS}"]


def test_a_destroy_with_something_protected_closes_nothing(stack: Stack) -> None:
    """Also where the engine's own flag was taken off behind the stack's back."""
    assert stack.up(delivery(TRAIL), delivery(DNS, protect=True), delivery(LOGIN)).ok
    for urn, one in stack.harness.state.items():
        stack.harness.state[urn] = replace(one, protect=False)
    stack.allow(**ANY_CLOSE, CLOUD_SIEM_CLOSE=f"{ACCOUNT}/{DNS}")

    refused = stack.destroy()
    assert codes(refused) == (Code.PROTECTED,)
    assert DNS in said(refused)
    assert "Nothing was closed." in said(refused)
    assert stack.writes == []


# --- keep -----------------------------------------------------------------------------------------


def test_keep_that_comes_with_the_removal_comes_too_late(
    stack: Stack, documented: Documented
) -> None:
    """Pulumi goes by what it recorded, and would close it; in two steps it is left open."""
    assert stack.up(delivery(TRAIL), delivery(DNS)).ok
    keep: Mapping[str, Any] = {"on_remove": OnRemove.KEEP}

    refused = stack.up(delivery(TRAIL, **keep), **keep)
    documented("keep", refused)
    assert codes(refused) == (Code.KEEP_FIRST,)
    assert stack.writes == []

    assert stack.up(delivery(TRAIL, **keep), delivery(DNS, **keep), **keep).ok
    assert stack.up(delivery(TRAIL, **keep), **keep).ok
    assert stack.writes == []
    assert DNS in stack.opened()


# --- reason ---------------------------------------------------------------------------------------


def test_where_a_reason_is_required_nothing_is_closed_without_one(
    stack: Stack, documented: Documented
) -> None:
    """Also from a program that has no stack file."""
    stack.harness.config = {"cloud-siem:requireReason": "true"}
    assert stack.up(delivery(TRAIL), delivery(DNS)).ok

    refused = stack.up(delivery(TRAIL), delivery(DNS, CLOSED))
    documented("reason", refused)
    assert stack.writes == []

    assert stack.up(delivery(TRAIL), delivery(DNS, CLOSED, reason="CHG-1234 too loud")).ok
    assert stack.writes == [f"close {DNS}"]
    gate = next(one for urn, one in stack.harness.state.items() if urn[1] == GATE)
    assert gate.inputs[DNS] == "closed: CHG-1234 too loud"


# --- adopted --------------------------------------------------------------------------------------


def test_what_was_open_before_the_stack_had_it_is_counted_in_a_refusal(stack: Stack) -> None:
    """It was somebody's before; the gate keeps the word as long as the delivery stays open."""
    stack.siem.switch("waf", state="open")
    stack.harness.config = {"cloud-siem:closeLimit": "1"}
    assert stack.up(delivery(TRAIL), delivery("waf"), delivery(DNS)).ok
    assert stack.up(delivery(TRAIL), delivery("waf"), delivery(DNS), delivery(LOGIN)).ok

    assert "2 of them were open before this stack had them." in said(stack.up(delivery(TRAIL)))
    assert "3 of them were open before this stack had them." in said(stack.destroy())


# --- by hand --------------------------------------------------------------------------------------


def test_what_was_switched_by_hand_meanwhile_is_not_written_and_told(
    stack: Stack,
) -> None:
    """Between the preview and the update, or since it was recorded: the update looks again."""
    assert stack.up(delivery(TRAIL), delivery(DNS), delivery(LOGIN)).ok
    assert stack.preview(delivery(TRAIL), delivery(DNS, CLOSED)).ok
    for name in (DNS, LOGIN):
        stack.siem.switch(*name.split("/"), state="closed")

    done = stack.up(delivery(TRAIL), delivery(DNS, CLOSED), preview=False)
    assert done.ok
    assert stack.writes == []
    for name in (DNS, LOGIN):
        [line] = [line.text for line in done.lines if line.text.startswith(f"{name} is closed")]
        assert "changed outside Pulumi" in line
