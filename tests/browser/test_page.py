"""The page of the HTML report, used as people use it."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from playwright.sync_api import expect

from cloud_siem.drift import Kind
from tests.browser.conftest import Open
from tests.browser.large import large
from tests.report.reports import (
    DARK,
    EVERYTHING,
    EVIL,
    FINDINGS,
    IN_SYNC,
    STOPPED,
    hostile,
    outcome,
    with_news,
)

SENTENCES = [one.sentence for one in FINDINGS]
MANY = replace(
    EVERYTHING,
    outcomes=(outcome("prod", *[replace(DARK, sentence=f"number {n}") for n in range(700)]),),
)


def test_it_says_all_that_was_found(opened: Open) -> None:
    tab = opened(EVERYTHING)

    assert tab.shown == SENTENCES
    assert tab.count == "8 of 8 findings"
    cards = tab.page.locator(".card").all_inner_texts()
    assert [one.split("\n") for one in cards][:4] == [
        ["stack in sync", "1"],
        ["stack not in sync", "1"],
        ["stack failed", "1"],
        ["drifted", "2"],
    ]
    assert "no permission" in tab.page.locator(".errors").inner_text()


def test_when_all_is_well_it_says_so(opened: Open) -> None:
    tab = opened(IN_SYNC)

    expect(tab.page.locator(".verdict")).to_have_text("Everything is in sync")
    expect(tab.page.locator("#findings")).to_contain_text("There are none.")
    tab.page.locator(".cell").first.click()
    expect(tab.page.locator("#cell")).to_contain_text("cloud_siem_trail_actiontrail")
    assert tab.complaints == []


def test_a_stopped_run_says_so_at_the_top(opened: Open) -> None:
    alert = opened(STOPPED).page.get_by_role("alert")

    expect(alert).to_contain_text("Partial.")
    expect(alert).to_contain_text("dev, test.")


# --- filters --------------------------------------------------------------------------------------


def test_findings_are_filtered_by_stack_product_kind_and_text(opened: Open) -> None:
    tab = opened(large(8, 60))
    every = len(tab.shown)

    tab.page.get_by_label("Stack", exact=True).select_option("stage-00")
    of_stack = tab.shown
    assert 0 < len(of_stack) < every
    assert all("account 1000000000000001," in one for one in of_stack)

    tab.page.get_by_label("Kind", exact=True).select_option("unmanaged")
    of_kind = tab.shown
    assert 0 < len(of_kind) < len(of_stack)
    assert all("is open, not declared" in one for one in of_kind)

    tab.page.get_by_label("Product", exact=True).select_option("sas")
    assert all(one.startswith("sas/") for one in tab.shown)

    tab.page.get_by_role("button", name="Show all").click()
    assert len(tab.shown) == every

    tab.page.get_by_label("Text", exact=True).fill("NETSTAT  dev")
    assert tab.shown
    assert all("netstat" in one for one in tab.shown)
    assert tab.count == f"{len(tab.shown)} of {every} findings"


def test_what_is_new_can_be_told_from_what_is_known(opened: Open) -> None:
    tab = opened(with_news(EVERYTHING))
    tab.page.get_by_label("Since", exact=True).select_option("new")

    assert tab.shown == [DARK.sentence]
    expect(tab.page.locator(".gone")).to_contain_text("vpc/cloud_siem_vpc_flow_log")


def test_thousands_come_in_portions_and_are_searched_whole(opened: Open) -> None:
    tab = opened(MANY)
    assert tab.count == "700 of 700 findings, the first 300 shown"
    assert len(tab.shown) == 300

    tab.page.get_by_role("button", name="Show more").click()
    assert len(tab.shown) == 600

    tab.page.get_by_label("Text", exact=True).fill("number 699")
    assert tab.shown == ["number 699"]


# --- matrix ---------------------------------------------------------------------------------------


def test_a_cell_shows_its_logs_and_filters_the_findings(opened: Open) -> None:
    tab = opened(EVERYTHING)
    tab.page.get_by_role("button", name="prod, sas: 0 of 1 log open, 1 drifted").click()

    expect(tab.page.get_by_role("heading", name="sas in prod")).to_be_focused()
    assert tab.page.locator("#cell tbody tr").all_inner_texts() == [
        "cloud_siem_aegis_proc\tclosed\topen\tdrifted"
    ]
    assert tab.shown == [DARK.sentence]

    tab.page.get_by_role("button", name="Close").click()
    assert tab.shown == SENTENCES
    expect(tab.page.locator("#cell")).to_be_hidden()


def test_a_cell_without_findings_shows_none(opened: Open) -> None:
    tab = opened(EVERYTHING)
    tab.page.get_by_role("button", name="test, actiontrail: 1 of 1 log open").click()

    assert tab.shown == []
    assert tab.count == "0 of 8 findings"


def test_every_kind_of_finding_has_a_sign_of_its_own(opened: Open) -> None:
    """And none is told by color alone."""
    tab = opened(EVERYTHING)
    row = tab.page.locator("#matrix tbody tr", has_text="prod")
    signs = row.locator(".cell b").all_inner_texts()

    assert len(set(signs)) == len(signs) - 1, "two are drifted"
    assert len(signs) == len(FINDINGS) - 1, "an expired ignore is no log"
    legend = tab.page.locator(".legend dt").all_inner_texts()
    assert set(signs) <= set(legend)
    assert len(set(legend)) == len(legend)


def test_the_matrix_is_one_stop_of_the_tab_key_and_arrows_move_in_it(opened: Open) -> None:
    tab = opened(large(4, 60))
    cells = tab.page.locator(".cell")
    assert tab.page.locator('.cell[tabindex="0"]').count() == 1

    cells.first.focus()
    for key in ("ArrowRight", "ArrowDown", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowUp"):
        tab.page.keyboard.press(key)
    expect(cells.first).to_be_focused()

    tab.page.keyboard.press("ArrowUp")
    expect(cells.first).to_be_focused()

    tab.page.keyboard.press("ArrowDown")
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("heading", name="actiontrail in stage-00")).to_be_focused()

    tab.page.keyboard.press("Escape")
    label = tab.page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert label.startswith("stage-00, actiontrail: ")


# --- light, dark, paper, narrow -------------------------------------------------------------------

BACKGROUND = "getComputedStyle(document.body).backgroundColor"
WHITE = "rgb(255, 255, 255)"


def test_it_is_light_or_dark_as_the_system_is_and_as_one_says(opened: Open) -> None:
    tab = opened(EVERYTHING, color_scheme="dark")
    dark = tab.page.evaluate(BACKGROUND)
    assert dark != WHITE

    colors = tab.page.get_by_label("Colors", exact=True)
    colors.select_option("light")
    assert tab.page.evaluate(BACKGROUND) == WHITE

    tab.page.emulate_media(color_scheme="light")
    colors.select_option("dark")
    assert tab.page.evaluate(BACKGROUND) == dark

    colors.select_option("")
    assert tab.page.evaluate(BACKGROUND) == WHITE


@pytest.mark.parametrize("chosen", ["", "dark"])
def test_paper_is_white_and_has_everything_that_the_filter_lets_through(
    opened: Open, chosen: str
) -> None:
    tab = opened(MANY, color_scheme="dark")
    tab.page.get_by_label("Colors", exact=True).select_option(chosen)
    tab.page.get_by_label("Text", exact=True).fill("number")
    tab.page.emulate_media(media="print")
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")

    assert tab.page.evaluate(BACKGROUND) == WHITE
    assert len(tab.shown) == 700
    expect(tab.page.locator("#filters")).to_be_hidden()

    tab.page.emulate_media(media="screen")
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert len(tab.shown) == 300
    assert tab.page.pdf()[:5] == b"%PDF-"


@pytest.mark.parametrize("width", [360, 800, 1600])
def test_no_width_makes_the_page_itself_scroll_sideways(opened: Open, width: int) -> None:
    tab = opened(large(4, 60), viewport={"width": width, "height": 800})
    tab.page.locator(".cell").first.click()

    wide = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    scrolled, seen = tab.page.evaluate(wide)
    assert scrolled <= seen


CONTRAST = """() => {
  const parse = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255)
    .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (!text || !element.checkVisibility() || element.matches("option, script, .skip")) continue;
    const [a, b] = [light(parse(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) weak.push(`${element.className} ${element.textContent.trim()}: ${ratio}`);
  }
  return weak;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_against_what_is_behind_it(opened: Open, scheme: str) -> None:
    """Contrast of 4.5 and more, as WCAG 2 asks for (level AA)."""
    tab = opened(replace(with_news(EVERYTHING), left_out=("x",)), color_scheme=scheme)
    tab.page.locator(".cell").first.click()

    assert tab.page.evaluate(CONTRAST) == []


def test_a_screen_reader_finds_its_way(opened: Open) -> None:
    page = opened(EVERYTHING).page
    headings = page.get_by_role("heading", level=2).all_inner_texts()
    unnamed = page.locator("button, select, input").evaluate_all(
        "(all) => all.filter((one) => !(one.labels?.length || one.ariaLabel || one.textContent))"
        ".map((one) => one.outerHTML)"
    )

    assert headings == ["Summary", "What could not be read", "Matrix", "Findings"]
    assert unnamed == []
    expect(page.get_by_role("main")).to_have_count(1)
    expect(page.get_by_role("banner")).to_have_count(1)
    expect(page.get_by_role("status")).to_have_text("8 of 8 findings")
    expect(page.get_by_role("rowheader", name="prod")).to_have_count(1)
    expect(page.get_by_role("columnheader", name="sas")).to_have_count(1)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="To the findings")).to_be_focused()


