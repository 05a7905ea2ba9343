"""Adopting: the file that is written, and the commands that are printed, on the real engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

from cloud_siem.loading import check_files, load_stack_file
from siem_emulator import EmulatorServer, World
from siem_emulator.catalog import Catalog, Log, Product
from siem_emulator.world import Opening
from tests.conftest import MEMBER
from tests.engine.engine import STACK, TIMEOUT_S, Engine

ODD = ("0", "1e3", "a.b", "-x", "on", "null", "yes", "y", "._.", "2025-10-09", "plain_log", "A-1")
"""Codes that a path, a shell or a YAML reader might take for something else."""


def adopt(engine: Engine, *arguments: str) -> str:
    """What `cloud-siem adopt` prints for programs, as a person starts it."""
    command = [sys.executable, "-m", "cloud_siem.cli", "adopt", STACK, *arguments]
    done = subprocess.run(
        command,
        cwd=engine.folder,
        env=engine.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def product(code: str, logs: tuple[str, ...]) -> Product:
    """A product of the emulator with these logs."""
    groups = {"": tuple(Log(code=log, topic=f"topic of {log}") for log in logs)}
    return Product(code=code, name=code, source="made up", groups=groups)


def test_a_file_that_was_adopted_is_recorded_without_a_write(
    engine: Engine, siem: EmulatorServer
) -> None:
    """The update after it writes nothing, and the one after that asks nothing: of single logs,
    whole products, and what is closed.
    """
    engine.be(siem.key(MEMBER))
    assert engine.run("stack", "rm", "--yes").code == 0
    opened = siem.open_logs(account=MEMBER)

    adopt(engine, "--account", MEMBER, "--region", "cn-hangzhou", "--include-closed", "--whole=*")
    assert engine.run("stack", "init").code == 0
    first = engine.up()

    assert first.code == 0, first.text
    assert first.writes == []
    assert all(one["outputs"].get("adopted", True) for one in engine.resources.values())

    second = engine.up("--expect-no-changes")

    assert (second.code, second.calls) == (0, ())
    assert siem.open_logs(account=MEMBER) == opened


def test_a_file_that_pulumi_stack_init_made_is_continued(
    engine: Engine, siem: EmulatorServer
) -> None:
    """Its salt stays, below the line for editors."""
    engine.be(siem.key(MEMBER))
    salt = engine.file.read_text()

    adopt(engine, "--account", MEMBER, "--region", "cn-hangzhou")
    done = engine.up()

    assert salt in engine.file.read_text()
    assert (done.code, done.writes) == (0, []), done.text
    assert done.counts == {"created": 14}


def test_the_commands_that_are_printed_add_what_is_missing_and_keep_the_comments(
    engine_on: Callable[[EmulatorServer], Engine],
) -> None:
    """Typed into a shell as they are, for codes that paths, shells and YAML would take for
    something else; afterwards nothing is missing, and the update writes nothing.
    """
    products = {"sas": ODD, **dict.fromkeys(ODD, ("a.b",))}
    catalog = Catalog.of(product(code, logs) for code, logs in products.items())
    world = replace(World.build(opened=(Opening(),)), catalog=catalog)
    with EmulatorServer(world=world) as siem:
        engine = engine_on(siem)
        engine.write(
            "# Ours since 2020.\nconfig:\n"
            f'  cloud-siem:account: "{world.first.id}" # the first\n'
            "  cloud-siem:region: cn-hangzhou\n"
            "  cloud-siem:deliveries:\n"
            "    # Who did what.\n"
            "    sas: {plain_log: open} # one of many\n"
        )

        commands = adopt(engine, "--whole", "A-1", "--set", "onRemove=keep")

        run = subprocess.run(
            ["sh", "-e"],
            cwd=engine.folder,
            env=engine.environment,
            input=commands,
            capture_output=True,
            text=True,
            timeout=4 * TIMEOUT_S,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        text = engine.file.read_text()
        stack = load_stack_file(engine.file, {})
        done = engine.up(CLOUD_SIEM_PREFLIGHT="true")

    assert check_files([engine.file], {}) == ()
    assert all(f"# {said}" in text for said in ("Ours", "the first", "Who did what", "one of many"))
    assert stack.on_remove.value == "keep"
    assert {one.key.name for one in stack.deliveries} == {
        "sas/plain_log",
        "A-1",
        *(f"sas/{code}" for code in ODD if code != "plain_log"),
        *(f"{code}/a.b" for code in ODD if code != "A-1"),
    }
    assert (done.code, done.writes) == (0, []), done.text
