"""Which logs a run would close, and which rules that breaks."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cloud_siem import guard
from cloud_siem.codes import Code
from cloud_siem.errors import Refusal
from cloud_siem.guard import Closing, Conflict, closing_entries, closings, dropped_protection
from cloud_siem.kinds import CloseLimit
from cloud_siem.loading import load_stack_file
from cloud_siem.model import (
    Delivery,
    DeliveryKey,
    KeyIndex,
    Log,
    OnRemove,
    Snapshot,
    State,
    View,
    by_name,
)
from cloud_siem.settings import LogName, Settings
from tests.conftest import ACCOUNT, HERE

OPEN, CLOSED, PARTIAL = State.OPEN, State.CLOSED, State.PARTIAL
KEEP = OnRemove.KEEP
PRODUCTS = {"oss": ("a", "b"), "waf": ("a", "b", "c")}


def key(name: str) -> DeliveryKey:
    """From ``oss/a``, or ``oss`` for all logs of the product."""
    product, _, log = name.partition("/")
    return DeliveryKey(perspective=HERE, product=product, log=log or None)


def delivery(name: str, state: State = OPEN, **more: Any) -> Delivery:
    return Delivery(key=key(name), state=state, **more)


def account(*opened: str) -> Snapshot:
    """An account in which only these logs are open."""
    logs = tuple(
        Log(
            product=product,
            log=log,
            state=OPEN if f"{product}/{log}" in opened else CLOSED,
            operable=True,
        )
        for product, codes in PRODUCTS.items()
        for log in codes
    )
    return Snapshot(perspective=HERE, logs=logs, taken_at=datetime(2025, 10, 9, tzinfo=UTC))


def closed(seen: Snapshot, written: DeliveryKey) -> Snapshot:
    """What the account shows after a close."""
    logs = (
        replace(log, state=CLOSED) if written.covers(key(f"{log.product}/{log.log}")) else log
        for log in seen.logs
    )
    return replace(seen, logs=tuple(logs))


ALL = account("oss/a", "oss/b", "waf/a", "waf/b", "waf/c")
WAF = ["waf/a", "waf/b", "waf/c"]


def names(closing: Iterable[Closing]) -> list[str]:
    return [one.key.name for one in closing]


def closing(*logs: str, entry: str = "") -> list[Closing]:
    return [Closing(key=key(name), entry=key(entry or name)) for name in logs]


# --- strategies -----------------------------------------------------------------------------------

NAMES = st.sampled_from(
    [*PRODUCTS, *(f"{product}/{log}" for product, logs in PRODUCTS.items() for log in logs)]
)
DELIVERIES = st.lists(
    st.builds(
        delivery,
        NAMES,
        st.sampled_from([OPEN, OPEN, CLOSED]),
        on_remove=st.sampled_from(OnRemove),
        protect=st.booleans(),
        adopted=st.booleans(),
    ),
    unique_by=lambda one: one.key,
    max_size=6,
)


def consistent(deliveries: Sequence[Delivery]) -> bool:
    """Whether no two of them want one log in different states, which a check refuses."""
    return not any(
        one.state is not other.state and one.key.overlaps(other.key)
        for one in deliveries
        for other in deliveries
    )


CONSISTENT = DELIVERIES.filter(consistent)
ACCOUNTS = st.builds(
    lambda opened: account(*opened), st.frozensets(NAMES.filter(lambda name: "/" in name))
)


# --- what an update would close -------------------------------------------------------------------


def test_what_is_removed_or_declared_closed_closes() -> None:
    before = [delivery("oss/a"), delivery("oss/b"), delivery("waf")]
    after = [delivery("oss/a", CLOSED), delivery("waf")]

    assert names(closings(before, after, ALL).logs) == ["oss/a", "oss/b"]


def test_what_is_closed_already_or_not_listed_is_not_closed() -> None:
    before = [delivery("oss/a"), delivery("oss/b", CLOSED), delivery("rds/x")]

    assert closings(before, [], account("oss/b")).logs == ()


def test_a_product_closes_with_each_of_its_open_logs() -> None:
    """So that everything that counts, counts logs."""
    found = closings([delivery("waf")], [], ALL)

    assert names(found.logs) == WAF
    assert found.entries == {key("waf")}
    assert names(closings([delivery("waf")], [], account("waf/b")).logs) == ["waf/b"]
    assert names(closings([delivery("waf", PARTIAL)], [], account("waf/b")).logs) == ["waf/b"]
    assert names(closings([], [delivery("waf", CLOSED)], account("waf/b")).logs) == ["waf/b"]


def test_what_is_recorded_as_kept_is_left_open() -> None:
    """Pulumi goes by the flag that it recorded."""
    assert closings([delivery("oss/a", on_remove=KEEP)], [], ALL).logs == ()
    assert guard.kept([delivery("oss/a", on_remove=KEEP), delivery("oss/b")], []) == {key("oss/a")}


def test_what_is_declared_under_another_name_does_not_close() -> None:
    """A single log below all logs of its product, and the product's other logs."""
    single, whole = [delivery("waf/a")], [delivery("waf")]

    assert closings(single, whole, ALL).logs == ()
    assert names(closings(whole, single, ALL).logs) == ["waf/b", "waf/c"]


