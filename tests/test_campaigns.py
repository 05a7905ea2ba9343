"""The short form of the campaigns that need no engine, and how their results are kept and told."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from campaigns import emulator, fuzz, page, sequences, soak
from campaigns.campaign import Campaign, Outcome, Plan
from campaigns.page import Result, to_markdown
from campaigns.stories import STRUCK, story

from tests.edits import FAULTS

FOUND = [
    ("fuzz-plans", 11),
    ("fuzz-plans", 66),
    ("fuzz-plans", 209),
    ("fuzz-plans", 1636),
    ("fuzz-plans", 2859),
    ("fuzz-baselines", 1786),
    ("emulator-signatures", 271),
    ("emulator-signatures", 326),
]
"""The campaigns that once failed, and with which seed."""
SHORT = [
    (sequences.HARNESS, 30),
    (sequences.FORGETTING, 15),
    *((one, 500 if "stack" in one.name else 150) for one in fuzz.CAMPAIGNS),
    (emulator.CAMPAIGNS[0], 500),
]


@pytest.mark.parametrize(("campaign", "rounds"), SHORT, ids=[one.name for one, _ in SHORT])
def test_what_a_campaign_claims_holds_for_its_first_rounds(
    campaign: Campaign, rounds: int, tmp_path: Path
) -> None:
    outcome = campaign.run(Plan(seed=0, rounds=rounds, folder=tmp_path))

    assert outcome.failures == []
    assert rounds in outcome.figures.values()


@pytest.mark.parametrize(("name", "seed"), FOUND)
def test_what_once_went_wrong_goes_right(name: str, seed: int, tmp_path: Path) -> None:
    [campaign] = [one for one, _ in SHORT if one.name == name]

    assert campaign.run(Plan(seed=seed, rounds=1, folder=tmp_path)).failures == []


def test_a_seed_tells_the_same_story_again_and_others_tell_others() -> None:
    stories = [story(seed) for seed in range(300)]
    steps = [step for one in stories for step in one]

    assert stories == [story(seed) for seed in range(300)]
    assert len({str(one) for one in stories}) == 300
    assert sum(step.fault is not None for step in steps) / len(steps) == pytest.approx(STRUCK, 0.2)
    struck = {step.fault.kind for step in steps if step.fault}
    assert struck == {one.kind for one in FAULTS}


def test_what_grows_while_it_soaks_is_found() -> None:
    before = soak.Held(kib=50_000, threads=5, files=20, connections=3)
    same = soak.Held(kib=50_000 + soak.SPARE_KIB, threads=4, files=20, connections=3)
    more = soak.Held(kib=60_000, threads=6, files=21, connections=3)

    assert before.grown_to(same) == []
    assert before.grown_to(more) == ["kib: 50000 -> 60000", "threads: 5 -> 6", "files: 20 -> 21"]


def test_a_failure_is_told_with_its_seed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever the claim: here the reader raises what nobody should see."""
    campaign = fuzz.CAMPAIGNS[-1]

    def broken(*_: object) -> None:
        raise KeyError("product")

    monkeypatch.setattr(fuzz, "recorded", broken)
    outcome = campaign.run(Plan(seed=7, rounds=40, folder=tmp_path))

    assert outcome.failures
    assert all("KeyError: 'product'" in one for one in outcome.failures)
    seed = int(outcome.failures[-1].split(":")[0].removeprefix("--seed "))
    [again] = campaign.run(Plan(seed=seed, rounds=1, folder=tmp_path)).failures
    assert again == outcome.failures[-1]


def test_what_takes_for_ever_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(fuzz, "HANGS_S", 0.05)
    monkeypatch.setattr(fuzz, "recorded", lambda *_: threading.Event().wait())

    outcome = fuzz.CAMPAIGNS[-1].run(Plan(seed=0, rounds=9, folder=tmp_path))

    assert any("not read within" in one for one in outcome.failures)


def test_the_page_says_what_ran_and_what_did_not(
    golden: Callable[[str, str], None], tmp_path: Path
) -> None:
    ran, never = (
        Campaign(
            name=name,
            claim=f"Nothing goes wrong with {name}.",
            rounds=100,
            unit="round of it",
            run=lambda _: Outcome(figures={}),
        )
        for name in ("tea", "cakes")
    )
    outcome = Outcome(
        figures={"cups": 20, "wrong": 1},
        failures=["--seed 3: SpilledError: the saucer"],
        beside={"poured as": "12 black, 8 white"},
    )
    result = Result.of(
        ran,
        outcome,
        rounds=20,
        date="2026-01-31",
        seconds=5,
        machine="2 cores",
    )
    result.write(tmp_path / "tea.json")

    read = page.Result.read(tmp_path / "tea.json")
    assert read == result
    golden("reliability.md", to_markdown([ran, never], {"tea": read}))
