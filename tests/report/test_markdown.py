from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from cloud_siem.report.as_markdown import FINDINGS_SHOWN, LIMIT, escaped, to_markdown
from tests.report.reports import (
    DARK,
    EVERYTHING,
    EVIL,
    IN_SYNC,
    STOPPED,
    hostile,
    outcome,
    with_news,
)

Golden = Callable[[str, str], None]


def rendered(text: str) -> str:
    """As a site of the GitHub kind renders it, links and all."""
    return str(MarkdownIt("gfm-like", {"linkify": False}).render(text))


def test_it_is_short_first_with_the_details_folded(golden: Golden) -> None:
    golden("report/everything.md", to_markdown(EVERYTHING))


def test_when_all_is_well_it_is_two_lines(golden: Golden) -> None:
    golden("report/in-sync.md", to_markdown(IN_SYNC))


def test_a_stopped_run_says_so_before_anything_else(golden: Golden) -> None:
    golden("report/partial.md", to_markdown(STOPPED))


def test_what_is_gone_is_struck_out(golden: Golden) -> None:
    golden("report/only-new.md", to_markdown(with_news(EVERYTHING, only_new=True)))


@pytest.mark.parametrize("text", EVIL)
def test_a_name_means_nothing_but_itself(text: str) -> None:
    """No markup, no link, no code; and nobody is called, though sites do that after Markdown."""
    html = rendered(f"- {escaped(text)}")
    found = MarkdownIt("gfm-like", {"linkify": False}).parse(escaped(text))[1].children or []

    assert "<script" not in html
    assert "<img" not in html
    kinds = {one.type for one in found if one.content != "<!-- -->"}
    assert kinds <= {"text", "text_special"}
    assert "@somebody" not in html
    assert "#1" not in html
    assert "GH-1" not in html
    assert "%3" not in escaped(text).replace(r"\%", "")


def test_a_hostile_report_has_only_the_markup_that_is_ours() -> None:
    html = rendered(to_markdown(hostile()))

    assert "<script" not in html
    assert "<img" not in html
    assert "<a " not in html
    assert html.count("<details>") == html.count("</details>") == len(EVIL)


def test_long_lists_are_cut_and_say_so() -> None:
    many = [
        replace(DARK, delivery=f"sas/{number}", sentence=f"sas/{number} is closed, declared open")
        for number in range(FINDINGS_SHOWN + 7)
    ]
    text = to_markdown(replace(EVERYTHING, outcomes=(outcome("prod", *many),)))

    assert text.count("declared open") == FINDINGS_SHOWN
    assert "- and 7 more\n" in text


def test_it_always_fits_into_a_comment() -> None:
    stacks = tuple(outcome(f"stack-{number}", *[DARK] * 30) for number in range(200))
    text = to_markdown(replace(EVERYTHING, outcomes=stacks))

    assert len(text) <= LIMIT
    assert "There is no room here for" in text
    assert text.count("<details>") == text.count("</details>") > 5