def test_what_is_covered_by_an_entry_that_is_declared_closed_closes() -> None:
    """An entry that covers another one keeps it open only if it is open itself."""
    before = [delivery("waf/a", protect=True), delivery("waf/b")]
    found = closings(before, [delivery("waf", CLOSED)], account("waf/a", "waf/b"))

    assert names(found.logs) == ["waf/a", "waf/b"]
    assert found.entries == {key("waf")}


def test_a_new_entry_that_is_declared_closed_closes_what_others_opened() -> None:
    """It was open before the stack had it."""
    found = closings([], [delivery("oss/a", CLOSED), delivery("oss/b", CLOSED)], account("oss/a"))

    assert found.logs == (Closing(key=key("oss/a"), entry=key("oss/a"), adopted=True),)


def test_what_was_adopted_is_marked_in_its_close() -> None:
    before = [delivery("oss/a", adopted=True), delivery("oss/b")]

    assert [one.adopted for one in closings(before, [], ALL).logs] == [True, False]


def test_what_another_stack_declares_open_is_released() -> None:
    """An entry that was moved to another stack file does not close with the first one's update."""
    found = closings([delivery("waf")], [], ALL, lambda log: "prod" if log.log == "b" else "")

    assert names(found.logs) == ["waf/a", "waf/c"]
    assert found.released == {key("waf")}
    assert found.conflicts == ()


def test_what_is_declared_closed_here_and_open_elsewhere_is_a_conflict() -> None:
    before, after = [delivery("oss/a")], [delivery("oss/a", CLOSED)]
    found = closings(before, after, ALL, lambda _: "prod")

    assert found.conflicts == (Conflict(key=key("oss/a"), entry=key("oss/a"), stack="prod"),)
    [refusal] = guard.declared_elsewhere(found.conflicts)
    assert (refusal.code, refusal.entry) == (Code.DECLARED_ELSEWHERE, "oss/a")
    assert "stack prod" in str(refusal)


@given(before=DELIVERIES, after=CONSISTENT, seen=ACCOUNTS)
def test_each_close_is_of_an_open_log_that_nothing_declares_open(
    before: list[Delivery], after: list[Delivery], seen: Snapshot
) -> None:
    """Each once, in order, by an entry that covers it."""
    declared = KeyIndex(one.key for one in after if one.state is OPEN)
    found = closings(before, after, seen).logs

    for one in found:
        assert seen.state_of(one.key) is OPEN
        assert one.key.log is not None
        assert not declared.covers(one.key)
        assert one.entry.covers(one.key)
        assert one.entry in {each.key for each in (*before, *after)}
    assert sorted(found, key=lambda one: by_name(one.key)) == list(found)
    assert len({one.key for one in found}) == len(found)


