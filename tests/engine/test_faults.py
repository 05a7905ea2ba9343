"""What is wrong is said before anything is written: all of it, in one place, in words."""

from __future__ import annotations

from siem_emulator import EmulatorServer
from tests.engine.engine import Engine, Golden

FAULTY = """\
config:
  cloud-siem:account: "1130916744880000x"
  cloud-siem:region: cn-shanghai
  cloud-siem:deliveries:
    sas:
      cloud_siem_aegis_dns: opne
      "": open
    waf: {"*": open, cloud_siem_waf_flow: closed}
  cloud-siem:onremove: keep
"""
TWICE = """\
import cloud_siem

for name in ("one", "two"):
    cloud_siem.LogDelivery(
        name, account="1130916744880000", region="cn-hangzhou", product="waf", log="*"
    )
"""


def test_the_preview_finds_every_fault_at_once(
    engine: Engine, siem: EmulatorServer, golden: Golden
) -> None:
    """Unknown product and log, not connected, not operable: one look finds them all, in order; and
    who may not look is told which permission is missing.
    """
    engine.declare(
        {
            "wfa": {"*": "open"},
            "sas": {"cloud_siem_aegis_porc": "open", "cloud_siem_aegis_dns": "open"},
            "hcloud_waf": {"cloud_siem_hcloud_waf_alert_log": "open"},
            "bastionhost": {"cloud_siem_bastionhost_event": "open"},
        }
    )

    previewed = engine.preview()

    assert previewed.code == 1
    assert previewed.actions == {"GetCallerIdentity": 1, "ListDelivery": 1}
    golden("engine/preview-faults.txt", previewed.messages)

    siem.control("grants", key=siem.key().id, actions=["OpenDelivery", "CloseDelivery"])
    denied = engine.preview()

    assert denied.code == 1
    golden("engine/preview-denied.txt", denied.messages)


def test_a_faulty_stack_file_is_told_by_line(engine: Engine, golden: Golden) -> None:
    """All reasons with file, line and column, before any call; faulty settings likewise."""
    engine.write(FAULTY)

    previewed = engine.preview()

    assert (previewed.code, previewed.calls) == (1, ())
    golden("engine/stack-file-faults.txt", previewed.messages)

    engine.declare({"waf": {"*": "open"}})
    set_wrongly = engine.preview(CLOUD_SIEM_DEADLINE="x")

    assert (set_wrongly.code, set_wrongly.calls) == (1, ())
    golden("engine/setting-faults.txt", set_wrongly.messages)


def test_one_delivery_has_one_resource(engine: Engine, golden: Golden) -> None:
    """A second resource for the same delivery is refused when the program is run."""
    engine.rewrite(TWICE)
    engine.declare({})

    previewed = engine.preview()

    assert previewed.code == 1
    assert previewed.writes == []
    golden("engine/declared-twice.txt", previewed.messages)
