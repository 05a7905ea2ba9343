"""What the drift review says of one stack, and that it says what the engine would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cloud_siem.drift import DEFAULT_FAIL_ON, Comparison, Kind, compare
from cloud_siem.loading import load_stack_file
from cloud_siem.model import Delivery, DeliveryKey, Log, Snapshot, State, View
from cloud_siem.properties import GateBag, read_entries
from cloud_siem.recorded import Recorded
from cloud_siem.stack import Stack, build_stack
from siem_emulator import EmulatorServer
from tests.conftest import ACCOUNT, HERE, FakeTime, api_at
from tests.edits import LOGS, ByHand, Declare, Entry, Join, Remove, Split, small_world
from tests.edits import Stack as Edited
from tests.exports import exported_by
from tests.harness import Harness, Program

BASE = {"cloud-siem:account": ACCOUNT, "cloud-siem:region": "cn-hangzhou"}
NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
WHOSE = f"(account {ACCOUNT}, cn-hangzhou)"


def stack(deliveries: Mapping[str, Any], **keys: object) -> Stack:
    config = {f"cloud-siem:{key}": value for key, value in keys.items()}
    return build_stack({**BASE, "cloud-siem:deliveries": deliveries, **config}, name="prod")


def seen(logs: Mapping[str, str], *, at: datetime = NOW) -> Snapshot:
    """An account with these logs; ``!`` after a state says that the caller cannot switch it."""
    return Snapshot(
        perspective=HERE,
        logs=tuple(
            Log(
                product=name.partition("/")[0],
                log=name.partition("/")[2],
                state=State(state.removesuffix("!")),
                operable=not state.endswith("!"),
            )
            for name, state in sorted(logs.items())
        ),
        taken_at=at,
    )


def told(comparison: Comparison) -> list[tuple[str, str]]:
    """Kind and sentence of each finding, without whose it is."""
    return [(one.kind.value, one.sentence.replace(f" {WHOSE}", "")) for one in comparison.findings]


def key(product: str, log: str | None) -> DeliveryKey:
    return DeliveryKey(perspective=HERE, product=product, log=log)


# --- what is declared -----------------------------------------------------------------------------


def test_a_finding_is_a_sentence_with_what_is_and_what_is_declared_and_whose_it_is() -> None:
    found = compare(stack({"sas": {"proc": "open"}}), seen({"sas/proc": "closed"}))

    (finding,) = found.findings
    assert finding.kind is Kind.DRIFTED
    assert finding.sentence == f"sas/proc is closed, declared open {WHOSE}"


def test_drift_goes_both_ways_and_says_why_something_was_closed() -> None:
    declared = {"sas": {"a": "open", "b": {"state": "closed", "reason": "CHG-1 too loud"}}}
    found = compare(stack(declared), seen({"sas/a": "closed", "sas/b": "open"}))

    assert told(found) == [
        ("drifted", "sas/a is closed, declared open"),
        ("drifted", "sas/b is open, declared closed; declared closed for: CHG-1 too loud"),
    ]


def test_of_a_whole_product_the_odd_logs_are_named() -> None:
    account = seen({"waf/a": "open", "waf/b": "closed", "waf/c": "closed"})
    found = compare(stack({"waf": {"*": "open"}}), account)

    assert told(found) == [
        ("drifted", "waf is partial, declared open: b is closed, c is closed"),
    ]
    assert [log.log for log in found.findings[0].odd] == ["b", "c"]


def test_what_is_as_declared_is_no_finding() -> None:
    declared = {"sas": {"a": "open", "b": "closed"}, "waf": {"*": "closed"}}
    account = seen({"sas/a": "open", "sas/b": "closed", "waf/a": "closed", "waf/b": "closed"})
    found = compare(stack(declared), account)

    assert found.findings == ()
    assert (found.declared, found.as_declared) == (3, 3)


def test_what_the_account_does_not_list_is_missing() -> None:
    found = compare(stack({"sas": {"a": "open"}, "oss": {"*": "closed"}}), seen({"cfw/x": "open!"}))

    assert [one for one in told(found) if one[0] == "missing"] == [
        ("missing", "oss is not listed by the account, declared closed"),
        ("missing", "sas/a is not listed by the account, declared open"),
    ]


def test_a_dark_log_that_nobody_here_may_switch_is_drifted_all_the_same() -> None:
    """And counts as inoperable besides: `--fail-on drifted` must not miss it."""
    found = compare(stack({"sas": {"a": "open"}}), seen({"sas/a": "closed!"}))

    assert told(found) == [
        ("drifted", "sas/a is closed, declared open; this caller may not operate it")
    ]
    assert found.failing({Kind.DRIFTED}) == found.failing({Kind.INOPERABLE}) == found.findings
    assert found.failing({Kind.MISSING}) == ()


def test_what_is_as_declared_and_cannot_be_switched_is_inoperable_and_does_not_count() -> None:
    account = seen({"sas/a": "open!", "waf/x": "open", "waf/y": "open!"})
    found = compare(stack({"sas": {"a": "open"}, "waf": {"*": "open"}}), account)

    assert told(found) == [
        ("inoperable", "sas/a is open, as declared; this caller may not operate it"),
        ("inoperable", "waf is open, as declared; this caller may not operate it (y)"),
    ]
    assert found.failing(DEFAULT_FAIL_ON) == ()


# --- what is not declared -------------------------------------------------------------------------


def test_what_is_open_and_not_declared_is_unmanaged_and_coverage_is_the_rest() -> None:
    account = seen({"sas/a": "open", "sas/b": "open", "sas/c": "closed", "waf/a": "open"})
    found = compare(stack({"sas": {"a": "open"}, "waf": {"*": "open"}}), account)

    assert told(found) == [("unmanaged", "sas/b is open, not declared")]
    assert (found.open_logs, found.covered) == (3, 2)
    assert found.coverage == pytest.approx(2 / 3)
    assert found.failing(DEFAULT_FAIL_ON) == ()


def test_where_nothing_is_open_there_is_no_coverage_to_speak_of() -> None:
    assert compare(stack({}), seen({"sas/a": "closed"})).coverage is None


def test_what_another_stack_file_declares_is_not_unmanaged() -> None:
    account = seen({"sas/a": "open", "sas/b": "open", "waf/a": "open"})
    elsewhere = [key("sas", "b"), key("waf", None)]
    found = compare(stack({"sas": {"a": "open"}}), account, elsewhere=elsewhere)

    assert found.findings == ()
    assert found.coverage == 1


KEYS = st.builds(key, st.sampled_from(["sas", "waf"]), st.sampled_from(["a", "b", None]))


@given(st.lists(KEYS, max_size=4), st.sampled_from(["sas/a", "sas/b", "waf/a", "waf/b"]))
def test_an_open_log_is_unmanaged_just_when_no_declared_delivery_covers_it(
    declared: list[DeliveryKey], name: str
) -> None:
    """By the rule that guards deletes, which does not tell views apart."""
    elsewhere = [
        DeliveryKey(
            perspective=HERE
            if number % 2
            else type(HERE)(account=ACCOUNT, region=HERE.region, view=View.ENTERPRISE),
            product=one.product,
            log=one.log,
        )
        for number, one in enumerate(declared)
    ]
    product, _, log = name.partition("/")
    found = compare(stack({}), seen({name: "open"}), elsewhere=elsewhere)

    covered = any(one.covers(key(product, log)) for one in elsewhere)
    assert [one.kind for one in found.findings] == ([] if covered else [Kind.UNMANAGED])


# --- ignores --------------------------------------------------------------------------------------


def ignoring(pattern: str, until: str = "2026-01-31") -> list[dict[str, str]]:
    return [{"delivery": pattern, "reason": "INC-7", "until": until}]


def test_what_is_ignored_is_told_with_reason_and_end_and_does_not_count() -> None:
    declared = {"sas": {"a": "open", "b": "open", "c": "open"}}
    account = seen({"sas/a": "closed", "sas/b": "closed", "oss/x": "open"})
    ignores = [*ignoring("sas/a"), *ignoring("sas/c"), *ignoring("oss/*")]
    found = compare(stack(declared, driftIgnore=ignores), account)

    until = "ignored until 2026-01-31: INC-7"
    assert told(found) == [
        ("drifted", "sas/b is closed, declared open"),
        ("ignored", f"oss/x is open, not declared; {until}"),
        ("ignored", f"sas/a is closed, declared open; {until}"),
        ("ignored", f"sas/c is not listed by the account, declared open; {until}"),
    ]
    assert [one.delivery for one in found.failing(set(Kind) - {Kind.IGNORED})] == ["sas/b"]


def test_an_ignore_that_is_over_is_told_and_what_it_was_about_counts_again() -> None:
    declared = stack({"sas": {"a": "open"}}, driftIgnore=ignoring("sas/a", "2026-01-30"))
    found = compare(declared, seen({"sas/a": "closed"}))

    assert told(found) == [
        ("drifted", "sas/a is closed, declared open; its ignore ended on 2026-01-30: INC-7"),
        ("expired", "the ignore of sas/a ended on 2026-01-30: INC-7"),
    ]
    assert [one.kind for one in found.failing(DEFAULT_FAIL_ON)] == [Kind.DRIFTED]


def test_of_two_ignores_the_one_that_still_holds_counts() -> None:
    ignores = [*ignoring("sas/a", "2026-01-01"), *ignoring("sas/*")]
    found = compare(stack({"sas": {"a": "open"}}, driftIgnore=ignores), seen({"sas/a": "closed"}))

    assert [one.kind for one in found.findings] == [Kind.EXPIRED, Kind.IGNORED]


@pytest.mark.parametrize(
    ("moment", "holds"),
    [
        (datetime(2026, 1, 31, 23, 59, tzinfo=UTC), True),
        (datetime(2026, 2, 1, 0, 0, tzinfo=UTC), False),
        # In Singapore it is February; what counts is UTC.
        (datetime(2026, 2, 1, 1, 0, tzinfo=timezone(timedelta(hours=8))), True),
    ],
)
def test_today_is_the_day_of_the_look_in_utc(moment: datetime, *, holds: bool) -> None:
    declared = stack({"sas": {"a": "open"}}, driftIgnore=ignoring("sas/a"))
    found = compare(declared, seen({"sas/a": "closed"}, at=moment))

    assert (found.findings[0].kind is Kind.IGNORED) is holds


def test_of_a_whole_product_single_logs_can_be_ignored() -> None:
    """The others count; when all odd ones are ignored, nothing does."""
    account = seen({"waf/a": "closed", "waf/b": "closed", "waf/c": "open"})

    some = compare(stack({"waf": {"*": "open"}}, driftIgnore=ignoring("waf/a")), account)
    all_ = compare(
        stack({"waf": {"*": "open"}}, driftIgnore=[*ignoring("waf/a"), *ignoring("waf/b")]),
        account,
    )

    assert told(some) == [("drifted", "waf is partial, declared open: b is closed")]
    assert [(one.kind, one.ignore is not None) for one in all_.findings] == [(Kind.IGNORED, True)]
    assert {one.log: one.kind for one in some.logs} == {
        "a": Kind.IGNORED,
        "b": Kind.DRIFTED,
        "c": None,
    }


# --- the third side -------------------------------------------------------------------------------


def recorded(states: Mapping[str, str], *, ended: bool = True) -> Recorded:
    """As the last update left it: by name, in the words of the gate."""
    words = {name if "/" in name else f"{name}/*": said for name, said in states.items()}
    told = read_entries(HERE, words)
    by_key = {one.key: one for one in told}
    return Recorded(
        perspective=HERE,
        deliveries=by_key,
        gate=GateBag(perspective=HERE, stack="prod", deliveries=told),
        settled=by_key if ended else None,
    )


BY_HAND = "changed since the last pulumi up, and not by it"
OPTIONS = "recorded with other options or another reason: the next pulumi up sets that right"
CASES = {
    "changed by hand": ("open", "closed", "open", "drifted", BY_HAND),
    "declared and not yet applied": (
        "open",
        "closed",
        "closed",
        "unapplied",
        "not applied yet: the last pulumi up recorded closed",
    ),
    "new and not yet applied": (
        "open",
        "closed",
        None,
        "unapplied",
        "not applied yet: no pulumi up has recorded it",
    ),
    "as declared, which no update knows": (
        "open",
        "open",
        None,
        "unapplied",
        "not applied yet: no pulumi up has recorded it",
    ),
    "as declared by now, by hand": (
        "open",
        "open",
        "closed",
        "unapplied",
        "not applied yet: the last pulumi up recorded closed",
    ),
    "in sync": ("open", "open", "open", "", ""),
    "missing, and recorded": ("open", None, "open", "missing", ""),
}


@pytest.mark.parametrize("case", CASES)
def test_the_third_side_tells_who_is_behind(case: str) -> None:
    declared, observed, before, kind, tail = CASES[case]
    account = {"cfw/x": "closed"} | ({"sas/a": observed} if observed else {})
    found = compare(
        stack({"sas": {"a": declared}}),
        seen(account),
        recorded=recorded({"sas/a": before} if before else {}),
    )

    assert [(one.kind.value, one.sentence.endswith(tail)) for one in found.findings] == (
        [(kind, True)] if kind else []
    )


def test_both_at_once_is_drift() -> None:
    """Nobody knows what the next update would have found."""
    account = seen({"waf/a": "open", "waf/b": "closed"})
    declared = stack({"waf": {"*": "open"}})
    found = compare(declared, account, recorded=recorded({"waf": "closed"}))

    assert told(found) == [
        (
            "drifted",
            f"waf is partial, declared open: b is closed; {BY_HAND}, which recorded closed",
        )
    ]


def test_options_that_no_update_has_applied_are_told() -> None:
    """As the engine sees them: they are part of what the gate is told."""
    declared = stack({"sas": {"a": {"state": "open", "protect": True}}})
    found = compare(declared, seen({"sas/a": "open"}), recorded=recorded({"sas/a": "open"}))

    assert told(found) == [
        (
            "unapplied",
            f"sas/a is open, as declared; {OPTIONS}",
        )
    ]


def test_what_is_recorded_and_no_longer_declared_is_not_yet_applied_and_not_unmanaged() -> None:
    account = seen({"sas/a": "open", "sas/b": "open"})
    found = compare(stack({}), account, recorded=recorded({"sas/a": "open", "cfw/x": "open"}))

    assert told(found) == [
        (
            "unapplied",
            "cfw/x is not listed, no longer declared; the last pulumi up recorded it as open",
        ),
        (
            "unapplied",
            "sas/a is open, no longer declared; the last pulumi up recorded it as open",
        ),
        ("unmanaged", "sas/b is open, not declared"),
    ]


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        (Recorded(perspective=HERE), "no pulumi up has recorded this stack"),
        (recorded({}, ended=False), "the last pulumi up did not come to its end"),
    ],
)
def test_an_update_that_is_due_whatever_is_declared_is_told(
    record: Recorded, sentence: str
) -> None:
    assert told(compare(stack({}), seen({}), recorded=record)) == [("unapplied", sentence)]


def test_another_programs_deliveries_need_no_bookends() -> None:
    alone = Delivery(key=key("sas", "a"), state=State.OPEN)
    record = Recorded(perspective=HERE, deliveries={alone.key: alone})
    found = compare(stack({"sas": {"a": "open"}}), seen({"sas/a": "open"}), recorded=record)

    assert found.findings == ()


# --- order and matrix -----------------------------------------------------------------------------


def test_findings_come_by_kind_and_name_and_the_matrix_has_every_log() -> None:
    declared = {"sas": {"b": "open", "a": "open"}, "cfw": {"x": "open"}, "oss": {"gone": "open"}}
    account = {"sas/a": "closed", "sas/b": "closed", "cfw/x": "open", "cfw/y": "open"}
    found = compare(stack(declared), seen(account))

    assert [(one.kind.value, one.delivery) for one in found.findings] == [
        ("drifted", "sas/a"),
        ("drifted", "sas/b"),
        ("missing", "oss/gone"),
        ("unmanaged", "cfw/y"),
    ]
    assert [
        (
            f"{one.product}/{one.log}",
            one.observed and one.observed.value,
            one.declared and one.declared.value,
            one.kind and one.kind.value,
        )
        for one in found.logs
    ] == [
        ("cfw/x", "open", "open", None),
        ("cfw/y", "open", None, "unmanaged"),
        ("oss/gone", None, "open", "missing"),
        ("sas/a", "closed", "open", "drifted"),
        ("sas/b", "closed", "open", "drifted"),
    ]


def test_a_finding_says_where_it_is_declared(tmp_path: Path) -> None:
    file = tmp_path / "Pulumi.prod.yaml"
    lines = (f'account: "{ACCOUNT}"', "region: cn-hangzhou", "deliveries: {sas: {a: open}}")
    text = "".join(f"  cloud-siem:{line}\n" for line in lines)
    file.write_text(f"config:\n{text}", encoding="utf-8")
    (finding,) = compare(load_stack_file(file, {}), seen({"sas/a": "closed"})).findings

    assert str(finding.place) == f"{file}:4:36"


# --- one truth ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """Say something else of an entry that there is."""

    number: int
    entry: Entry

    def of(self, stack: Edited) -> Edited:
        keys = sorted(stack.declared, key=str)
        if not keys:
            return stack
        changed = keys[self.number % len(keys)]
        return replace(stack, declared={**stack.declared, changed: self.entry})


PLACES = st.sampled_from([(product, log) for product, logs in LOGS.items() for log in logs])
PRODUCTS = st.sampled_from(sorted(LOGS))
RARELY = st.sampled_from([False, False, False, True])
STATES = st.sampled_from([State.OPEN, State.CLOSED])
ENTRIES = st.builds(Entry, state=STATES, protect=RARELY, keep=RARELY).map(
    lambda one: replace(one, protect=one.protect and one.state is State.OPEN)
)
FIRST = st.one_of(
    st.builds(lambda place, entry: Declare(place[0], place[1], entry), PLACES, ENTRIES),
    st.builds(lambda product, entry: Declare(product, None, entry), PRODUCTS, ENTRIES),
)
LATER = st.one_of(
    FIRST,
    st.builds(Change, st.integers(0, 6), ENTRIES),
    st.builds(Remove, st.integers(0, 6)),
    st.builds(Split, PRODUCTS, st.frozensets(st.integers(0, 2), min_size=1)),
    st.builds(Join, PRODUCTS),
)
HAPPENED = (
    "nothing",
    "edited",
    "options edited",
    "reasons edited",
    "switched",
    "switched, refreshed",
    "switched, refreshed, switched after",
    "edited, switched",
    "options edited, switched",
    "gone",
    "gone, refreshed",
    "refused",
    "refused, refreshed",
    "not shown",
    "not shown, switched",
)
"""What has happened since the first update."""


@pytest.fixture(scope="module")
def small() -> Iterator[EmulatorServer]:
    """The small world; each example begins it anew."""
    with EmulatorServer(small_world()) as server:
        yield server


@pytest.mark.parametrize("happened", HAPPENED)
@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    first=st.lists(FIRST, min_size=1, max_size=4),
    later=st.lists(LATER, min_size=1, max_size=2),
    hands=st.lists(st.builds(ByHand, PLACES, STATES), min_size=1, max_size=2),
)
def test_it_is_in_sync_just_when_the_engine_would_change_nothing(
    small: EmulatorServer,
    first: list[Any],
    later: list[Any],
    hands: list[ByHand],
    happened: str,
) -> None:
    """Whatever was declared, applied, half applied, switched by hand, refreshed or disconnected;
    on the harness, in hundreds. tests/engine/test_drift.py holds some against the real engine.
    """
    small.reset()
    harness = harness_on(small)
    declared = edited(Edited(), first)
    harness.up(with_reasons(declared.program, "one"))
    program = declared_after(happened, declared, later)
    if "refused" in happened:
        small.fault("data_false", action="CloseDelivery")
        small.fault("data_false", action="OpenDelivery")
    if "not shown" in happened:
        small.fault("stale_reads", seconds=60)
    if small.faults.to_list():
        harness.up(program, preview=False)
        small.faults.clear()
    befall(happened, small, harness, hands)
    if "switched after" in happened:
        switch(small, hands[::-1])
    found = compare(
        Stack(name="dev", perspective=HERE, deliveries=program.deliveries),
        api_at(small.url).look(),
        recorded=exported_by(harness),
    )
    previewed = harness.preview(program, refresh=True)
    changes = [step for step in previewed.steps if step[0] not in ("refresh", "gone")]

    would_change = bool(changes) or not previewed.ok
    assert bool(found.failing(DEFAULT_FAIL_ON)) is would_change, (previewed, found.findings)


def harness_on(siem: EmulatorServer, **config: object) -> Harness:
    return Harness(
        environ={
            "CLOUD_SIEM_ENDPOINT": siem.url,
            "CLOUD_SIEM_REQUEST_RATE": "100000",
            "CLOUD_SIEM_DEADLINE": "1",
        },
        clock=FakeTime().clock,
        config=config,
    )


def declared_after(happened: str, declared: Edited, later: list[Any]) -> Program:
    """What the stack declares once this has happened to its file."""
    if "options" in happened:
        kept = {key: replace(one, keep=not one.keep) for key, one in declared.declared.items()}
        declared = replace(declared, declared=kept)
    elif {"edited", "refused", "not shown"} & set(happened.split(", ")):
        declared = edited(declared, later)
    return with_reasons(declared.program, "another" if "reasons" in happened else "one")


def befall(happened: str, siem: EmulatorServer, harness: Harness, hands: list[ByHand]) -> None:
    """What happens outside the stack's file."""
    if "switched" in happened:
        switch(siem, hands)
    if "gone" in happened:
        siem.control("disconnect", product="oss")
    if "refreshed" in happened:
        harness.refresh()


def edited(stack: Edited, edits: list[Any]) -> Edited:
    for edit in edits:
        stack = edit.of(stack)
    return stack


def with_reasons(program: Program, reason: str) -> Program:
    """Whatever is closed says why."""
    said = tuple(
        replace(one, reason=reason if one.state is State.CLOSED else "")
        for one in program.deliveries
    )
    return replace(program, deliveries=said)


def switch(siem: EmulatorServer, hands: list[ByHand]) -> None:
    for one in hands:
        siem.switch(*one.place, state=one.state.value)


# --- docs -----------------------------------------------------------------------------------------


def test_the_docs_have_the_table_of_kinds() -> None:
    text = (Path(__file__).parent.parent / "docs" / "drift.md").read_text(encoding="utf-8")
    rows = "".join(f"| `{one.value}` | {one.doc} |\n" for one in Kind)

    assert f"-->\n| kind | what it is |\n|---|---|\n{rows}<!-- /kinds -->" in text
