"""The codes that messages end with, and where they are read from."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.codes import Code, codes_in, refusals_of
from cloud_siem.errors import Refusal, RefusedError

COMPONENT = "cloud-siem:index:AccountDeliveries$"
OURS = "pulumi-python:dynamic/cloud-siem:"
REFUSED = f"it would close 6 logs. {Code.CLOSE_LIMIT}"


def urn(types: str, name: str = "gate") -> str:
    return f"urn:pulumi:dev::cloud-siem::{types}::{name}"


def diagnostic(types: str, message: str = REFUSED, **more: Any) -> dict[str, Any]:
    return {"severity": "error", "urn": urn(types), "message": message, **more}


# --- codes in a text ------------------------------------------------------------------------------


def test_codes_are_unique_and_have_one_form() -> None:
    """They are an interface: programs find them by this form alone."""
    values = [code.value for code in Code]

    assert len(set(values)) == len(values)
    assert all(re.fullmatch(r"(refused|stopped):[a-z]+(-[a-z]+)*", value) for value in values)


@pytest.mark.parametrize("code", Code, ids=lambda code: code.value)
def test_each_code_is_found_in_the_message_that_has_it(code: Code) -> None:
    assert codes_in(str(RefusedError.of(code, "It is refused.", "Do something else."))) == (code,)


def test_the_codes_of_several_rules_are_each_found_once_in_order() -> None:
    last = Refusal(code=Code.LAST_OPEN_LOG, message="The last one.", listed=("  close sas/x",))
    limit = Refusal(code=Code.CLOSE_LIMIT, message="Too many.", remedy="Close fewer.")

    assert codes_in(str(RefusedError(last, limit, last))) == (Code.LAST_OPEN_LOG, Code.CLOSE_LIMIT)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "refused:close-limit",
        "[refused: close-limit]",
        "[Refused:close-limit]",
        "[refused:no-such-code]",
        "[other:close-limit]",
        "[refused:close-limit",
    ],
)
def test_nothing_else_is_taken_for_a_code(text: str) -> None:
    assert codes_in(text) == ()


@given(st.lists(st.sampled_from(Code), max_size=6), st.text("ab:[] \n-refusd", max_size=5))
def test_codes_are_found_whatever_stands_around_them(codes: list[Code], around: str) -> None:
    text = around + around.join(map(str, codes)) + around

    assert codes_in(text) == tuple(dict.fromkeys(codes))


# --- refusals in an engine's diagnostics ----------------------------------------------------------


@pytest.mark.parametrize("kind", ["Gate", "LogDelivery", "Settled"])
@pytest.mark.parametrize("parents", ["", COMPONENT, f"box:index:Box${COMPONENT}"])
def test_the_refusals_of_our_resources_are_found_wherever_they_are(kind: str, parents: str) -> None:
    found = refusals_of([diagnostic(f"{parents}{OURS}{kind}", f"\n{REFUSED}\n")])

    assert found == [REFUSED]


@pytest.mark.parametrize(
    "other",
    [
        diagnostic("pulumi:pulumi:Stack"),
        diagnostic("pulumi-python:dynamic:Resource"),
        diagnostic("pulumi-python:dynamic/other:Gate"),
        diagnostic(f"{OURS}Gates"),
        diagnostic(f"{OURS}Gate$aws:s3/bucket:Bucket"),
        diagnostic(f"x{OURS}Gate"),
        diagnostic(COMPONENT.removesuffix("$")),
        {"severity": "error", "message": REFUSED},
        {"severity": "error", "urn": "", "message": REFUSED},
        {"severity": "error", "urn": urn("a:b:C", name=f"::{OURS}Gate::x"), "message": REFUSED},
        diagnostic(f"{OURS}Gate", severity="warning"),
        diagnostic(f"{OURS}Gate", severity="info#err"),
        diagnostic(f"{OURS}Gate", "it failed for another reason"),
        REFUSED,
        None,
    ],
)
def test_what_anybody_else_prints_is_no_refusal(other: object) -> None:
    """A program, or another provider, may print what looks like one."""
    assert refusals_of([other, diagnostic(f"{OURS}Gate")]) == [REFUSED]
