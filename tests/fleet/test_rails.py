"""All plans together: one refusal, and nothing is written anywhere."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from cloud_siem.codes import Code
from cloud_siem.errors import CloudSiemError
from cloud_siem.fleet.rails import LIMIT_ENVIRON, Limit, refusal, reviewed_result
from cloud_siem.fleet.selection import Shard
from cloud_siem.fleet.tasks import Result, Status
from cloud_siem.kinds import CloseLimit
from cloud_siem.model import Log, Snapshot, State
from cloud_siem.settings import Settings
from tests.conftest import ACCOUNT, HERE


def preview(stack: str, closed: int = 0, status: Status = Status.TO_CHANGE) -> Result:
    return Result(stack=stack, status=status, closed=closed)


def limit(number: int, shard: str = "", *, percent: bool = False) -> Limit:
    return Limit(
        limit=CloseLimit(number=number, percent=percent),
        shard=Shard.parse(shard) if shard else None,
    )


def test_the_limit_counts_what_all_stacks_together_would_close() -> None:
    previews = [preview("b", 2), preview("a", 3), preview("c")]

    assert refusal(previews, limit(5), opened=40) == ""
    assert refusal(previews, limit(4), opened=40) == (
        "5 logs would close in 2 stacks (a, b), of 40 declared open; the fleet's close limit is 4"
        " (--close-limit 4). To allow it for one run, say --close-limit 5. Nothing was closed."
        " [refused:fleet-close-limit]"
    )


def test_a_share_is_of_what_is_declared_open_in_the_whole_fleet() -> None:
    assert refusal([preview("a", 4)], limit(10, percent=True), opened=40) == ""
    assert "limit is 3" in refusal([preview("a", 4)], limit(10, percent=True), opened=39)


def test_one_refused_stack_refuses_the_fleet_and_a_failed_one_does_not() -> None:
    previews = [preview("a"), preview("b", status=Status.FAILED)]
    assert refusal(previews, limit(5), opened=9) == ""

    refused = preview("c", status=Status.REFUSED)
    assert "a guardrail refuses 1 stack (c), so nothing is written anywhere" in refusal(
        [*previews, refused], limit(5), opened=9
    )


def test_the_shards_of_a_fleet_share_its_limit() -> None:
    """All of them together close no more than one run over the whole fleet might."""
    parts = [limit(5, f"{part}/3").of(100) for part in (1, 2, 3)]
    assert parts == [2, 2, 1]

    said = refusal([preview("a", 2)], limit(5, "3/3"), opened=100)
    assert "limit is 1 (--close-limit 5, shard 3/3 of it)" in said
    assert "say --close-limit 6." in said
    assert limit(6, "3/3").of(100) == 2


def test_the_command_line_wins_over_the_environment_and_that_over_the_default() -> None:
    environ = {LIMIT_ENVIRON: "20%"}

    assert str(Limit.read(None, {}, None)) == "5"
    assert str(Limit.read(None, environ, None)) == "20%"
    assert str(Limit.read(CloseLimit(number=0), environ, None)) == "0"


def test_an_environment_that_sets_no_limit_is_told() -> None:
    with pytest.raises(CloudSiemError, match=rf'{LIMIT_ENVIRON}: "many" is no close limit'):
        Limit.read(None, {LIMIT_ENVIRON: "many"}, None)


# --- one plan -------------------------------------------------------------------------------------

Json = dict[str, Any]
WHOSE = {"account": ACCOUNT, "region": "cn-hangzhou", "product": "sas", "view": "account"}


def delivery(log: str, state: str) -> Json:
    bag = {**WHOSE, "log": log, "state": state}
    return {"type": "pulumi-python:dynamic/cloud-siem:LogDelivery", "inputs": bag, "outputs": {}}


def planned(*steps: Json, said: str = "", kind: str = "Gate") -> Result:
    urn = f"urn:pulumi:a::cloud-siem::pulumi-python:dynamic/cloud-siem:{kind}::gate"
    told = [{"severity": "error", "message": said, "urn": urn}] if said else []
    plan = {"config": {}, "steps": list(steps), "diagnostics": told}
    return Result(stack="a", status=Status.TO_CHANGE, steps=json.dumps(plan))


OPENS: Json = {"op": "create", "oldState": None, "newState": delivery("x", "open")}
STAYS: Json = {"op": "same", "oldState": delivery("z", "open"), "newState": delivery("z", "open")}
CLOSES: Json = {"op": "delete", "oldState": delivery("y", "open"), "newState": None}


def gate(*closing: str, **entries: str) -> Json:
    """The gate's step of an update that removes what closes."""
    whose = {name: WHOSE[name] for name in ("account", "region", "view")}
    now = whose | {f"sas/{log}": state for log, state in entries.items()}
    before = now | dict.fromkeys(closing, "open")
    after = now | {"closing": dict.fromkeys(closing, 0)}
    kind = "pulumi-python:dynamic/cloud-siem:Gate"
    states = ({"type": kind, "inputs": bag, "outputs": bag} for bag in (before, after))
    return {"op": "update", **dict(zip(("oldState", "newState"), states, strict=True))}


def test_a_plan_says_what_it_opens_and_closes_and_how_to_undo_it() -> None:
    told = reviewed_result(planned(gate("sas/y", z="open"), OPENS, STAYS, CLOSES), Settings())

    assert (told.status, told.opened, told.closed) == (Status.TO_CHANGE, 1, 1)
    assert told.changes == (
        "sas/y closes: its entry is removed (undo: sas: {y: open, z: open})",
        "sas/x opens: it is new here",
    )


def test_all_logs_of_a_product_are_counted_by_a_look_at_the_account() -> None:
    """Without one, each entry counts as one."""
    drops = {"op": "delete", "oldState": delivery("*", "open"), "newState": None}
    plan = planned(gate("sas/*", z="open"), drops)
    logs = tuple(Log(product="sas", log=code, state=State.OPEN, operable=True) for code in "abc")
    seen = Snapshot(perspective=HERE, logs=logs, taken_at=datetime(2025, 10, 9, tzinfo=UTC))

    assert reviewed_result(plan, Settings(), lambda *_: seen).closed == 3
    assert reviewed_result(plan, Settings()).closed == 1


def test_a_plan_whose_close_no_gate_authorizes_is_refused() -> None:
    told = reviewed_result(planned(STAYS, CLOSES), Settings())

    assert told.status is Status.REFUSED
    assert told.codes == (Code.NOT_AUTHORIZED,)


def test_a_plan_that_a_gate_refused_is_refused_and_one_that_broke_off_has_failed() -> None:
    refused = reviewed_result(planned(said=f"18 logs would close. {Code.CLOSE_LIMIT}"), Settings())
    failed = reviewed_result(planned(said="the disk is full"), Settings())

    assert (refused.status, failed.status) == (Status.REFUSED, Status.FAILED)
    assert refused.codes == (Code.CLOSE_LIMIT,)
    assert "the disk is full" in failed.errors[0]
