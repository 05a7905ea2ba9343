from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cloud_siem.model import DeliveryKey, Log, Snapshot, State
from cloud_siem.preflight import Fault, faults
from tests.conftest import HERE, PROC, WAF

OPEN, CLOSED = State.OPEN, State.CLOSED


def snapshot(*logs: Log) -> Snapshot:
    return Snapshot(perspective=HERE, logs=logs, taken_at=datetime(2025, 10, 9, tzinfo=UTC))


def log(product: str, code: str, state: State = CLOSED, *, operable: bool = True) -> Log:
    return Log(product=product, log=code, state=state, operable=operable)


SEEN = snapshot(
    log("sas", "cloud_siem_aegis_dns", OPEN),
    log("sas", "cloud_siem_aegis_proc"),
    log("waf", "cloud_siem_waf_alert"),
    log("waf", "cloud_siem_waf_flow"),
)


def key(product: str, code: str | None = None) -> DeliveryKey:
    return DeliveryKey(perspective=HERE, product=product, log=code)


def fault(one: DeliveryKey, state: State = OPEN, seen: Snapshot = SEEN) -> Fault | None:
    found = faults([(one, state)], seen)
    return found[0] if found else None


@pytest.mark.parametrize("state", [OPEN, CLOSED])
@pytest.mark.parametrize("one", [PROC, WAF])
def test_what_the_account_lists_and_lets_us_switch_has_no_fault(
    one: DeliveryKey, state: State
) -> None:
    assert fault(one, state) is None


@pytest.mark.parametrize(
    ("one", "field", "message"),
    [
        (
            key("wfa"),
            "product",
            (
                f"wfa is not connected to Cloud SIEM in {HERE}, or is no product code; did you mean"
                " waf? Connected are: sas, waf"
            ),
        ),
        (
            key("kubernetes"),
            "product",
            (
                f"kubernetes is not connected to Cloud SIEM in {HERE}, or is no product code."
                " Connected are: sas, waf"
            ),
        ),
        (
            key("sas", "cloud_siem_aegis_prco"),
            "log",
            (
                "sas has no log cloud_siem_aegis_prco; did you mean cloud_siem_aegis_proc?"
                " It has: cloud_siem_aegis_dns, cloud_siem_aegis_proc"
            ),
        ),
        (
            key("waf", "audit"),
            "log",
            "waf has no log audit. It has: cloud_siem_waf_alert, cloud_siem_waf_flow",
        ),
    ],
)
def test_an_unknown_code_is_told_with_what_there_is(
    one: DeliveryKey, field: str, message: str
) -> None:
    found = fault(one)

    assert found
    assert (found.field, str(found)) == (field, message)


def test_what_the_caller_may_not_switch_is_told_before_it_is_tried() -> None:
    stuck = snapshot(log("sas", "cloud_siem_aegis_proc", operable=False))

    assert fault(PROC, OPEN, stuck) == Fault(
        key=PROC,
        field="state",
        message="sas/cloud_siem_aegis_proc cannot be made open by this caller: only the delegated"
        " administrator of threat analysis may operate it",
    )


def test_what_cannot_be_switched_and_need_not_be_has_no_fault() -> None:
    stuck = snapshot(log("sas", "cloud_siem_aegis_proc", operable=False))

    assert fault(PROC, CLOSED, stuck) is None


def test_of_a_whole_product_only_the_logs_that_are_odd_and_stuck_are_named() -> None:
    seen = snapshot(
        log("waf", "odd_and_stuck", CLOSED, operable=False),
        log("waf", "only_odd", CLOSED),
        log("waf", "only_stuck", OPEN, operable=False),
    )
    found = fault(WAF, OPEN, seen)

    assert found is not None
    assert "waf cannot be made open by this caller (odd_and_stuck): only" in found.message


def test_an_account_that_lists_nothing_is_one_fault_however_much_is_declared() -> None:
    declared = [(PROC, OPEN), (WAF, OPEN), (key("oss"), CLOSED)]

    assert faults(declared, snapshot()) == [
        Fault(
            key=PROC,
            field="account",
            message="account 1130916744880000, cn-hangzhou lists no products at all: Cloud SIEM is"
            " not activated there, or no product is connected to it",
        )
    ]
    assert faults([], snapshot()) == []


def test_all_faults_are_told_in_the_order_of_what_is_declared() -> None:
    seen = replace(SEEN, logs=(*SEEN.logs, log("zzz", "stuck", operable=False)))
    declared = [
        (key("zzz", "stuck"), OPEN),
        (PROC, OPEN),
        (key("wfa"), OPEN),
        (key("sas", "nothing"), CLOSED),
    ]

    assert [(one.key.name, one.field) for one in faults(declared, seen)] == [
        ("zzz/stuck", "state"),
        ("wfa", "product"),
        ("sas/nothing", "log"),
    ]


def test_what_there_is_instead_is_listed_once() -> None:
    """Two thousand misspelled logs are two thousand short lines, not megabytes."""
    many = [(key("sas", f"log_{at}"), OPEN) for at in range(2000)]

    first, *others = faults(many, SEEN)

    assert "It has: cloud_siem_aegis_dns" in str(first)
    assert all("It has" not in str(one) for one in others)
    assert len(others) == 1999


@pytest.mark.parametrize("code", ["hcloud_waf", "qcloud_waf"])
def test_a_documented_code_that_is_not_connected_is_no_slip(code: str) -> None:
    """hcloud_waf is Huawei's, qcloud_waf is Tencent's."""
    other = {"hcloud_waf": "qcloud_waf", "qcloud_waf": "hcloud_waf"}[code]

    found = fault(key(code), seen=snapshot(log(other, "x")))

    assert found
    assert "did you mean" not in str(found)
