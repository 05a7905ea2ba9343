"""`python -m campaigns [NAME ...] [--seed N] [--rounds N]`: run campaigns, and write their page."""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine
from benchmarks.usage import heed_interrupts

from campaigns import emulator, fuzz, kill, sequences, soak
from campaigns.campaign import Campaign, Plan
from campaigns.page import Result, to_markdown

CAMPAIGNS = (
    sequences.HARNESS,
    sequences.FORGETTING,
    sequences.ENGINE,
    sequences.FLAGS,
    sequences.FLAGS_ON_ENGINE,
    kill.CAMPAIGN,
    soak.CAMPAIGN,
    *fuzz.CAMPAIGNS,
    *emulator.CAMPAIGNS,
)
RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parent.parent / "docs" / "reliability.md"


def main() -> int:
    heed_interrupts()
    options = _options()
    RESULTS.mkdir(exist_ok=True)
    failed = False
    for campaign in CAMPAIGNS:
        if options.page or (options.names and campaign.name not in options.names):
            continue
        result = _run(campaign, options)
        print(*result.lines, sep="\n", flush=True)
        failed |= bool(result.failures)
        if options.seed is None:  # a single seed that is run again says nothing of the whole
            result.write(RESULTS / f"{campaign.name}.json")
    results = [Result.read(file) for file in RESULTS.glob("*.json")]
    PAGE.write_text(to_markdown(CAMPAIGNS, {one.name: one for one in results}))

    return int(failed)


def _run(campaign: Campaign, options: argparse.Namespace) -> Result:
    seed = options.seed or 0
    rounds = options.rounds or campaign.rounds
    began, load = time.monotonic(), machine.load()
    with tempfile.TemporaryDirectory(prefix="campaign-") as folder:
        outcome = campaign.run(Plan(seed=seed, rounds=rounds, folder=Path(folder)))
    return Result.of(
        campaign,
        outcome,
        rounds=rounds,
        date=datetime.now(UTC).date().isoformat(),
        seconds=round(time.monotonic() - began),
        machine=f"{machine.cpu()}; Python {platform.python_version()}; load {load:.1f} before",
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m campaigns", description=__doc__)
    names = [one.name for one in CAMPAIGNS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; or all")
    parser.add_argument("--seed", type=int, help="of the first round; the run is not kept")
    parser.add_argument("--rounds", type=int, help="how many, of each campaign")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    options = parser.parse_args()
    if unknown := set(options.names) - set(names):
        parser.error(f"there is no campaign {', '.join(sorted(unknown))}")

    return options


if __name__ == "__main__":
    sys.exit(main())