@given(before=DELIVERIES, after=DELIVERIES, seen=ACCOUNTS)
def test_only_the_entries_that_may_close_something_do(
    before: list[Delivery], after: list[Delivery], seen: Snapshot
) -> None:
    """So the account need not be asked if there are none."""
    assert closings(before, after, seen).entries <= closing_entries(before, after)


@given(before=DELIVERIES, after=CONSISTENT, seen=ACCOUNTS)
def test_what_the_run_does_is_what_was_announced(
    before: list[Delivery], after: list[Delivery], seen: Snapshot
) -> None:
    """Whatever the verbs do one by one: closed entries first, then what was removed."""
    expected = set(names(closings(before, after, seen).logs))
    declared = {one.key: one.state for one in after}
    recorded = {one.key: one for one in before}
    now = seen
    for entry, state in declared.items():
        was = recorded.get(entry)
        if state is CLOSED and (was is None or was.state is not CLOSED):
            now = closed(now, entry)
    stays = KeyIndex(entry for entry, state in declared.items() if state is OPEN)
    kept = guard.kept(before, after)
    for one in before:
        if one.key in declared or one.state is CLOSED or one.key in kept:
            continue
        shared = stays.overlaps(one.key)
        for call in guard.calls(one.key, now, stays.covers, shared=shared):
            now = closed(now, call)

    gone = {
        f"{log.product}/{log.log}" for log in seen.logs if log.state is OPEN and log not in now.logs
    }
    assert gone == expected


# --- the calls that close -------------------------------------------------------------------------


def calls(removed: str, declared: Iterable[str], seen: Snapshot) -> list[str]:
    stays = KeyIndex(map(key, declared))
    shared = stays.overlaps(key(removed))
    return [one.name for one in guard.calls(key(removed), seen, stays.covers, shared=shared)]


def test_removing_what_nothing_else_declares_closes_it_by_one_call() -> None:
    assert calls("oss/a", ["waf"], ALL) == ["oss/a"]
    assert calls("waf", ["oss"], ALL) == ["waf"]
    assert calls("waf", [], account("oss/a")) == []


def test_removing_what_is_declared_under_another_name_closes_nothing() -> None:
    """A resource that was renamed, or a log that all logs of its product cover now."""
    assert calls("waf/a", ["waf/a"], ALL) == []
    assert calls("waf/a", ["waf"], ALL) == []
    assert calls("waf", ["waf"], ALL) == []


def test_removing_a_product_spares_the_logs_that_are_declared_singly() -> None:
    """The others close one by one, those that are open."""
    assert calls("waf", ["waf/a"], account("waf/a", "waf/b")) == ["waf/b"]


def test_the_same_log_in_another_view_is_spared_too() -> None:
    """Whether views share their switches is unverified."""
    stays = KeyIndex([replace(key("waf/a"), perspective=replace(HERE, view=View.ENTERPRISE))])

    assert guard.calls(key("waf/a"), ALL, stays.covers, shared=True) == ()


@given(seen=ACCOUNTS, removed=NAMES, declared=st.lists(NAMES, max_size=4))
def test_a_removal_closes_all_that_it_may_and_nothing_else(
    seen: Snapshot, removed: str, declared: list[str]
) -> None:
    """What is declared stays as it is, whether it is open or closed."""
    after = seen
    for name in calls(removed, declared, seen):
        assert key(removed).covers(key(name))
        after = closed(after, key(name))

    stays = KeyIndex(map(key, declared))
    for log in after.logs:
        about = key(f"{log.product}/{log.log}")
        if stays.covers(about) or not key(removed).covers(about):
            assert log in seen.logs
        else:
            assert log.state is CLOSED


