"""``protect`` and ``onRemove: keep``, as the engine takes them."""

from __future__ import annotations

from cloud_siem.codes import Code, codes_in
from siem_emulator import EmulatorServer
from tests.engine.engine import Engine

PROC = "cloud_siem_aegis_proc"
DNS = "cloud_siem_aegis_dns"


def test_flags_hold_from_the_update_that_recorded_them(
    engine: Engine, siem: EmulatorServer
) -> None:
    """What is protected is not removed until an update took the flag off; what is kept is forgotten
    and stays open.
    """
    engine.declare(
        {
            "sas": {
                PROC: {"state": "open", "protect": True},
                DNS: {"state": "open", "onRemove": "keep"},
            },
            "waf": {"*": "open"},
        }
    )
    assert engine.up().code == 0

    engine.declare({"waf": {"*": "open"}})
    refused = engine.preview()

    assert refused.code == 1
    assert refused.writes == []
    assert codes_in(refused.text) == (Code.PROTECTED,)
    assert f"sas/{PROC} is recorded as protected" in refused.text

    engine.declare({"sas": {PROC: "open"}, "waf": {"*": "open"}})
    kept = engine.up()

    assert kept.code == 0, kept.text
    assert kept.writes == []
    assert f"sas/{DNS}" not in engine.resources

    engine.declare({"waf": {"*": "open"}})
    removed = engine.up()

    assert removed.code == 0, removed.text
    assert removed.writes == [f"close sas/{PROC}"]
    assert siem.status("sas", DNS)


def test_with_another_config_file_the_faults_of_the_stacks_own_file_are_not_told(
    engine: Engine, siem: EmulatorServer
) -> None:
    """And those of the other file are not placed in the stack's own."""
    engine.declare({"sas": {PROC: "open"}})
    sound = engine.file.read_text()
    other = engine.folder / "other.yaml"
    option = ("--config-file", str(other))
    other.write_text(sound)
    engine.write("config:\n  cloud-siem:account: on\n  cloud-siem:deliveries: {sas: {x: opne}}\n")

    right = engine.preview(*option)

    assert right.code == 0, right.text
    assert "opne" not in right.text

    other.write_text(sound.replace("open", "opne"))
    engine.write(sound.split("\n", 1)[1] if sound.startswith("encryptionsalt") else sound)
    wrong = engine.preview(*option)

    assert wrong.code != 0
    assert f'sas > {PROC}: "opne"' in wrong.text
    assert str(engine.file.relative_to(engine.folder)) not in wrong.text
