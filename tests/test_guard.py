from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from cloud_siem import guard
from cloud_siem.guard import Closing, closings, dropped_protection, kept_too_late, may_close
from cloud_siem.kinds import CloseLimit
from cloud_siem.model import Delivery, DeliveryKey, Log, OnRemove, Snapshot, State, by_name
from cloud_siem.settings import Settings
from tests.conftest import HERE

OPEN, CLOSED = State.OPEN, State.CLOSED
PRODUCTS = {"oss": ("a", "b"), "waf": ("a", "b", "c")}


def key(name: str) -> DeliveryKey:
    """From ``oss/a``, or ``oss`` for the whole product."""
    product, _, log = name.partition("/")
    return DeliveryKey(perspective=HERE, product=product, log=log or None)


def delivery(name: str, state: State = OPEN, **more: object) -> Delivery:
    return replace(Delivery(key=key(name), state=state), **more)  # type: ignore[arg-type]


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


ALL = account("oss/a", "oss/b", "waf/a", "waf/b", "waf/c")


def names(closing: Iterable[Closing]) -> list[str]:
    return [one.key.name for one in closing]


# --- what an update would close -------------------------------------------------------------------


def test_what_is_removed_or_declared_closed_closes() -> None:
    before = [delivery("oss/a"), delivery("oss/b"), delivery("waf")]
    after = [delivery("oss/a", CLOSED), delivery("waf")]

    assert names(closings(before, after, ALL)) == ["oss/a", "oss/b"]


def test_what_is_closed_already_or_not_listed_is_no_close() -> None:
    before = [delivery("oss/a"), delivery("oss/b", CLOSED), delivery("rds/x")]

    assert names(closings(before, [], account("oss/b"))) == []


def test_a_product_of_which_some_logs_are_open_is_one_close() -> None:
    assert names(closings([delivery("waf")], [], account("waf/b"))) == ["waf"]
    assert names(closings([delivery("waf", State.PARTIAL)], [], account("waf/b"))) == ["waf"]


def test_what_is_recorded_as_kept_is_left_open() -> None:
    """The engine goes by the flag that it recorded."""
    assert closings([delivery("oss/a", on_remove=OnRemove.KEEP)], [], ALL) == ()


def test_what_is_declared_otherwise_is_no_close() -> None:
    """A single log below the whole product, and the product's other logs below single ones."""
    single, whole = [delivery("waf/a")], [delivery("waf")]

    assert closings(single, whole, ALL) == ()
    assert names(closings(whole, single, ALL)) == ["waf/b", "waf/c"]


def test_a_new_entry_that_is_declared_closed_closes_what_others_opened() -> None:
    """It was open before the stack had it."""
    found = closings([], [delivery("oss/a", CLOSED), delivery("oss/b", CLOSED)], account("oss/a"))

    assert found == (Closing(key=key("oss/a"), adopted=True),)


def test_what_was_adopted_is_told_with_its_close() -> None:
    before = [delivery("oss/a", adopted=True), delivery("oss/b")]

    assert [one.adopted for one in closings(before, [], ALL)] == [True, False]


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
ACCOUNTS = st.builds(
    lambda opened: account(*opened), st.frozensets(NAMES.filter(lambda name: "/" in name))
)


@given(before=DELIVERIES, after=DELIVERIES, seen=ACCOUNTS)
def test_nothing_that_is_declared_open_is_among_the_closes(
    before: list[Delivery], after: list[Delivery], seen: Snapshot
) -> None:
    """Unless the declarations contradict each other, which the stack file does not let through."""
    declared = {log for one in after if one.state is OPEN for log in seen.find(one.key)}
    contradicted = {log for one in after if one.state is CLOSED for log in seen.find(one.key)}
    found = closings(before, after, seen)

    for one in found:
        assert not (set(seen.find(one.key)) - contradicted) & declared
    assert sorted(found, key=lambda one: by_name(one.key)) == list(found)
    assert len({one.key for one in found}) == len(found)


@given(before=DELIVERIES, after=DELIVERIES, seen=ACCOUNTS)
def test_without_a_possible_close_nothing_closes_whatever_the_account_shows(
    before: list[Delivery], after: list[Delivery], seen: Snapshot
) -> None:
    """So the gate need not look then."""
    if not may_close(before, after):
        assert closings(before, after, seen) == ()


# --- the limit ------------------------------------------------------------------------------------


