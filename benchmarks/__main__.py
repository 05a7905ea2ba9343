"""`python -m benchmarks [--quick] [--only NAME ...]`: measure, and say what was reached."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import machine, profile, report
from benchmarks.measures import MEASURES, Bench, Measure
from benchmarks.project import ROOT
from benchmarks.rows import Row, beside
from benchmarks.usage import heed_interrupts

PAGE = ROOT / "docs" / "benchmarks.md"
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    heed_interrupts()
    options = _options()
    results = RESULTS / ("quick.json" if options.quick else "full.json")
    RESULTS.mkdir(exist_ok=True)
    rows: list[Row] = []
    if not options.page:
        results.touch()
        for done in _measured(options):
            rows += done.rows
            whole = done.after(results.read_text())
            results.write_text(report.to_json(dataclasses.replace(whole, rows=_sorted(whole.rows))))
        print(_score(rows))
    if not options.quick:
        PAGE.write_text(report.to_markdown(report.from_json(results.read_text())))
    return 0


def _measured(options: argparse.Namespace) -> Iterator[report.Report]:
    """A report for each measure as soon as it is done: what a long run has measured stays."""
    command = "make bench-quick" if options.quick else "make bench"
    arguments = f" ARGS='--rounds {options.rounds}'" if options.rounds else ""
    about = report.Report(
        rows=[],
        facts=machine.facts(),
        date=datetime.now(UTC).date().isoformat(),
        command=command + arguments,
    )
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as folder,
        Bench(Path(folder), quick=options.quick, rounds=options.rounds) as bench,
    ):
        for one in _wanted(options):
            began, load = time.monotonic(), machine.load()
            rows = list(one.run(bench))
            loads = f"{load:.1f} before, {machine.load():.1f} after"
            rows.append(beside(one.name, "load of the machine", loads))
            print(f"-- {one.name} ({time.monotonic() - began:.0f} s)")
            print(report.to_text(rows), flush=True)
            yield dataclasses.replace(about, rows=rows)
        if "profile" in options.only or not (options.quick or options.only):
            yield dataclasses.replace(about, profiles=profile.profiles(bench))


def _wanted(options: argparse.Namespace) -> list[Measure]:
    if options.only:
        return [one for one in MEASURES if one.name in options.only]
    return [one for one in MEASURES if one.quick or not options.quick]


def _sorted(rows: Sequence[Row]) -> list[Row]:
    """In the order of the table of measures, whatever was measured last."""
    names = [one.name for one in MEASURES]
    return sorted(rows, key=lambda row: names.index(row.measure))


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
        "--page", action="store_true", help="only write the page again, from the last results"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
