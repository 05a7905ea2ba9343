from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.rules import delivery_faults
from tests.conftest import ACCOUNT, MEMBER

GOOD = {
    "account": ACCOUNT,
    "region": "cn-hangzhou",
    "view": "account",
    "product": "sas",
    "log": "cloud_siem_aegis_proc",
    "state": "open",
}


def told(**changes: object) -> list[tuple[str, str]]:
    bag = {name: value for name, value in (GOOD | changes).items() if value is not ...}
    return [(fault.field, fault.message) for fault in delivery_faults(bag, ())]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"log": "*"},
        {"member": MEMBER},
        {"member": None},
        {"view": "enterprise"},
        {"region": "ap-southeast-1"},
        {"state": "closed"},
        {"product": "qlcoud_cfw"},
        {"product": "never.seen-before"},
        {"log": "x" * 128},
    ],
)
def test_what_can_be_used_has_no_fault(changes: dict[str, object]) -> None:
    assert told(**changes) == []


@pytest.mark.parametrize("name", ["account", "region", "view", "product", "log", "state"])
@pytest.mark.parametrize("value", [None, ...])
def test_what_must_be_there_and_is_not_is_missing(name: str, value: object) -> None:
    [(field, message)] = told(**{name: value})

    assert field == name
    assert message.startswith("is missing (write ")


@pytest.mark.parametrize("name", ["account", "member", "region", "view", "product", "log", "state"])
@pytest.mark.parametrize("value", [7, 1.5, True, [], {}, ["open"], b"open"])
def test_another_type_is_a_fault_of_its_input(name: str, value: object) -> None:
    [(field, message)] = told(**{name: value})

    assert field == name
    assert "is of the wrong type (write " in message


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("account", "42", '"42" does not have the right form (write its digits, usually 16)'),
        ("account", ACCOUNT + "\n", "does not have the right form"),
        ("member", "acs:ram::1:root", "does not have the right form"),
        ("region", "cn-shanghai", '"cn-shanghai" is no region (did you mean cn-hangzhou?'),
        ("view", "1", '"1" is no view (did you mean enterprise?)'),
        ("state", "enabled", '"enabled" is no state (did you mean open?)'),
        ("state", "partial", '"partial" is no state'),
        ("product", "*", "does not have the right form"),
        ("product", "sas\n", "does not have the right form"),
        ("product", "sas/x", "does not have the right form"),
        ("product", "", '"" is of the wrong type'),
        ("log", "x" * 129, "does not have the right form"),
        ("log", "a b", "does not have the right form"),
        ("log", "", "is blank, which would mean every log (write its code: "),
        ("log", " \t", '; or "*" for every log of the product)'),
        ("log", " *", "does not have the right form"),
        ("log", "**", "does not have the right form"),
    ],
)
def test_a_value_that_cannot_be_is_told_with_the_way_out(
    name: str, value: str, message: str
) -> None:
    [(field, said)] = told(**{name: value})

    assert field == name
    assert message in said


@given(code=st.text())
def test_no_log_code_gets_through_that_the_api_could_take_for_all_logs(code: str) -> None:
    if not told(log=code):
        assert code.strip() == code != ""


def test_all_faults_are_told_at_once() -> None:
    fields = [field for field, _ in told(account="1", region="x", state="x", log=None)]

    assert sorted(fields) == ["account", "log", "region", "state"]


def test_an_input_that_is_not_known_yet_is_not_judged() -> None:
    bag = GOOD | {"account": object(), "state": "opne"}

    assert [one.field for one in delivery_faults(bag, {"account"})] == ["state"]


def test_what_looks_like_a_key_is_not_repeated() -> None:
    [(_, message)] = told(account="LTAI5tExampleExample1234")

    assert "LTAI" not in message


def test_a_reason_is_for_what_is_closed_and_protect_for_what_is_open() -> None:
    """One word for one state: each is refused where it says nothing."""
    assert told(reason="CHG-1") == [
        ("reason", "is for what is closed; leave it out where the state is open")
    ]
    assert told(state="closed", protect=True) == [
        ("protect", "is for what is open; leave it out where the state is closed")
    ]
    assert told(state="closed", reason="CHG-1") == told(protect=True) == []


def test_a_reason_may_be_required() -> None:
    """Of what is closed alone."""
    closed = GOOD | {"state": "closed"}
    (fault,) = delivery_faults(closed, (), require_reason=True)

    assert (fault.field, "requires a reason" in fault.message) == ("reason", True)
    assert delivery_faults(closed | {"reason": "CHG-1"}, (), require_reason=True) == []
    assert delivery_faults(GOOD, (), require_reason=True) == []
