"""Whose delivery a resource is: never changed in place, and never lost by a new name or shape."""

from __future__ import annotations

from cloud_siem.codes import Code, codes_in
from siem_emulator import EmulatorServer
from tests.engine.engine import Engine, Golden, program

FLOW = "cloud_siem_waf_flow"
ALERT = "cloud_siem_waf_alert"
NOTHING = """\
import cloud_siem
import pulumi
from pulumi.dynamic import CreateResult, Resource, ResourceProvider


class Provider(ResourceProvider):
    def create(self, props):
        return CreateResult("facts", {"log": None})


class Facts(Resource):
    log: pulumi.Output[str]

    def __init__(self):
        super().__init__(Provider(), "facts", {"log": None})


cloud_siem.LogDelivery(
    "flow",
    account="1130916744880000",
    region="cn-hangzhou",
    product="waf",
    log=Facts().log,
    state="closed",
)
"""
"""The log code is to come from another resource, which turns out to have none."""
URN = (
    "urn:pulumi:dev::cloud-siem::cloud-siem:index:AccountDeliveries"
    "$pulumi-python:dynamic/cloud-siem:"
)


def test_a_key_stays_and_a_new_name_closes_nothing(
    engine: Engine, siem: EmulatorServer, golden: Golden
) -> None:
    """Another account, region, view or member is refused; another name, another parent, and single
    logs in the place of the whole product write what really changes, and nothing else.
    """
    both = {"waf": {FLOW: "open", ALERT: "open"}}
    engine.declare(both)
    assert engine.up().writes == [f"open waf/{ALERT}", f"open waf/{FLOW}"]

    engine.declare(
        both,
        account="1777777777777777",
        region="ap-southeast-1",
        view="enterprise",
        member="1234567890123456",
        memberInEnterpriseView=True,
    )
    moved = engine.preview()

    assert (moved.code, moved.calls) == (1, ())
    golden("engine/key-changes.txt", moved.messages)

    engine.declare(both)
    engine.rewrite(program(prefix="new-"))
    renamed = engine.up()

    assert renamed.code == 0, renamed.text
    assert renamed.writes == []
    assert sorted(engine.resources) == [
        "new-gate",
        "new-settled",
        f"new-waf/{ALERT}",
        f"new-waf/{FLOW}",
    ]

    engine.rewrite(program(parent="box:index:Box"))
    engine.declare({"waf": {"*": "open"}})
    reparented = engine.up()

    assert reparented.code == 0, reparented.text
    assert reparented.writes == []
    assert sorted(engine.resources) == ["gate", "settled", "waf"]

    engine.declare({"waf": {FLOW: "open"}})
    split = engine.up()

    assert split.code == 0, split.text
    assert split.writes == [f"close waf/{ALERT}"]

    engine.declare({"waf": {"*": "open"}})
    joined = engine.up()

    assert joined.code == 0, joined.text
    assert joined.writes == ["open waf"]

    engine.declare({"waf": {FLOW: "closed", ALERT: "open"}})
    turned = engine.up()

    assert turned.code == 0, turned.text
    assert turned.writes == [f"close waf/{FLOW}"]
    assert {log for product, log in siem.open_logs() if product == "waf"} == {ALERT}


def test_a_log_code_that_turns_out_to_be_nothing_is_never_every_log(
    engine: Engine, siem: EmulatorServer
) -> None:
    """Not known at the preview, and missing in the update: refused there, before any call."""
    siem.switch("waf", state="open")
    engine.rewrite(NOTHING)

    assert engine.preview().code == 0
    updated = engine.up()

    assert (updated.code, updated.calls) == (1, ())
    assert '; or "*" for every log of the product)' in updated.diagnostics


def test_with_target_nothing_is_closed_that_the_program_may_declare(
    engine: Engine, siem: EmulatorServer, golden: Golden
) -> None:
    """A delete that ``--target`` cut off from the rest of the program is refused, by Pulumi or by
    us. Named by a person for one run it spares what the program or its stack file declares.
    """
    engine.declare({"cfw": {"*": "open"}, "waf": {"*": "open"}})
    assert engine.up().code == 0

    destroyed = engine.destroy(*target("LogDelivery::waf"))

    assert destroyed.code == 1
    assert destroyed.writes == []
    assert "will be destroyed but was not specified in --target list" in destroyed.text

    engine.declare({"cfw": {"cloud_siem_cfw_flow": "open"}, "waf": {FLOW: "open"}})
    old = {product: target(f"LogDelivery::{product}") for product in ("cfw", "waf")}
    new = target(f"LogDelivery::waf/{FLOW}", "LogDelivery::cfw/cloud_siem_cfw_flow")
    settled = target("Settled::settled")
    left = engine.up(*old["cfw"], *old["waf"], *new)

    assert (left.code, left.writes) == (0, []), left.text
    assert {"cfw", "waf", f"waf/{FLOW}"} <= set(engine.resources)

    refused = engine.up(*old["waf"], *settled)

    assert refused.code == 1
    assert refused.writes == []
    golden("engine/targeted-close.txt", refused.messages)
    assert siem.status("waf", ALERT)

    alone = engine.up(*old["waf"])

    assert (alone.code, alone.writes) == (1, []), "nothing of the program was seen at all"
    assert codes_in(alone.text) == (Code.NOT_AUTHORIZED,)

    account = siem.world.first.id
    named = engine.up(*old["waf"], CLOUD_SIEM_CLOSE=f"{account}/waf/*")

    assert named.code == 0, named.text
    assert named.writes == [f"close waf/{ALERT}"]
    assert siem.status("waf", FLOW)

    named = engine.up(*old["cfw"], *settled, CLOUD_SIEM_CLOSE=f"{account}/cfw/*")

    assert named.code == 0, named.text
    assert named.writes == ["close cfw/cloud_siem_cfw_alert"]


def target(*names: str) -> list[str]:
    """Options of the engine."""
    return [option for name in names for option in ("--target", f"{URN}{name}")]
