"""The HTML report as text; tests/browser/ uses it in a browser."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from cloud_siem.errors import CloudSiemError
from cloud_siem.report.as_html import LEGEND, to_html
from cloud_siem.report.writing import writer
from tests.report.reports import EVERYTHING, EVIL, IN_SYNC, STOPPED, hostile, with_news

REPORTS = {
    "everything": EVERYTHING,
    "in sync": IN_SYNC,
    "stopped": STOPPED,
    "news": with_news(EVERYTHING),
    "hostile": hostile(),
}
VOID = {"meta", "input", "br"}


class Tags(HTMLParser):
    """Whether every tag is closed, and which attributes there are."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", REPORTS)
def test_it_is_well_formed_and_reaches_for_nothing(name: str) -> None:
    """No address, no inline style, no handler: the policy would refuse them."""
    text = to_html(REPORTS[name])
    tags = Tags()
    tags.feed(text)

    assert tags.open == []
    assert not [one for one in tags.attributes if one[0] in ("src", "style") or one[0][:2] == "on"]
    assert [value for name, value in tags.attributes if name == "href"] == ["#findings"]
    assert "url(" not in text.lower()
    assert "@import" not in text


def test_nothing_of_a_name_is_markup() -> None:
    text = to_html(hostile())

    assert all(one not in text for one in EVIL[:2])
    assert text.count("<script") == 2
    assert text.count("</script>") == 2


def test_it_comes_out_the_same_every_time() -> None:
    assert to_html(EVERYTHING) == to_html(EVERYTHING)


def test_the_policy_forbids_everything_but_this_script_and_this_style() -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', to_html(EVERYTHING))

    assert policy
    assert re.fullmatch(
        r"default-src 'none'; script-src 'sha256-[\w+/=]{44}'; style-src 'sha256-[\w+/=]{44}';"
        r" base-uri 'none'; form-action 'none'",
        policy[1].replace("&#39;", "'"),
    )


def test_no_two_signs_are_alike() -> None:
    assert len({sign for sign, _, _ in LEGEND}) == len(LEGEND)


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("as_html", "onefile"):
        monkeypatch.delitem(sys.modules, f"cloud_siem.report.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(CloudSiemError, match=r"Jinja2|jinja2.*pulumi-cloud-siem\[report\]"):
        writer("html")


def test_nobody_pays_for_a_format_that_was_not_asked_for() -> None:
    code = "import sys, cloud_siem.cli.drift; print([m for m in sys.modules if m in ("
    code += "'jinja2', 'rich', 'pulumi', 'xml.etree.ElementTree', 'darabonba')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