# --- the limit and the last open log --------------------------------------------------------------


def refusals(
    number: int, *, limit: str = "5", opened: int = 20, left_open: int = 9, **words: Any
) -> list[Refusal]:
    allowed = CloseLimit(number=int(limit.rstrip("%")), percent=limit.endswith("%"))
    return guard.refusals(
        [
            Closing(key=key(f"oss/{n:02}"), entry=key(f"oss/{n:02}"), adopted=n < 3)
            for n in range(number)
        ],
        HERE,
        opened=opened,
        left_open=left_open,
        settings=Settings(close_limit=allowed, **words),
    )


def codes(found: Iterable[Refusal]) -> list[Code]:
    return [one.code for one in found]


def test_within_the_limit_nothing_is_refused() -> None:
    assert refusals(5) == refusals(1) == refusals(6, limit="30%") == []


def test_one_more_is_refused_with_the_numbers_and_the_names() -> None:
    [refusal] = refusals(6)

    assert refusal.code is Code.CLOSE_LIMIT
    assert refusal.message.startswith(f"{HERE}: 6 logs would close; cloud-siem:closeLimit allows 5")
    assert "3 of them were open before this stack had them." in refusal.message
    assert refusal.listed == tuple(f"  close oss/0{n}" for n in range(6))
    assert "CLOUD_SIEM_CLOSE_LIMIT=6" in refusal.remedy
    assert str(refusal).endswith(f" {Code.CLOSE_LIMIT}")


def test_a_percentage_is_shown_with_what_it_is_of() -> None:
    assert "allows 6 (30% of 20 open logs)" in refusals(7, limit="30%")[0].message
    assert "allows 0 (30% of 1 open log)" in refusals(1, limit="30%", opened=1)[0].message


def test_entries_of_all_logs_are_counted_beside_their_logs() -> None:
    assert guard.amount(closing("oss/a")) == "1 log"
    assert guard.amount(closing("oss/a", "oss/b")) == "2 logs"
    assert guard.amount(closing(*WAF, entry="waf")) == "3 logs (1 entry)"
    assert guard.amount([*closing(*WAF, entry="waf"), *closing("oss/a")]) == "4 logs (2 entries)"


def test_long_lists_are_cut() -> None:
    """A refusal lists 30; an announcement lists all."""
    listed = refusals(33)[0].listed

    assert listed[29:] == ("  close oss/29", "  and 3 more")


LAST = frozenset({LogName(account=ACCOUNT, product="oss", log="*")})


def test_the_last_open_log_closes_only_by_its_own_word() -> None:
    """Neither a limit, nor the word for what nothing has authorized, lifts it."""
    limited: dict[str, Any] = {
        "left_open": 0,
        "limit": "100",
        "overridden": frozenset({"close_limit"}),
    }

    assert codes(refusals(1, **limited)) == [Code.LAST_OPEN_LOG]
    assert codes(refusals(1, **limited, closes=LAST)) == [Code.LAST_OPEN_LOG]
    assert refusals(1, **limited, last_logs=LAST) == []


def test_every_log_has_to_be_named_to_be_the_last() -> None:
    some = frozenset({LogName(account=ACCOUNT, product="oss", log="00")})
    [refusal] = refusals(2, left_open=0, last_logs=some)

    assert refusal.code is Code.LAST_OPEN_LOG
    assert f"CLOUD_SIEM_CLOSE_LAST_LOG={ACCOUNT}/oss/00,{ACCOUNT}/oss/01" in refusal.remedy


def test_all_broken_rules_are_reported_at_once() -> None:
    """Each is lifted by its own word alone."""
    assert codes(refusals(6, left_open=0)) == [Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG]
    assert codes(refusals(6, left_open=0, last_logs=LAST)) == [Code.CLOSE_LIMIT]
    assert codes(refusals(6, left_open=0, limit="6")) == [Code.LAST_OPEN_LOG]


