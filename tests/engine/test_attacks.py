"""Runs that once closed a log that nobody had named; each sends no close now, or only named ones.

On the real engine, since its flags are the point.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cloud_siem.codes import Code, codes_in
from siem_emulator import EmulatorServer
from tests.conftest import ANY_CLOSE
from tests.engine.engine import Engine, Result, program

SAS = (
    "cloud_siem_aegis_beaver_dns",
    "cloud_siem_aegis_beaver_http",
    "cloud_siem_aegis_beaver_session",
    "cloud_siem_aegis_dns",
    "cloud_siem_aegis_file_log",
    "cloud_siem_aegis_login_event",
    "cloud_siem_aegis_proc",
)
PROC = SAS[-1]
TRAIL: dict[str, Any] = {"actiontrail": {"cloud_siem_trail_actiontrail": "open"}}
"""The one log that is open from the start."""
PROTECTED = {"state": "open", "protect": True}


@pytest.fixture(autouse=True)
def with_the_default_limit(engine: Engine) -> None:
    """The other engine tests allow every close."""
    engine.environment |= dict.fromkeys(ANY_CLOSE, "")


def declared(engine: Engine, deliveries: dict[str, Any], **config: object) -> None:
    """Declare these, and bring them about."""
    engine.declare({**TRAIL, **deliveries}, **config)
    done = engine.up()
    assert done.code == 0, done.text


def urn(engine: Engine, name: str) -> str:
    return str(engine.resources[name]["urn"])


def refused(result: Result, *codes: Code) -> None:
    """The run failed for these reasons, and closed nothing."""
    assert result.code == 1, result.text
    assert set(codes_in(result.text)) == set(codes), result.text
    assert [call for call in result.writes if call.startswith("close")] == []
    assert "Traceback" not in result.text


Flags = Callable[[Engine], list[str]]


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (lambda e: ["--target-replace", urn(e, f"sas/{PROC}")], Code.NOT_AUTHORIZED),
        (lambda e: ["--replace", urn(e, f"sas/{PROC}")], Code.PROTECTED),
        (
            lambda e: ["--replace", urn(e, "gate"), "--replace", urn(e, f"sas/{PROC}")],
            Code.NOT_AUTHORIZED,
        ),
        (lambda e: ["--replace", urn(e, "gate")], Code.NOT_AUTHORIZED),
        (lambda e: ["--target", urn(e, f"sas/{PROC}")], Code.PROTECTED),
        (lambda _: ["--continue-on-error"], Code.PROTECTED),
    ],
    ids=["target-replace", "replace", "replace with gate", "replace gate", "target", "none"],
)
def test_a_protected_log_does_not_close_whatever_is_replaced_or_targeted(
    engine: Engine, siem: EmulatorServer, flags: Flags, code: Code
) -> None:
    declared(engine, {"sas": {PROC: PROTECTED}})
    engine.declare({**TRAIL, "sas": {PROC: "closed"}})

    refused(engine.up(*flags(engine)), code)
    assert siem.status("sas", PROC)


@pytest.mark.parametrize("replace", [False, True])
def test_targeting_a_new_closed_entry_closes_nothing(
    engine: Engine, siem: EmulatorServer, replace: bool
) -> None:
    """Its gate is left out, and the seven protected logs under it are recorded elsewhere."""
    declared(engine, {"sas": {log: dict(PROTECTED) for log in SAS}})
    new = urn(engine, f"sas/{PROC}").removesuffix(f"/{PROC}")
    engine.declare({**TRAIL, "sas": {"*": "closed"}})
    flags = ["--target", new] + (["--target-replace", urn(engine, "gate")] if replace else [])

    result = engine.up(*flags)

    assert result.code == 1, result.text
    assert result.writes == []
    assert all(siem.status("sas", log) for log in SAS)


def test_products_are_counted_in_logs(engine: Engine, siem: EmulatorServer) -> None:
    """Five entries are 27 logs; with the limit for the run all of them close."""
    products = {product: {"*": "open"} for product in ("cfw", "ddos", "oss", "sas", "waf")}
    declared(engine, products)
    before = len(siem.open_logs())
    engine.declare(TRAIL)

    result = engine.up()
    refused(result, Code.CLOSE_LIMIT)
    assert f"{before - 1} logs (5 entries) would close" in result.text

    engine.declare({**TRAIL, **{product: {"*": "closed"} for product in products}})
    refused(engine.up(), Code.CLOSE_LIMIT)

    done = engine.up(CLOUD_SIEM_CLOSE_LIMIT=str(before - 1))
    assert done.code == 0, done.text
    assert len(siem.open_logs()) == 1


def test_narrowing_a_product_is_counted_in_logs(engine: Engine) -> None:
    declared(engine, {"sas": {"*": "open"}})

    engine.declare({**TRAIL, "sas": {PROC: "open"}})
    refused(engine.up(), Code.CLOSE_LIMIT)
    engine.declare(TRAIL)
    refused(engine.up(), Code.CLOSE_LIMIT)


def test_all_broken_rules_are_reported_and_each_has_its_own_word(
    engine: Engine, siem: EmulatorServer
) -> None:
    """A limit for the run does not lift the rule about the last open log, nor the other way."""
    declared(engine, {"sas": dict.fromkeys(SAS, "open")})
    last = ",".join(
        f"{siem.world.first.id}/{name}"
        for name in ("actiontrail/cloud_siem_trail_actiontrail", "sas/*")
    )
    engine.declare({})

    refused(engine.up(), Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG)
    refused(engine.up(CLOUD_SIEM_CLOSE_LIMIT="8"), Code.LAST_OPEN_LOG)
    refused(engine.up(CLOUD_SIEM_CLOSE_LAST_LOG=last), Code.CLOSE_LIMIT)

    done = engine.up(CLOUD_SIEM_CLOSE_LIMIT="8", CLOUD_SIEM_CLOSE_LAST_LOG=last)
    assert done.code == 0, done.text
    assert siem.open_logs() == set()


@pytest.mark.parametrize("taint", [False, True])
def test_a_gate_without_its_past_authorizes_no_delete(
    engine: Engine, siem: EmulatorServer, taint: bool
) -> None:
    """Replaced or tainted it does not know what was recorded."""
    declared(engine, {"sas": dict.fromkeys(SAS[:4], "open")})
    engine.declare(TRAIL)
    flags = ["--replace", urn(engine, "gate")]
    if taint:
        assert engine.run("state", "taint", urn(engine, "gate"), "--yes").code == 0
        flags = []

    result = engine.up(*flags)

    assert not siem.calls_of("CloseDelivery") or (taint and result.code == 0), result.text
    if not taint:
        refused(result, Code.NOT_AUTHORIZED)


def test_what_the_gate_recorded_as_kept_is_left_open(engine: Engine, siem: EmulatorServer) -> None:
    """Though the delivery's own record, which Pulumi goes by, says that it closes."""
    declared(engine, {"sas": {PROC: "open"}})
    engine.declare({**TRAIL, "sas": {PROC: "open"}}, onRemove="keep")
    assert engine.up("--target", urn(engine, "gate"), "--target", urn(engine, "settled")).code == 0
    engine.declare(TRAIL, onRemove="keep")

    result = engine.up()

    assert result.code == 0, result.text
    assert result.writes == []
    assert siem.status("sas", PROC)


