"""The benchmarks' own parts; nothing here measures time."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from benchmarks import reasons, report, usage
from benchmarks.figures import Spread, interleaved, ratio
from benchmarks.measures import MEASURES
from benchmarks.profile import role_of
from benchmarks.rows import at_least, at_most, beside, exactly

ROWS = [
    at_most("unchanged", "`up`: CPU", Spread.of([1.04, 0.98, 1.12]), 1.05),
    at_most("state", "state", Spread.of([991.4]), 400, "bytes"),
    exactly("refresh", "calls", {"ListDelivery": 1, "GetCallerIdentity": 1}, {"ListDelivery": 1}),
    exactly("unchanged", "calls", {}, {}),
    beside("refresh", "naive | wall", "3.10 x"),
]
REPORT = report.Report(
    rows=ROWS,
    facts={"CPU": "2 cores"},
    date="2026-01-31",
    command="make bench",
    profiles={"`up`": "the program: 10 ms of CPU\n"},
)

TEXT = """\
up: CPU       1.04 x (0.98-1.12)                   at most 1.05 x     reached
state         991 bytes                            at most 400 bytes  not reached
calls         1 GetCallerIdentity, 1 ListDelivery  1 ListDelivery     not reached
calls         0 calls                              0 calls            reached
naive | wall  3.10 x
"""

PAGE = f"""\
|  |  |
| --- | --- |
| date | 2026-01-31 |
| last command | `make bench` |
| CPU | 2 cores |

## Goals

| measure | goal | figure |  |
| --- | --- | --- | --- |
| `up`: CPU | at most 1.05 x | 1.04 x (0.98-1.12) | reached |
| state | at most 400 bytes | 991 bytes | not reached |
| calls | 1 ListDelivery | 1 GetCallerIdentity, 1 ListDelivery | not reached |
| calls | 0 calls | 0 calls | reached |

## What is not reached

- state. **Why:** {reasons.WHY["state"]}
- calls. **Why:** {reasons.WHY["refresh"]}

## Beside them

| measure | what | figure |
| --- | --- | --- |
| refresh | naive / wall | 3.10 x |

## Profiles

Where the processes of a run spent their CPU, by sampling.

### `up`

```
the program: 10 ms of CPU
```
"""


def test_a_spread_is_a_median_between_its_ends() -> None:
    spread = Spread.of([3.0, 1.0, 2.0, 10.0])

    assert (spread.median, spread.low, spread.high, spread.count) == (2.5, 1.0, 10.0, 4)
    assert spread.show(" s", digits=1) == "2.5 s (1.0-10.0)"
    assert Spread.of([2.0]).show(" s") == "2.00 s"


def test_a_ratio_is_taken_pair_by_pair() -> None:
    """A slow minute that both halves of a pair share does not show."""
    assert ratio([2.0, 20.0, 3.0], [1.0, 10.0, 2.0]) == Spread.of([2.0, 2.0, 1.5])


def test_a_ratio_needs_whole_pairs() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio([1.0, 2.0], [1.0])


def test_subjects_take_turns_and_change_places() -> None:
    order: list[str] = []

    def run(name: str) -> int:
        order.append(name)
        return len(order)

    results = interleaved(3, {"a": lambda: run("a"), "b": lambda: run("b")})

    assert order == ["a", "b", "b", "a", "a", "b"]
    assert results == {"a": [1, 4, 5], "b": [2, 3, 6]}


def test_the_median_decides_whether_a_goal_is_reached() -> None:
    assert at_most("m", "w", Spread.of([0.5, 1.05, 9.0]), 1.05).reached is True
    assert at_most("m", "w", Spread.of([1.06]), 1.05).reached is False
    assert at_least("m", "w", Spread.of([1.0, 20.0, 21.0]), 20).reached is True
    assert at_least("m", "w", Spread.of([19.9]), 20).reached is False


def test_the_table_for_a_terminal() -> None:
    assert report.to_text(ROWS) == TEXT


def test_the_page() -> None:
    """From the machine's facts on; the words before it are prose."""
    page = report.to_markdown(REPORT)

    assert page.startswith("# Benchmarks\n")
    assert page.partition("\n\n|")[2] == PAGE[1:]


def test_the_json_is_read_as_it_was_written() -> None:
    assert report.from_json(report.to_json(REPORT)) == REPORT


def test_a_measure_that_is_run_again_replaces_its_rows() -> None:
    again = report.Report(
        rows=[beside("refresh", "new", "1 x")], facts={}, date="2026-02-01", command="make bench"
    )

    both = again.after(report.to_json(REPORT))

    assert both.rows == [*(row for row in ROWS if row.measure != "refresh"), *again.rows]
    assert (both.date, both.profiles) == (again.date, REPORT.profiles)
    assert again.after("") == again


def test_each_measure_has_a_name_of_its_own() -> None:
    names = [one.name for one in MEASURES]

    assert len(set(names)) == len(names)
    assert {one.name for one in MEASURES if one.quick} < set(names)


def test_each_measure_with_goals_has_its_reason() -> None:
    without_goals = {"checkpoints", "ladder"}

    assert set(reasons.WHY) == {one.name for one in MEASURES} - without_goals


def test_the_usage_of_a_command_has_that_of_what_it_leaves_behind(tmp_path: Path) -> None:
    """A grandchild whose parent is gone is waited for, and what it used is counted."""
    work = "x = sum(range(3_000_000))"
    script = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {work!r}]); print(1)"
    measure = "from benchmarks.usage import measure; import sys, pathlib;"
    measure += f"u = measure([sys.executable, '-c', {script!r}], cwd=pathlib.Path('.'), env={{}});"
    measure += "print(u.code, u.processes, u.text.strip(), u.cpu > 0, u.peak_mb > 1)"

    done = usage.measure(
        [sys.executable, "-c", measure],
        cwd=Path(__file__).parent.parent,
        env={"PYTHONPATH": str(Path(__file__).parent.parent)},
    )

    assert done.text == "0 2 1 True True\n"


def test_the_engines_python_processes_are_told_apart() -> None:
    assert role_of("python3 -u -m pulumi.dynamic 127.0.0.1:1 ") == "the provider"
    assert role_of("python3 -u /x/pulumi-language-python-exec --monitor y") == "the program"
    assert role_of("python3 -m pip list") == ""