def test_what_stays_open_is_counted_in_logs_of_the_account() -> None:
    assert guard.left_open(closing(*WAF, entry="waf"), ALL) == 2
    assert guard.left_open(closing("waf/a", "oss/a"), account("waf/a", "oss/b")) == 1
    assert guard.left_open([], account()) == 0


def test_what_is_open_under_the_record_is_counted_in_logs() -> None:
    """Each once, and only what is open now: a percentage is of these."""
    before = [delivery("waf"), delivery("waf/a"), delivery("oss/a"), delivery("oss/b", CLOSED)]

    assert guard.opened_logs(before, ALL) == 4
    assert guard.opened_logs(before, account("waf/b", "oss/b")) == 1


def test_a_close_is_refused_while_other_stack_files_cannot_be_read() -> None:
    [refusal] = guard.siblings_unknown(["x.yaml is not YAML"], closing("oss/a"))

    assert refusal.code is Code.SIBLINGS_UNKNOWN
    assert "x.yaml is not YAML" in refusal.message
    assert f"CLOUD_SIEM_CLOSE={ACCOUNT}/oss/a" in refusal.remedy
    assert list(guard.siblings_unknown([], closing("oss/a"))) == []
    assert list(guard.siblings_unknown(["x"], [])) == []


# --- two steps ------------------------------------------------------------------------------------


def test_what_is_recorded_as_protected_is_neither_closed_nor_dropped() -> None:
    """Whatever the flag says now: taking it off in the same edit does not help."""
    before = [delivery("oss/a", protect=True)]

    for after in ([], [delivery("oss/a", CLOSED)], [delivery("oss", CLOSED)], [delivery("oss/b")]):
        assert dropped_protection(before, after) == (key("oss/a"),)
        [refusal] = guard.protected(before, after)
        assert (refusal.code, refusal.entry) == (Code.PROTECTED, "oss/a")


def test_a_protected_delivery_that_stays_open_may_lose_its_flag() -> None:
    """In an update of its own; only then may it become part of its product.

    Pulumi keeps the protected resource, and what the gate would no longer know could close with the
    product by the next destroy.
    """
    before = [delivery("oss/a", protect=True)]

    assert dropped_protection(before, [delivery("oss/a")]) == ()
    assert dropped_protection(before, [delivery("oss")]) == (key("oss/a"),)
    assert dropped_protection([delivery("oss/a", CLOSED, protect=True)], []) == ()


def test_a_protected_product_is_not_split_in_one_step() -> None:
    """Logs that the account lists one day would not be protected any more."""
    before = [delivery("oss", protect=True)]

    assert dropped_protection(before, [delivery("oss/a"), delivery("oss/b")]) == (key("oss"),)


def test_a_protected_product_has_no_log_closed_beside_it() -> None:
    before = [delivery("oss", protect=True)]

    assert dropped_protection(before, [*before, delivery("oss/a", CLOSED)]) == (key("oss"),)


def test_what_is_removed_without_keep_recorded_is_kept_too_late() -> None:
    before = [delivery("oss/a"), delivery("oss/b", on_remove=KEEP), delivery("waf/a")]
    [refusal] = guard.kept_too_late(before, [delivery("waf")])

    assert (refusal.code, refusal.entry) == (Code.KEEP_FIRST, "oss/a")
    assert list(guard.kept_too_late([delivery("oss/a", CLOSED)], [])) == []


@given(before=DELIVERIES, after=DELIVERIES, seen=ACCOUNTS)
def test_protection_is_dropped_wherever_something_protected_closes(
    before: list[Delivery], after: list[Delivery], seen: Snapshot
) -> None:
    dropped = dropped_protection(before, after)
    for one in closings(before, after, seen).logs:
        for protected in before:
            if protected.protect and protected.state is OPEN and protected.key.covers(one.key):
                assert protected.key in dropped


# --- what is announced ----------------------------------------------------------------------------


