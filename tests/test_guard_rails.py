"""Each guard rail, from its refusal to its way out, through the verbs as the engine calls them.

What a refusal says stands in docs/safety.md, word for word; tests/engine/test_guard_rails.py has
the same on the real engine.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cloud_siem import provider
from cloud_siem.model import Delivery, DeliveryKey, OnRemove, State
from cloud_siem.process import Process
from cloud_siem.provider import LogDeliveryProvider, Shown
from siem_emulator import EmulatorServer
from tests.conftest import HERE
from tests.harness import GATE, SETTLED, Harness, Program, Run

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
        self, *declared: Delivery, refresh: bool = False, preview: bool = True, **more: Any
    ) -> Run:
        program = Program(perspective=HERE, deliveries=declared, **more)
        self.siem.calls.clear()
        return self.harness.up(program, refresh=refresh, preview=preview)

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
    """Hold what a refusal says against docs/safety.md, or write it there with --update-golden."""

    def hold(rule: str, run: Run) -> None:
        block = re.compile(
            rf"(<!-- refusal: {re.escape(rule)} -->\n```text\n)(.*?)(```)", re.DOTALL
        )
        text = DOCS.read_text()
        found = block.search(text)
        assert found, f"{DOCS.name} has no refusal: {rule}"
        if request.config.getoption("--update-golden"):
            wrapped = textwrap.fill(said(run), 98, break_on_hyphens=False) + "\n"
            DOCS.write_text(block.sub(lambda one: one[1] + wrapped + one[3], text))

        assert said(run) == " ".join(block.search(DOCS.read_text())[2].split())  # type: ignore[index]

    return hold


def said(run: Run) -> str:
    return " ".join(" ".join(run.failures).split())


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
        documented("close limit", again)
        assert stack.writes == []
    assert stack.opened() == opened

    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="18")
    assert stack.up(*twenty[:2]).ok
    assert len(stack.writes) == 18


def test_a_destroy_that_closes_more_than_the_limit_closes_nothing(
    stack: Stack, documented: Documented
) -> None:
    """The settled bookend goes first, and refuses for all."""
    twenty = many(stack.siem, 20)
    assert stack.up(*twenty).ok

    for _ in range(5):
        refused = stack.destroy()
        documented("destroy", refused)
        assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="20")
    assert stack.destroy().ok
    assert len(stack.writes) == 20
    assert not stack.harness.state


def test_what_is_left_of_a_destroy_is_refused_until_it_is_allowed(
    stack: Stack, documented: Documented
) -> None:
    """Without the settled bookend nothing counts across runs: four of them would close twenty."""
    assert stack.up(*many(stack.siem, 1)).ok
    stack.harness.state = {
        urn: one for urn, one in stack.harness.state.items() if urn[1] != SETTLED
    }

    refused = stack.destroy()
    documented("no bookend", refused)
    assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="1")
    assert stack.destroy().ok


def test_a_failed_update_cannot_be_finished_beyond_the_limit(stack: Stack) -> None:
    """The gate has recorded the cut by then; each write is counted all the same."""
    eight = many(stack.siem, 8)
    assert stack.up(*eight).ok
    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="7")
    stack.siem.fault("error_mapping", action="CloseDelivery")
    assert not stack.up(*eight[:1]).ok
    stack.siem.faults.clear()
    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="")

    refused = stack.up(*eight[:1], preview=False)
    assert "was not closed: 6 deliveries would close" in said(refused)
    assert len(stack.writes) == 5


@pytest.mark.parametrize("limit", ["0", "10%"])
def test_a_limit_may_be_a_share_or_nothing(stack: Stack, limit: str) -> None:
    """Ten percent of five declared open are none."""
    five = many(stack.siem, 5)
    stack.harness.config = {"cloud-siem:closeLimit": limit}
    assert stack.up(*five).ok

    assert "cloud-siem:closeLimit is 0" in said(stack.up(*five[:4]))
    assert stack.writes == []


def test_the_last_open_log_is_closed_by_no_stack_file(stack: Stack, documented: Documented) -> None:
    """Nothing would reach the SIEM any more; a limit of the stack file does not allow it."""
    stack.harness.config = {"cloud-siem:closeLimit": "100"}
    assert stack.up(delivery(TRAIL)).ok

    refused = stack.up(delivery(TRAIL, CLOSED))
    documented("last open log", refused)
    assert stack.writes == []

    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="1")
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
    assert "7 deliveries would close, of a stack that has 7 open" in said(refused)
    assert stack.writes == []


def test_what_closes_is_told_with_the_lines_that_undo_it(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    """At preview, before anything is closed, and again by the update."""
    assert stack.up(delivery(TRAIL), delivery(DNS), delivery("waf")).ok
    capfd.readouterr()
    stack.preview(delivery(TRAIL))
    told = capfd.readouterr().out

    assert told == (
        f"2 deliveries close: {DNS}, waf. To undo it, declare them open and run `pulumi up`:\n"
        "    sas: {cloud_siem_aegis_dns: open}\n"
        '    waf: {"*": open}\n'
    )


def test_with_target_a_delete_is_refused(stack: Stack, documented: Documented) -> None:
    """What else declares the log is hidden from the run."""
    assert stack.up(delivery(TRAIL), delivery(DNS)).ok
    provider.begin(Process({}, stack.harness.environ, folder=Path("/")))
    kept, gone = (stack.harness.by_name[name] for name in (TRAIL, DNS))
    LogDeliveryProvider().check(kept.inputs, kept.inputs)
    stack.siem.calls.clear()

    with pytest.raises(Shown) as caught:
        LogDeliveryProvider().delete(gone.id, gone.outputs)
    documented("target", Run(steps=(), failures=(str(caught.value),)))
    assert stack.writes == []


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
    assert not refused.ok
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
    stack.allow(CLOUD_SIEM_CLOSE_LIMIT="100")

    refused = stack.destroy()
    assert f"{DNS} is recorded as protected" in said(refused)
    assert "Nothing was closed." in said(refused)
    assert stack.writes == []


# --- keep -----------------------------------------------------------------------------------------


def test_keep_that_comes_with_the_removal_comes_too_late(
    stack: Stack, documented: Documented
) -> None:
    """The engine goes by what it recorded, and would close it; in two steps it is left open."""
    assert stack.up(delivery(TRAIL), delivery(DNS)).ok
    keep: Mapping[str, Any] = {"on_remove": OnRemove.KEEP}

    refused = stack.up(delivery(TRAIL, **keep), **keep)
    documented("keep", refused)
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

    assert "1 of them was open before this stack had it." in said(stack.up(delivery(TRAIL)))
    assert "2 of them were open before this stack had them." in said(stack.destroy())


# --- by hand --------------------------------------------------------------------------------------


def test_what_was_switched_by_hand_meanwhile_is_not_written_and_told(
    stack: Stack, capfd: pytest.CaptureFixture[str]
) -> None:
    """Between the preview and the update, or since it was recorded: the update looks again."""
    assert stack.up(delivery(TRAIL), delivery(DNS), delivery(LOGIN)).ok
    assert stack.preview(delivery(TRAIL), delivery(DNS, CLOSED)).ok
    for name in (DNS, LOGIN):
        stack.siem.switch(*name.split("/"), state="closed")
    capfd.readouterr()

    assert stack.up(delivery(TRAIL), delivery(DNS, CLOSED), preview=False).ok
    told = capfd.readouterr().out
    assert stack.writes == []
    assert f"{DNS} is closed already: it was switched by hand, or by another run" in told
    assert f"{LOGIN} is closed already: it was switched by hand, or by another run" in told
