"""A large report that comes out the same every time: many stacks, all logs, some of them odd."""

from __future__ import annotations

from datetime import UTC, datetime

from cloud_siem.drift import compare
from cloud_siem.model import Log, Perspective, Region, Snapshot, State
from cloud_siem.report.contents import DriftReport, Outcome
from cloud_siem.stack import build_stack
from siem_emulator.catalog import Catalog

NOW = datetime(2026, 1, 31, 6, 0, tzinfo=UTC)
REASON = {"delivery": "oss/*", "reason": "opened for INC-7", "until": "2026-12-31"}


def large(stacks: int, logs: int) -> DriftReport:
    """About one log in twenty is not as declared, one in ten open and not declared."""
    places = Catalog.with_logs(logs).places
    return DriftReport(
        began=NOW, outcomes=tuple(_outcome(number, places) for number in range(stacks))
    )


def _outcome(number: int, places: tuple[tuple[str, str], ...]) -> Outcome:
    name = f"{('prod', 'stage', 'test', 'dev')[number % 4]}-{number // 4:02d}"
    perspective = Perspective(account=str(10**15 + number), region=Region.CN_HANGZHOU)
    declared: dict[str, dict[str, str]] = {}
    logs = []
    for at, (product, log) in enumerate(places):
        chance = (number * 7919 + at * 104_729) % 1000 / 1000
        state = State.OPEN if chance < 0.7 else State.CLOSED
        if chance < 0.6 or chance > 0.75:
            odd = number % 5 != 0 and (number + at) % 23 == 0
            wanted = {State.OPEN: "closed", State.CLOSED: "open"} if odd else {}
            declared.setdefault(product, {})[log] = wanted.get(state, state.value)
        logs.append(Log(product=product, log=log, state=state, operable=(number + at) % 97 != 0))
    config = {
        "account": perspective.account,
        "region": perspective.region.value,
        "deliveries": declared,
        "driftIgnore": [REASON] if number % 3 == 0 else [],
    }
    stack = build_stack({f"cloud-siem:{key}": value for key, value in config.items()}, name=name)
    snapshot = Snapshot(perspective=perspective, logs=tuple(sorted(logs, key=_by)), taken_at=NOW)
    return Outcome(
        stack=name,
        file=f"stacks/Pulumi.{name}.yaml",
        perspective=perspective,
        comparison=compare(stack, snapshot),
    )


def _by(log: Log) -> tuple[str, str]:
    return (log.product, log.log)
