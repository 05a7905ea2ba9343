"""`python -m benchmarks [--quick] [--only NAME ...]`: measure, and say what was reached."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine, profile, report
from benchmarks.measures import MEASURES, Bench
from benchmarks.project import ROOT
from benchmarks.rows import Row

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    options = _options()
    if not options.page:
        done = _measured(options)
        RESULTS.mkdir(exist_ok=True)
        name = "quick" if options.quick else "some" if options.only else "full"
        (RESULTS / f"{name}.json").write_text(report.to_json(done))
        print(_score(done.rows))
    if options.page or not (options.quick or options.only):
        PAGE.write_text(report.to_markdown(report.from_json((RESULTS / "full.json").read_text())))
    return 0


def _measured(options: argparse.Namespace) -> report.Report:
    wanted = [
        one
        for one in MEASURES
        if (one.name in options.only if options.only else one.quick or not options.quick)
    ]
    rows: list[Row] = []
    profiles: dict[str, str] = {}
    loads = [machine.load()]
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Bench(Path(folder), quick=options.quick, rounds=options.rounds) as bench,
    ):
        for measure in wanted:
            began = time.monotonic()
            new = list(measure.run(bench))
            loads.append(machine.load())
            print(f"-- {measure.name} ({time.monotonic() - began:.0f} s)")
            print(report.to_text(new), flush=True)
            rows += new
        if "profile" in options.only or not (options.quick or options.only):
            profiles = profile.profiles(bench)
    rounds = f" ARGS='--rounds {options.rounds}'" if options.rounds else ""
    return report.Report(
        rows=rows,
        facts={**machine.facts(), "load": f"{min(loads):.1f} to {max(loads):.1f} meanwhile"},
        date=datetime.now(UTC).date().isoformat(),
        command=("make bench-quick" if options.quick else "make bench") + rounds,
        profiles=profiles,
    )


def _score(rows: Sequence[Row]) -> str:
    reached = [row.reached for row in rows]
    return f"{reached.count(True)} goals reached, {reached.count(False)} not."


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds of the small measures")
    names = [one.name for one in MEASURES]
    parser.add_argument("--only", nargs="+", choices=[*names, "profile"], default=[])
    parser.add_argument("--rounds", type=int, help="at most so many, of every measure")
    parser.add_argument(
        "--page", action="store_true", help="only write the page, from the last whole run"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
