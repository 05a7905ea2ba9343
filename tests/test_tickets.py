"""All or none, counted together, and each ticket for one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.codes import Code
from cloud_siem.errors import Refusal
from cloud_siem.guard import Closing
from cloud_siem.kinds import CloseLimit
from cloud_siem.model import DeliveryKey, Log, Snapshot, State, View
from cloud_siem.settings import LogName, Settings
from cloud_siem.tickets import CloseRequest, Tickets
from tests.conftest import ACCOUNT, HERE

ENTERPRISE = replace(HERE, view=View.ENTERPRISE)
LOGS = tuple("abcdefgh")
ALL_NAMED = frozenset({LogName(account=ACCOUNT, product="oss", log="*")})
BROKEN = Refusal(code=Code.PROTECTED, message="It is protected.")


def key(log: str) -> DeliveryKey:
    return DeliveryKey(perspective=HERE, product="oss", log=log)


def account(opened: Iterable[str] = LOGS) -> Snapshot:
    """An account of one product, in which only these logs are open."""
    states = {log: State.OPEN if log in opened else State.CLOSED for log in LOGS}
    logs = tuple(
        Log(product="oss", log=log, state=state, operable=True) for log, state in states.items()
    )
    return Snapshot(perspective=HERE, logs=logs, taken_at=datetime(2025, 10, 9, tzinfo=UTC))


def settings(limit: int | str = 5, **words: Any) -> Settings:
    number = str(limit)
    allowed = CloseLimit(number=int(number.rstrip("%")), percent=number.endswith("%"))
    return Settings(close_limit=allowed, **words)


def request(logs: Iterable[str], *, opened: int = 8, **more: Any) -> CloseRequest:
    closing = [Closing(key=key(log), entry=key(log)) for log in logs]
    return CloseRequest(closing=closing, snapshot=account(), opened=opened, **more)


def codes(refusals: Sequence[Refusal]) -> list[Code]:
    return [one.code for one in refusals]


def given_by(tickets: Tickets, *, creates: bool = True, recorded: bool = False) -> str:
    """The logs that have a ticket."""
    missing = tickets.missing(map(key, LOGS), creates=creates, recorded=recorded)
    return "".join(log for log in LOGS if key(log) not in missing)


# --- all or none ----------------------------------------------------------------------------------


def test_nothing_has_a_ticket_before_it_was_requested() -> None:
    assert given_by(Tickets()) == ""
    assert Tickets().missing([], creates=True, recorded=False) == ()


def test_a_request_within_the_limit_gives_a_ticket_for_each_log() -> None:
    tickets = Tickets()

    assert tickets.request(request("abc"), settings(3)) == ()
    assert given_by(tickets) == "abc"
    assert tickets.missing([key("a"), key("d")], creates=False, recorded=False) == (key("d"),)


def test_a_request_beyond_the_limit_gives_none() -> None:
    tickets = Tickets()

    assert codes(tickets.request(request("abcd"), settings(3))) == [Code.CLOSE_LIMIT]
    assert given_by(tickets) == ""
    assert tickets.request(request("abc"), settings(3)) == (), "and leaves nothing behind"


def test_with_a_broken_rule_of_the_caller_no_ticket_is_given() -> None:
    """It is returned first, with whatever else is broken."""
    tickets = Tickets()

    assert tickets.request(request("a", broken=[BROKEN]), settings()) == (BROKEN,)
    found = tickets.request(request(LOGS, broken=[BROKEN]), settings())
    assert codes(found) == [Code.PROTECTED, Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG]
    assert given_by(tickets) == ""


def test_a_dry_request_only_reports() -> None:
    tickets = Tickets()

    assert tickets.request(request("ab", dry=True), settings()) == ()
    assert codes(tickets.request(request("ab", dry=True), settings(1))) == [Code.CLOSE_LIMIT]
    assert given_by(tickets) == ""


# --- counted together -----------------------------------------------------------------------------


def test_requests_are_counted_together() -> None:
    """A limit of three is for the run, not for each request."""
    tickets = Tickets()
    assert tickets.request(request("ab"), settings(3)) == ()

    [refusal] = tickets.request(request("cd"), settings(3))
    assert "4 logs would close" in refusal.message
    assert given_by(tickets) == "ab"
    assert tickets.request(request("c"), settings(3)) == ()


def test_what_has_a_ticket_does_not_count_twice() -> None:
    """Also when it is seen from another view, which may switch the same."""
    tickets = Tickets()
    assert tickets.request(request("ab"), settings(2)) == ()

    assert tickets.request(request("ab"), settings(2)) == ()
    seen = replace(key("a"), perspective=ENTERPRISE)
    again = replace(request(""), closing=[Closing(key=seen, entry=seen)])
    assert tickets.request(again, settings(2)) == ()
    assert tickets.missing([seen], creates=False, recorded=False) == ()


def test_the_last_open_log_is_found_whichever_request_asks_for_it() -> None:
    tickets = Tickets()
    assert tickets.request(request("abcd"), settings(100)) == ()

    assert codes(tickets.request(request("efgh"), settings(100))) == [Code.LAST_OPEN_LOG]
    assert tickets.request(request("efgh"), settings(100, last_logs=ALL_NAMED)) == ()
    assert given_by(tickets) == "abcdefgh"


def test_a_percentage_is_of_what_all_requests_know_to_be_recorded() -> None:
    """A delivery's own request knows of one log alone, and takes nothing from the gate's."""
    tickets = Tickets()
    assert codes(tickets.request(request("a", opened=1), settings("50%"))) == [Code.CLOSE_LIMIT]
    assert tickets.request(request("ab", opened=4), settings("50%")) == ()

    assert codes(tickets.request(request("c", opened=1), settings("50%"))) == [Code.CLOSE_LIMIT]
    assert tickets.request(request("c", opened=6), settings("50%")) == ()


# --- a gate without its past ----------------------------------------------------------------------


def test_what_a_gate_without_old_inputs_authorized_only_counts_for_creates() -> None:
    """And for none, once deliveries are known to be recorded that it has not compared with."""
    tickets = Tickets()
    tickets.request(request("ab", creates_only=True), settings())

    assert given_by(tickets, creates=True) == "ab"
    assert given_by(tickets, creates=False) == ""
    assert given_by(tickets, creates=True, recorded=True) == ""


def test_a_gate_with_old_inputs_lifts_that_and_never_the_other_way() -> None:
    tickets = Tickets()
    tickets.request(request("ab", creates_only=True), settings())
    tickets.request(request("a"), settings())
    tickets.request(request("a", creates_only=True), settings())

    assert given_by(tickets, creates=False, recorded=True) == "a"


# --- one call -------------------------------------------------------------------------------------


def test_a_ticket_counts_for_one_call() -> None:
    """A log that somebody opens again is not closed again by the same run."""
    tickets = Tickets()
    tickets.request(request("ab"), settings())
    assert not tickets.sent(HERE)
    tickets.send([key("a")])

    assert given_by(tickets) == "b"
    assert tickets.request(request("a"), settings()) == ()
    assert given_by(tickets) == "b"
    assert tickets.sent(HERE)
    assert tickets.sent(ENTERPRISE), "it is the same account"
    assert (tickets.is_sent(key("a")), tickets.is_closed(key("a"))) == (True, False)
    assert tickets.count == 0


def test_what_is_done_is_known_with_its_request_id() -> None:
    tickets = Tickets()
    tickets.request(request("ab"), settings())
    tickets.send([key("a"), key("b")])
    tickets.done([key("a"), key("b")], "R-1")

    assert tickets.closed(HERE) == {key("a"): "R-1", key("b"): "R-1"}
    assert tickets.closed(ENTERPRISE) == {}
    assert tickets.is_closed(replace(key("a"), perspective=ENTERPRISE))
    assert tickets.count == 2


def test_what_was_authorized_is_the_last_log_when_the_others_have_closed_meanwhile() -> None:
    """Somebody else's update may close them between the gate's look and the close."""
    tickets = Tickets()
    tickets.request(request("ab"), settings())

    assert tickets.last_log(account("abc"), settings()) is None
    last = tickets.last_log(account("ab"), settings())
    assert last is not None
    assert last.code is Code.LAST_OPEN_LOG
    assert tickets.last_log(account("ab"), settings(last_logs=ALL_NAMED)) is None


# --- whatever the order ---------------------------------------------------------------------------

REQUESTS = st.builds(
    request,
    st.frozensets(st.sampled_from(LOGS)),
    opened=st.integers(0, 8),
    broken=st.sampled_from([(), (), (), (BROKEN,)]),
    creates_only=st.booleans(),
    dry=st.sampled_from([False, False, True]),
)
LIMITS = st.integers(0, 9) | st.integers(0, 100).map("{}%".format)


@given(
    requests=st.lists(REQUESTS, max_size=8),
    limit=LIMITS,
    named=st.frozensets(st.sampled_from(LOGS)),
    sent=st.booleans(),
)
def test_no_order_of_requests_gets_past_a_limit_or_the_last_open_log(
    requests: list[CloseRequest], limit: int | str, named: frozenset[str], sent: bool
) -> None:
    """Each request has all of its tickets afterwards or none that it did not have before, and the
    words for one run are the only way past the last open log.
    """
    words = frozenset(LogName(account=ACCOUNT, product="oss", log=log) for log in named)
    given = settings(limit, last_logs=words)
    tickets, known, calls = Tickets(), 0, set[str]()
    for one in requests:
        asked = {str(closing.key.log) for closing in one.closing}
        before = set(given_by(tickets)) | calls
        refused = tickets.request(one, given)
        after = set(given_by(tickets)) | calls
        known = max(known, one.opened)

        assert after == before if refused or one.dry else after == before | asked
        assert refused or one.dry or not one.broken
        assert len(after) <= given.close_limit.of(known)
        assert after < set(LOGS) or after <= named
        if sent and (unsent := sorted(after - calls)):
            tickets.send([key(unsent[0])])
            calls.add(unsent[0])