def test_without_scripts_everything_is_there_to_read(opened: Open) -> None:
    tab = opened(MANY, java_script_enabled=False)

    assert len(tab.shown) == 700
    expect(tab.page.locator("#filters")).to_be_hidden()


# --- what must not happen -------------------------------------------------------------------------


def test_it_asks_nobody_for_anything(opened: Open) -> None:
    tab = opened(large(4, 60))
    tab.page.locator(".cell").first.click()

    assert [url.rpartition("/")[2] for url in tab.requests] == ["drift.html"]
    assert tab.complaints == []


def test_markup_in_names_is_shown_and_not_run(opened: Open) -> None:
    tab = opened(hostile())
    for number in range(len(EVIL)):
        tab.page.locator(".cell:visible").nth(number * (len(EVIL) + 1)).click()
    rows = tab.page.locator("#cell tbody tr").all_inner_texts()
    tab.page.get_by_role("button", name="Show all").click()

    assert tab.page.evaluate("window.run") is None
    assert len(tab.requests) == 1
    assert tab.complaints == []
    assert EVIL[0] in tab.shown
    assert EVIL[5] in tab.shown
    assert rows
    assert tab.page.locator("img, a:not(.skip)").count() == 0
    assert tab.page.title().startswith("Drift review")


def test_even_what_got_past_the_escaping_is_not_run(opened: Open) -> None:
    """The policy allows this page's script and style, and nothing else."""
    tab = opened(EVERYTHING)
    tab.page.evaluate(
        """() => {
          const script = document.createElement("script");
          script.textContent = "window.run = 1";
          document.body.append(script);
          document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.run = 1'>");
          return fetch("https://example.invalid/").catch(() => null);
        }"""
    )

    assert tab.page.evaluate("window.run") is None
    assert len(tab.answers) == 1
    assert any("Content Security Policy" in one for one in tab.complaints)


# --- speed ----------------------------------------------------------------------------------------


def test_two_hundred_stacks_of_sixty_logs_are_usable(opened: Open) -> None:
    tab = opened(large(200, 60))
    ready = tab.page.evaluate("performance.getEntriesByName('ready')[0].startTime") / 1000
    began = time.monotonic()  # docs/drift.md has what was measured
    tab.page.get_by_label("Kind", exact=True).select_option(Kind.DRIFTED.value)
    expect(tab.page.locator("#shown")).to_contain_text("of")
    filtered = time.monotonic() - began
    print(f"usable after {ready:.2f} s, filtered in {filtered:.2f} s, {tab.count}")

    assert tab.page.locator(".cell").count() > 4000
    assert "of" in tab.count
