from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from cloud_siem import catalog
from cloud_siem.keys import CODE


def test_codes_are_sorted_and_have_the_form_of_codes() -> None:
    """People look codes up; and a code that the validator refuses could never be declared."""
    codes = list(catalog.PRODUCTS)
    every = [*codes, *(log for code in codes for log in catalog.logs_of(code))]

    assert codes == sorted(codes)
    assert all(list(one.logs) == sorted(one.logs) for one in catalog.PRODUCTS.values())
    assert all(re.fullmatch(CODE, code) for code in every)


def test_every_product_of_the_api_page_is_known() -> None:
    """The page of CloseDelivery lists these product codes, its misspelled one included."""
    page = {
        *("qcloud_waf", "qlcoud_cfw", "hcloud_waf", "hcloud_cfw", "ddos", "sas", "cfw", "config"),
        *("csk", "fc", "rds", "nas", "apigateway", "cdn", "mongodb", "eip", "slb", "vpc"),
        *("actiontrail", "waf", "bastionhost", "oss", "polardb"),
    }

    assert page <= set(catalog.PRODUCTS)


def test_each_product_says_where_its_logs_were_read() -> None:
    """A code is only as good as its source, and sources have dates."""
    assert all(one.source.title and one.source.date for one in catalog.PRODUCTS.values())


def test_a_log_that_nobody_has_heard_of_is_no_error() -> None:
    """The catalog is never a closed list."""
    assert catalog.logs_of("no_such_product") == ()


def test_closest_finds_swapped_and_missing_letters() -> None:
    """The hints that people meet most often."""
    states = ("open", "closed")
    found = {word: catalog.closest(word, states) for word in ("opne", "clsoed", "close", "OPEN")}

    assert found == {"opne": "open", "clsoed": "closed", "close": "closed", "OPEN": "open"}
    assert catalog.closest("wfa", catalog.PRODUCTS) == "waf"
    assert catalog.closest("enabled", states) is None


def test_closest_has_nothing_to_say_about_a_word_that_is_right() -> None:
    """Otherwise `sas` would be answered with `oss`."""
    assert catalog.closest("sas", catalog.PRODUCTS) is None


@given(st.text(max_size=300), st.lists(st.text(max_size=20), max_size=10))
def test_closest_answers_with_a_candidate_or_not_at_all(word: str, candidates: list[str]) -> None:
    """Whatever the word is, a hint is one of the words there are."""
    found = catalog.closest(word, candidates)

    assert found is None or (found in candidates and found != word)


def test_did_you_mean_is_empty_when_nothing_is_near() -> None:
    """So that callers can append it as it is."""
    assert catalog.did_you_mean("opne", ["open"]) == 'did you mean "open"?'
    assert catalog.did_you_mean("zebra", ["open"]) == ""