def refusal(
    closing: int, *, limit: str = "5", opened: int = 20, left_open: int = 9, this_run: bool = False
) -> str:
    number = CloseLimit(number=int(limit.rstrip("%")), percent=limit.endswith("%"))
    overridden = frozenset({"close_limit"} if this_run else ())
    return guard.refusal(
        [Closing(key=key(f"oss/{n:02}"), adopted=n < 3) for n in range(closing)],
        opened=opened,
        left_open=left_open,
        settings=Settings(close_limit=number, overridden=overridden),
    )


def test_within_the_limit_nothing_is_refused() -> None:
    assert refusal(5) == refusal(0) == refusal(6, limit="30%") == ""


def test_one_more_is_refused_with_the_numbers_and_the_names() -> None:
    assert refusal(6) == (
        "6 deliveries would close, of a stack that has 20 open; cloud-siem:closeLimit is 5. 3 of"
        " them were open before this stack had them. To close: oss/00, oss/01, oss/02, oss/03,"
        " oss/04, oss/05."
    )
    assert "cloud-siem:closeLimit is 6 (30%)" in refusal(7, limit="30%")
    assert refusal(1, limit="0", opened=0).startswith(
        "1 delivery would close; cloud-siem:closeLimit is 0. It was open before this stack had it."
    )


def test_long_lists_are_cut() -> None:
    """The gate's own diff has all of them."""
    assert refusal(33).endswith(", oss/29 and 3 more.")


def test_the_last_open_log_closes_only_by_a_word_for_this_run() -> None:
    """A limit in the stack file does not count: it was set for another day."""
    last = {"left_open": 0, "limit": "100"}

    assert refusal(1, **last) == (  # type: ignore[arg-type]
        "the last open log of the account would close; nothing would reach the SIEM. It was open"
        " before this stack had it. To close: oss/00."
    )
    assert refusal(1, **last, this_run=True) == ""  # type: ignore[arg-type]


def test_what_is_left_open_is_counted_in_logs() -> None:
    assert guard.left_open([Closing(key=key("waf"))], ALL) == 2
    assert guard.left_open([Closing(key=key("waf/a")), Closing(key=key("oss"))], ALL) == 2


def test_the_undo_is_lines_for_the_stack_file() -> None:
    closing = [Closing(key=key(name)) for name in ("oss/a", "oss/b", "waf")]

    assert guard.undo(closing) == ["oss: {a: open, b: open}", 'waf: {"*": open}']


# --- two steps ------------------------------------------------------------------------------------


def test_what_is_recorded_as_protected_is_neither_closed_nor_dropped() -> None:
    """Whatever the flag says now: taking it off in the same edit does not help."""
    before = [delivery("oss/a", protect=True)]

    for after in ([], [delivery("oss/a", CLOSED)], [delivery("oss", CLOSED)], [delivery("oss/b")]):
        assert dropped_protection(before, after) == (key("oss/a"),)


def test_a_protected_delivery_that_stays_open_may_lose_its_flag() -> None:
    """In an update of its own, also by becoming part of the whole product."""
    before = [delivery("oss/a", protect=True)]

    assert dropped_protection(before, [delivery("oss/a")]) == ()
    assert dropped_protection(before, [delivery("oss")]) == ()
    assert dropped_protection([delivery("oss/a", CLOSED, protect=True)], []) == ()


def test_a_protected_product_is_not_split_in_one_step() -> None:
    """Logs that the account lists one day would not be protected any more."""
    before = [delivery("oss", protect=True)]

    assert dropped_protection(before, [delivery("oss/a"), delivery("oss/b")]) == (key("oss"),)


def test_what_is_removed_without_keep_recorded_is_kept_too_late() -> None:
    before = [delivery("oss/a"), delivery("oss/b", on_remove=OnRemove.KEEP), delivery("waf/a")]

    assert kept_too_late(before, [delivery("waf")]) == (key("oss/a"),)
    assert kept_too_late([delivery("oss/a", CLOSED)], []) == ()


# --- one rule for prediction and deed -------------------------------------------------------------


@given(before=DELIVERIES, after=DELIVERIES, seen=ACCOUNTS)
def test_protection_is_dropped_wherever_something_protected_closes(
    before: list[Delivery], after: list[Delivery], seen: Snapshot
) -> None:
    protected = {one.key for one in before if one.protect and one.state is not CLOSED}
    closing = {one.key for one in closings(before, after, seen)}

    assert protected & closing <= set(dropped_protection(before, after))
