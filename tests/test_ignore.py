from __future__ import annotations

from datetime import date

import pytest

from cloud_siem.ignore import Ignore


def ignore(delivery: str) -> Ignore:
    return Ignore(delivery=delivery, reason="INC-7", until=date(2026, 12, 31))


@pytest.mark.parametrize(
    ("pattern", "product", "log", "matches"),
    [
        ("sas/dns", "sas", "dns", True),
        ("sas/dns", "sas", "dns2", False),
        ("sas/dns", "SAS", "dns", False),
        ("oss/*", "oss", "a", True),
        ("oss/*", "oss2", "a", False),
        ("*/flow_*", "vpc", "flow_log", True),
        ("*/flow_*", "vpc", "xflow_log", False),
        ("a.c/*", "abc", "x", False),
        ("waf/*", "waf", None, True),
        ("waf/a*", "waf", None, False),
    ],
)
def test_what_a_pattern_is_about(
    pattern: str, product: str, log: str | None, matches: bool
) -> None:
    """Of a whole product only a pattern for all its logs."""
    assert ignore(pattern).matches(product, log) is matches


def test_it_holds_to_the_end_of_its_last_day() -> None:
    assert ignore("oss/*").holds(date(2026, 12, 31))
    assert not ignore("oss/*").holds(date(2027, 1, 1))
