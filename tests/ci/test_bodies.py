"""The text of comments and issues: found again, cut to fit, and nobody's command."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cloud_siem.ci.bodies import (
    LIMIT,
    fitted,
    has_marker,
    marked,
    marker,
    same,
    stack_marker,
)
from cloud_siem.ci.issues import plan
from cloud_siem.ci.results import Drifted, Found
from tests.report.reports import EVIL

LINK = "https://ci.example/artifact"
MARK = marker("preview")
LINES = st.sampled_from(
    [
        "**3 close.**",
        "- sas/a opens",
        "",
        "```",
        "~~~~",
        "<details><summary>2 more</summary>\n",  # without a blank line Markdown would not go on
        "<details>\n",
        "</details>\n",
        "/merge",
        "| a | b |",
        "x" * 300,
    ]
)
TEXTS = st.lists(LINES, max_size=60).map("\n".join)


def rendered(text: str) -> str:
    return str(MarkdownIt("gfm-like", {"linkify": False}).render(text))


# --- the marker -----------------------------------------------------------------------------------


@given(st.text(max_size=40))
def test_the_marker_of_any_stack_is_one_line_of_its_own(stack: str) -> None:
    mark = stack_marker(stack)

    assert mark.splitlines() == [mark]
    assert mark.count("-->") == 1
    assert has_marker(marked(mark, "text", ""), mark)
    assert not has_marker(marked(mark, "text", ""), stack_marker(f"{stack}x"))


def test_no_page_shows_the_marker() -> None:
    assert "preview" not in rendered(marked(MARK, "text", "")).replace(MARK, "")
    assert "<p>text</p>" in rendered(marked(MARK, "text", ""))


# --- the cut --------------------------------------------------------------------------------------


@given(TEXTS, st.integers(min_value=600, max_value=3000))
def test_whatever_the_text_it_fits_and_says_when_it_is_cut(text: str, limit: int) -> None:
    short = fitted(text, limit, LINK)

    assert len(short) <= limit
    assert (short == text) is (len(text) <= limit)
    if short != text:
        html = rendered(short)
        assert f'There is no room here for all of it</strong>: <a href="{LINK}">' in html


def test_details_go_first_and_from_the_last_one_upwards() -> None:
    listed = "- x\n" * 300
    one, two = (
        f"<details><summary>{name} more</summary>\n\n{listed}\n</details>\n\n"
        for name in ("1", "2")
    )

    short = fitted(f"**3 close.**\n\n{one}{two}The end.", 1800, "")
    assert "1 more</summary>" in short
    assert "2 more: left out\n\nThe end.\n" in short
    assert short.endswith("**There is no room here for all of it**.")


def test_a_comment_of_the_greatest_length_is_posted_whole() -> None:
    text = "x" * (LIMIT - len(MARK) - 1)

    assert marked(MARK, text, LINK) == f"{MARK}\n{text}"
    assert len(marked(MARK, f"{text}x", LINK)) <= LIMIT


# --- commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ["/merge", "  /close", "/assign @ann", "/label ~x"])
def test_no_line_is_a_command_to_gitlab_and_it_is_shown_all_the_same(line: str) -> None:
    text = marked(MARK, f"Look:\n\n{line}\n", "")

    assert not any(one.lstrip().startswith("/") for one in text.splitlines())
    assert f"{line.strip()}" in rendered(text)


def test_in_code_a_path_stays_a_path() -> None:
    code = "```\n/close/stack\n```"

    assert code in marked(MARK, f"{code}\n/close", "")
    assert marked(MARK, f"{code}\n/close", "").endswith("\n&#47;close")


@pytest.mark.parametrize("text", EVIL)
def test_an_issue_about_evil_names_has_no_markup_but_ours(text: str) -> None:
    found = Found(kind="drifted", sentence=text, place=text)
    stack = Drifted(stack=text, errors=(text,), found=(found,))
    (action,) = plan([stack], [], "")
    html = rendered(action.text.partition("\n")[2])

    assert not any(one in html for one in ("<script", "<img", "<a ", "@somebody", "#1", "GH-1"))
    assert html.count("<li>") == 2
    assert html.count("<p>") == 2
    assert action.title.isprintable()


def test_two_texts_are_the_same_whatever_ends_their_lines() -> None:
    assert same("a\nb", "a\r\nb\r\n")
    assert not same("a\nb", "a b")
