from __future__ import annotations

import pytest

from cloud_siem.jsontext import parsed


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