BARE = """
import cloud_siem
import pulumi

config = pulumi.Config("cloud-siem")
for name, log in {entries}:
    cloud_siem.LogDelivery(
        name, account=config.require("account"), region="cn-hangzhou", product="sas", log=log{more}
    )
"""


def bare(entries: dict[str, str], more: str = "") -> str:
    return BARE.format(entries=list(entries.items()), more=more)


def test_a_delivery_without_a_gate_closes_by_a_delete_only_when_it_is_named(
    engine: Engine, siem: EmulatorServer
) -> None:
    """Not even its old name, targeted after a rename: the program still declares it."""
    engine.declare({})
    engine.rewrite(bare({"old": PROC, "more": SAS[0]}))
    assert engine.up().code == 0
    engine.rewrite(bare({"new": PROC, "more": SAS[0]}))

    refused(engine.up("--target", urn(engine, "old")), Code.NOT_AUTHORIZED)
    assert engine.up().code == 0
    assert siem.status("sas", PROC)

    engine.rewrite(bare({"more": SAS[0]}))
    refused(engine.up(), Code.NOT_AUTHORIZED)
    named = engine.up(CLOUD_SIEM_CLOSE=f"{siem.world.first.id}/sas/{PROC}")
    assert named.code == 0, named.text
    assert named.writes == [f"close sas/{PROC}"]


def test_a_delivery_without_a_gate_closes_by_an_update_of_its_own(
    engine: Engine, siem: EmulatorServer
) -> None:
    engine.declare({})
    engine.rewrite(bare({"one": PROC}))
    assert engine.up().code == 0

    engine.rewrite(bare({"one": PROC}, ', state="closed"'))
    done = engine.up()

    assert done.code == 0, done.text
    assert done.writes == [f"close sas/{PROC}"]
    assert f"close sas/{PROC}" in done.text