def test_nothing_is_announced_where_nothing_closes() -> None:
    assert guard.announcement([], [delivery("oss/a")], []) == []


def test_an_announcement_has_a_line_for_each_log_and_the_block_that_undoes_it() -> None:
    """The product whole, as it was: with what stays and with its flags."""
    before = [
        delivery("waf/a", protect=True),
        delivery("waf/b", CLOSED, reason="CHG-1: it's loud"),
        delivery("waf/c", on_remove=KEEP),
        delivery("oss"),
        delivery("sas/x"),
    ]
    after = [one for one in before if one.key.name not in ("waf/a", "oss")]
    found = closings(before, after, account("waf/a", "waf/c", "oss/b"))

    assert guard.announcement(found.logs, before, after) == [
        "2 logs close:",
        "  close oss/b",
        "  close waf/a",
        "To undo it, replace these products below cloud-siem:deliveries and run `pulumi up`:",
        "  oss:",
        '    "*": open',
        "  waf:",
        "    a: {state: open, protect: true}",
        "    b: {state: closed, reason: 'CHG-1: it''s loud'}",
        "    c: {state: open, onRemove: keep}",
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stacks")


def pasted(lines: Sequence[str], folder: Path) -> dict[DeliveryKey, Delivery]:
    """What a stack file declares that has nothing but these products."""
    file = folder / "Pulumi.dev.yaml"
    head = f'config:\n  cloud-siem:account: "{ACCOUNT}"\n  cloud-siem:region: cn-hangzhou\n'
    block = textwrap.indent("\n".join(lines), " " * 4)
    file.write_text(f"{head}  cloud-siem:deliveries:\n{block}\n", encoding="utf-8")
    return {one.key: one for one in load_stack_file(file, {}).deliveries}


REASONS = st.sampled_from(["", "CHG-1", 'it\'s: {loud}, "really" # no', "\u592a\u5435"])
ON_REMOVE = st.sampled_from(OnRemove)
STATED: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(dict, state=st.just(OPEN), protect=st.booleans(), on_remove=ON_REMOVE),
    st.builds(dict, state=st.just(CLOSED), reason=REASONS, on_remove=ON_REMOVE),
)


def entries_of(product: str, logs: Sequence[str]) -> st.SearchStrategy[list[Delivery]]:
    """As a stack file has them: all logs of a product, or single ones."""
    single = st.dictionaries(st.sampled_from([f"{product}/{log}" for log in logs]), STATED)
    whole = st.dictionaries(st.just(product), STATED)
    return st.one_of(single, whole).map(
        lambda entries: [delivery(name, **stated) for name, stated in entries.items()]
    )


IN_FILES = st.tuples(*(entries_of(*product) for product in PRODUCTS.items())).map(
    lambda products: [one for entries in products for one in entries]
)


@given(before=IN_FILES, after=IN_FILES, seen=ACCOUNTS)
def test_the_block_that_undoes_an_update_declares_what_was_declared_before(
    folder: Path, before: list[Delivery], after: list[Delivery], seen: Snapshot
) -> None:
    """Pasted, it is a sound stack file: every log that closed is open again, and each product is
    as it was recorded, but for closed entries in whose place something is opened again, and with
    what is new beside it.
    """
    found = closings(before, after, seen).logs
    assume(found)
    declared = pasted(guard.undo(found, before, after), folder)

    products = {one.key.product for one in found}
    assert {one.product for one in declared} == products
    opened = KeyIndex(one.key for one in declared.values() if one.state is OPEN)
    assert all(opened.covers(one.key) for one in found)
    closes = KeyIndex(one.key for one in found)
    for one in before:
        if one.key.product in products and (one.state is OPEN or not closes.overlaps(one.key)):
            assert declared.pop(one.key) == replace(one, adopted=False)
    logs = {one.key for one in found}
    for one in declared.values():
        assert (one.state is OPEN and one.key in logs) or one in after
