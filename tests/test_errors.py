from __future__ import annotations

import inspect

import pytest

from cloud_siem import errors
from cloud_siem.errors import ApiError, CloudSiemError, Place, Reason, StackError

KINDS = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if "Error" in kind.__name__
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_one_that_a_person_can_act_on(kind: type[Exception]) -> None:
    assert issubclass(kind, CloudSiemError)


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = [
        line.split("──")[-1].split()[0]
        for line in str(errors.__doc__).splitlines()
        if "Error " in line and ("─" in line or line.startswith("    C"))
    ]

    assert sorted(drawn) == sorted(kind.__name__ for kind in KINDS)


def test_an_api_error_has_fields_for_programs_and_a_sentence_for_people() -> None:
    error = ApiError(
        "It failed.", action="CloseDelivery", code="SLS.Ship.Error", status=500, request_id="R-1"
    )

    assert str(error) == "It failed."
    assert (error.action, error.code, error.status, error.request_id) == (
        "CloseDelivery",
        "SLS.Ship.Error",
        500,
        "R-1",
    )


def test_a_stack_error_has_all_reasons_in_the_order_of_their_places() -> None:
    late = Reason(message="late", place=Place(file="a.yaml", line=9, column=1))
    early = Reason(message="early", place=Place(file="a.yaml", line=2, column=7))
    nowhere = Reason(message="nowhere")

    error = StackError([late, early, nowhere])

    assert error.reasons == (nowhere, early, late)
    assert str(error) == "nowhere\na.yaml:2:7: early\na.yaml:9:1: late"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Reason(message="is wrong"), "is wrong"),
        (Reason(message="is wrong", hint="write open"), "is wrong (write open)"),
        (Reason(message="is wrong", path=("a", "b")), "a > b: is wrong"),
        (
            Reason(message="is wrong", place=Place(file="x.yaml", line=3, column=5), path=("a",)),
            "x.yaml:3:5: a: is wrong",
        ),
        (Reason(message="is wrong", place=Place(file="x.yaml")), "x.yaml: is wrong"),
    ],
)
def test_a_reason_reads_place_then_path_then_fault_then_way_out(reason: Reason, text: str) -> None:
    assert str(reason) == text


def test_lines_are_ordered_as_numbers_not_as_text() -> None:
    tenth = Reason(message="m", place=Place(file="a", line=10))
    ninth = Reason(message="m", place=Place(file="a", line=9))

    assert StackError([tenth, ninth]).reasons == (ninth, tenth)
