from __future__ import annotations

import pytest

from cloud_siem.jsontext import RepeatedKeyError, flaw_of, parsed


@pytest.mark.parametrize("text", ['"\\ud800"', '{"\\udfff": 1}', '[{"a": ["x\\uDbffy"]}]'])
def test_half_of_a_character_is_refused_where_it_comes_in(text: str) -> None:
    with pytest.raises(ValueError, match="half of a character"):
        parsed(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [('"\\ud83d\\ude00"', "\U0001f600"), ('"\\u00e9"', "\u00e9"), ('"\\\\ud800"', "\\ud800")],
)
def test_whole_characters_are_taken_however_they_are_spelled(text: str, value: str) -> None:
    assert parsed(text) == value


@pytest.mark.parametrize(
    "text",
    [
        '{"Data": true, "Data": false}',
        '{"a": {"Status": true, "Status": true}}',
        '[{"a": 1, "\\u0061": 2}]',
    ],
)
def test_a_repeated_key_is_refused_whatever_its_values_and_spelling(text: str) -> None:
    """Readers disagree on which of the values counts."""
    with pytest.raises(RepeatedKeyError):
        parsed(text)
    assert "twice" in flaw_of(text.encode())


@pytest.mark.parametrize(
    "text", ["{}", '{"a": {"b": 1}, "b": [{"a": 1}, {"a": 2}]}', "no json", ""]
)
def test_no_other_text_is_taken_for_an_ambiguous_answer(text: str) -> None:
    assert flaw_of(text.encode()) == ""


def test_a_hostile_key_is_shown_without_its_commands() -> None:
    key = '"\\u001b[31m\\n::error::x"'
    with pytest.raises(RepeatedKeyError) as caught:
        parsed(f"{{{key}: 1, {key}: 2}}")

    assert str(caught.value).isprintable()
