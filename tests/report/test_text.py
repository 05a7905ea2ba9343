from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from cloud_siem.report.as_text import Look, to_text
from tests.report.reports import EVERYTHING, EVIL, IN_SYNC, STOPPED, hostile, with_news

Golden = Callable[[str, str], None]


def test_piped_each_finding_is_one_line(golden: Golden) -> None:
    golden("report/everything.txt", to_text(EVERYTHING))


def test_when_all_is_well_it_says_so(golden: Golden) -> None:
    golden("report/in-sync.txt", to_text(IN_SYNC))


def test_a_stopped_run_says_that_it_is_partial(golden: Golden) -> None:
    golden("report/partial.txt", to_text(STOPPED))


def test_with_a_baseline_it_says_what_is_new_known_and_gone(golden: Golden) -> None:
    golden("report/news.txt", to_text(with_news(EVERYTHING)))


def test_only_new_leaves_the_known_out_and_says_how_many(golden: Golden) -> None:
    golden("report/only-new.txt", to_text(with_news(EVERYTHING, only_new=True)))


def test_on_a_terminal_it_keeps_to_the_width(golden: Golden) -> None:
    text = to_text(with_news(EVERYTHING), Look.of_terminal(80, color=False))

    assert max(len(line) for line in text.splitlines()) <= 80
    golden("report/everything-80.txt", text)


@pytest.mark.parametrize("columns", [-1, 0, 1, 20])
def test_a_broken_width_is_taken_for_eighty(columns: int) -> None:
    expected = to_text(EVERYTHING, Look.of_terminal(80, color=False))

    assert to_text(EVERYTHING, Look.of_terminal(columns, color=False)) == expected


def test_colors_add_nothing_but_colors() -> None:
    """The words and the columns are the same."""
    plain = to_text(EVERYTHING, Look.of_terminal(80, color=False))
    colored = to_text(EVERYTHING, Look.of_terminal(80, color=True))

    assert colored != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_nothing_that_a_name_holds_reaches_the_terminal_as_a_command() -> None:
    text = to_text(hostile())

    assert all(one.isprintable() or one == "\n" for one in text)
    assert "\\x1b[31mred\\x07 \\u202egnp tab line" in text
    assert all(line.count("script>window") <= 2 for line in text.splitlines())
    assert len(EVIL) == 6
