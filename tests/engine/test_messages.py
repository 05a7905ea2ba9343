"""What a person reads when a verb fails: sentences in one line, whatever the SDK makes of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from siem_emulator import EmulatorServer
from tests.engine.engine import ROOT, Engine, Golden, Result
from tests.hostile import PIECES, forged_lines, harm_in

FLOW = "cloud_siem_vpc_flow_log"
PROGRAM = """\
import cloud_siem

cloud_siem.LogDelivery(
    "flow",
    account="1130916744880000",
    region="cn-hangzhou",
    product="vpc",
    log="{log}",
    state="{state}",
)
"""


@pytest.fixture
def on_oldest(tmp_path: Path, pulumi_home: Path, siem: EmulatorServer, oldest: Path) -> Engine:
    engine = Engine(folder=tmp_path / "project", home=pulumi_home, siem=siem, venv=oldest)
    engine.environment["PYTHONPATH"] += f"{os.pathsep}{ROOT / 'providers'}"
    return engine


def test_each_verb_on_the_newest_sdk(engine: Engine, siem: EmulatorServer, golden: Golden) -> None:
    """From 3.260 on the SDK would show a traceback; ours is one line all the same."""
    golden("engine/verbs.txt", failures_of_each_verb(engine, siem))


def test_each_verb_on_the_oldest_sdk(
    on_oldest: Engine, siem: EmulatorServer, golden: Golden
) -> None:
    """The oldest SDK that the package allows shows the same sentences."""
    golden("engine/verbs.txt", failures_of_each_verb(on_oldest, siem))


def failures_of_each_verb(engine: Engine, siem: EmulatorServer) -> str:
    """What we say of one failure after the other on one delivery."""
    told = []

    def fails(verb: str, run: Callable[[], Result]) -> None:
        failed = run()
        siem.faults.clear()
        told.append(f"# {verb}\n{failed.messages}")

        assert failed.code != 0, failed.text
        assert "Traceback" not in failed.text

    engine.rewrite(PROGRAM.format(log=FLOW[1:], state="open"))
    fails("check", engine.preview)

    engine.rewrite(PROGRAM.format(log=FLOW, state="open"))
    siem.fault("error_mapping", action="OpenDelivery")
    fails("create", engine.up)

    assert engine.up().code == 0

    engine.rewrite(PROGRAM.format(log=FLOW, state="closed"))
    siem.fault("data_false", action="CloseDelivery")
    fails("update", engine.up)

    siem.fault("null_maps", action="ListDelivery")
    fails("read", engine.refresh)

    fails("delete without a gate", engine.destroy)

    siem.fault("bad_shape", action="CloseDelivery")
    word = f"{siem.world.first.id}/vpc/{FLOW}"
    fails("delete", lambda: engine.destroy(CLOUD_SIEM_CLOSE=word))

    return "\n".join(told)


def test_words_of_an_endpoint_reach_the_engines_output_without_their_commands(
    engine: Engine, siem: EmulatorServer
) -> None:
    """A hostile endpoint, or a gateway on the way, could drive a terminal or a CI runner."""
    text = "".join(PIECES)
    body = {"Code": text, "Message": text, "RequestId": text}
    siem.fault("bad_shape", action="ListDelivery", status=400, body=body)
    engine.declare({"vpc": {FLOW: "open"}})

    failed = engine.preview()

    assert failed.code != 0
    assert "ListDelivery" in failed.text
    assert harm_in(failed.text) == []
    assert forged_lines(failed.text) == []
