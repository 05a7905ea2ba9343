"""Which stacks a command line means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_siem.fleet.selection import Selection, SelectionError, Shard

FLEET = {
    "prod-eu": {"env": "prod", "wave": "1"},
    "prod-us": {"env": "prod", "wave": "2"},
    "test": {"env": "test"},
    "bare": {},
    "broken": None,
}


@pytest.mark.parametrize(
    ("selection", "meant"),
    [
        (Selection(), "bare broken prod-eu prod-us test"),
        (Selection(names=("test", "prod-*")), "prod-eu prod-us test"),
        (Selection(names=("test",), without=("prod-*",)), "test"),
        (Selection(without=("prod-*", "b*")), "test"),
        (Selection(tags=(("env", "prod"),), without=("broken",)), "prod-eu prod-us"),
        (Selection(tags=(("env", "prod"), ("wave", "2")), without=("broken",)), "prod-us"),
        (Selection(tags=(("env", "*"),), without=("broken",)), "prod-eu prod-us test"),
        (Selection(names=("b?re",)), "bare"),
    ],
)
def test_names_choose_and_all_else_narrows(selection: Selection, meant: str) -> None:
    assert " ".join(selection.of(FLEET)) == meant


def test_a_stack_whose_tags_cannot_be_read_is_meant_and_not_silently_left_out() -> None:
    assert Selection(tags=(("env", "prod"),)).of(FLEET) == ("broken", "prod-eu", "prod-us")


@pytest.mark.parametrize(
    ("selection", "said"),
    [
        (Selection(names=("prod-eu", "tset")), 'no stack tset; did you mean "test"'),
        (
            Selection(names=("nothing-like-it",)),
            "no stack nothing-like-it; `cloud-siem fleet list`",
        ),
        (Selection(names=("x*",)), "no stack is selected: of 5 stacks, 0 have such a name"),
        (Selection(names=("test",), without=("*",)), "1 have such a name, and --tag and --not"),
        (Selection(names=("test",), tags=(("env", "prod"),)), "no stack is selected"),
    ],
)
def test_what_chooses_nothing_is_a_slip_and_told(selection: Selection, said: str) -> None:
    with pytest.raises(SelectionError, match="stack") as caught:
        selection.of(FLEET)

    assert said in str(caught.value)


@given(st.sets(st.text("abc-", min_size=1, max_size=8), min_size=1), st.integers(1, 6))
def test_the_shards_have_every_stack_once_whatever_other_stacks_there_are(
    names: set[str], parts: int
) -> None:
    shards = [Shard(part=part, parts=parts) for part in range(1, parts + 1)]
    found = [Selection(shard=one).of(dict.fromkeys(names)) for one in shards]

    assert sorted(name for one in found for name in one) == sorted(names)
    assert found == [tuple(filter(one.has, sorted(names))) for one in shards]


def test_a_shard_with_nothing_to_do_is_nobodys_mistake() -> None:
    shards = [Shard(part=part, parts=9) for part in range(1, 10)]

    assert sum(len(Selection(names=("test",), shard=one).of(FLEET)) for one in shards) == 1


@given(st.integers(0, 50), st.integers(1, 9))
def test_the_parts_of_a_number_are_the_number(number: int, parts: int) -> None:
    shards = [Shard(part=part, parts=parts) for part in range(1, parts + 1)]

    assert sum(one.part_of(number) for one in shards) == number


@pytest.mark.parametrize("text", ["", "3", "0/4", "5/4", "a/b", "1/0", "-1/4", "1/4/2"])
def test_a_shard_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no shard: write the part and the parts"):
        Shard.parse(text)


def test_a_shard_is_written_as_it_is_read() -> None:
    assert str(Shard.parse("3/10")) == "3/10"