def test_contradictory_deliveries_of_one_program_are_refused(engine: Engine) -> None:
    """Also where their keys come from outputs, which the program itself cannot compare."""
    engine.declare({})
    engine.rewrite(
        "import cloud_siem\nimport pulumi\n"
        f'logs = pulumi.Output.from_input("{PROC}")\n'
        'account = pulumi.Config("cloud-siem").require("account")\n'
        "for name, log, state in [('a', logs, 'open'), ('b', '*', 'closed')]:\n"
        "    cloud_siem.LogDelivery(name, account=account, region='cn-hangzhou', product='sas',\n"
        "                           log=log, state=state)\n"
    )

    result = engine.preview()

    assert Code.CONTRADICTION in codes_in(result.text), result.text


def test_an_explicit_provider_is_refused_at_the_declaration(engine: Engine) -> None:
    engine.declare({})
    engine.rewrite(
        bare({"one": PROC}, ", opts=pulumi.ResourceOptions(provider=own)").replace(
            "config =", 'own = pulumi.ProviderResource("pulumi-python", "own", {})\nconfig ='
        )
    )

    result = engine.preview()

    assert codes_in(result.text) == (Code.EXPLICIT_PROVIDER,), result.text
    assert "Traceback" not in result.text


def test_a_destroy_after_an_update_that_did_not_settle_closes_all_or_nothing(
    engine: Engine, siem: EmulatorServer
) -> None:
    """The settled resource's record is older than the config, which the update recorded first."""
    declared(engine, {"sas": {PROC: "open"}})
    siem.fault("error_mapping", action="OpenDelivery", match={"ProductCode": "waf"})
    engine.declare({**TRAIL, "sas": dict.fromkeys(SAS, "open"), "waf": {"*": "open"}})
    failed = engine.up("--parallel", "1")
    siem.faults.clear()
    assert failed.code
    before = siem.open_logs()

    refused(engine.destroy(), Code.CLOSE_LIMIT, Code.LAST_OPEN_LOG)
    assert siem.open_logs() == before


def test_a_product_that_is_not_listed_for_a_while_keeps_its_protection(
    engine: Engine, siem: EmulatorServer
) -> None:
    declared(engine, {"waf": {"cloud_siem_waf_flow": PROTECTED}})
    siem.control("disconnect", product="waf")
    assert engine.refresh().code == 0
    siem.control("connect", product="waf")

    engine.declare({**TRAIL, "waf": {"cloud_siem_waf_flow": "closed"}})

    refused(engine.up(), Code.PROTECTED)


def test_after_an_interrupt_the_next_update_authorizes_the_rest_anew(
    engine: Engine, siem: EmulatorServer
) -> None:
    """Counted anew; and once it has seen everything closed, an update makes no call."""
    declared(engine, {"sas": dict.fromkeys(SAS, "open")})
    engine.declare({**TRAIL, "sas": {SAS[0]: "open"}})
    siem.fault("error_mapping", action="CloseDelivery")
    failed = engine.up(CLOUD_SIEM_CLOSE_LIMIT="6")
    siem.faults.clear()
    assert failed.code == 1
    assert len(siem.open_logs()) == 8

    refused(engine.up(), Code.CLOSE_LIMIT)
    done = engine.up(CLOUD_SIEM_CLOSE_LIMIT="6")
    assert done.code == 0, done.text
    assert len(done.writes) == 6

    seen = engine.up("--expect-no-changes")
    assert (seen.code, seen.actions) == (0, {"GetCallerIdentity": 1, "ListDelivery": 1})
    still = engine.up("--expect-no-changes")
    assert (still.code, still.actions) == (0, {})


def test_renaming_the_component_of_a_protected_log_that_closes_is_refused(
    engine: Engine, siem: EmulatorServer
) -> None:
    """The new gate knows nothing of the old record; Pulumi's own protect refuses at preview."""
    declared(engine, {"sas": {PROC: PROTECTED}})
    engine.declare({**TRAIL, "sas": {PROC: "closed"}})
    engine.rewrite(program(prefix="new-"))

    result = engine.run("up --yes")

    assert result.code != 0, result.text
    assert result.writes == []
    assert siem.status("sas", PROC)


def test_targeting_the_old_names_of_a_renamed_component_closes_nothing(
    engine: Engine, siem: EmulatorServer
) -> None:
    """It looks like a destroy of all; but it is an update, and its program declares all of it."""
    siem.switch("waf", "cloud_siem_waf_flow", state="open")  # so that none is the last open log
    declared(engine, {"sas": {PROC: "open"}})
    old = urn(engine, f"sas/{PROC}")
    engine.rewrite(program(parent="box:index:Box"))

    result = engine.up("--target", old, "--target-dependents")

    assert result.code == 0, result.text
    assert result.writes == []
    assert siem.status("sas", PROC)
