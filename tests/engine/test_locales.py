"""Chinese reasons and tags, on machines whose locale is not UTF-8."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.engine.engine import Engine

LOCALES = {
    "zh_CN.GBK": ("zh_CN", "GBK"),
    "en_US.ISO-8859-1": ("en_US", "ISO-8859-1"),
    "C": None,
}
REASON, TEAM = "测试环境: 费用过高", "安全"
PROC, DNS = "cloud_siem_aegis_proc", "cloud_siem_aegis_dns"


@pytest.fixture(scope="module")
def locales(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the locales, made here: few machines have them."""
    if not shutil.which("localedef"):
        pytest.skip("there is no localedef on PATH")
    folder = tmp_path_factory.mktemp("locales")
    for name, source in LOCALES.items():
        if source:
            language, charmap = source
            command = ["localedef", "-i", language, "-f", charmap, str(folder / name)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                pytest.skip(f"localedef cannot make {name}: {done.stderr}")
    return folder


@pytest.fixture(params=LOCALES)
def locale(request: pytest.FixtureRequest, locales: Path) -> Mapping[str, str]:
    """The environment of a machine with this locale."""
    return {"LC_ALL": request.param, "LOCPATH": str(locales), "PYTHONUTF8": "0"}


def test_chinese_goes_from_the_stack_file_into_the_state_whatever_the_locale(
    engine: Engine, locale: Mapping[str, str]
) -> None:
    """And what is printed is read by the engine: it is UTF-8 as well."""
    engine.environment |= locale
    engine.declare({"sas": {PROC: "open", DNS: "open"}}, tags={"team": TEAM})
    assert engine.run("up --yes").code == 0
    closed = {"state": "closed", "reason": REASON}
    engine.declare({"sas": {PROC: "open", DNS: closed}}, tags={"team": TEAM})

    done = engine.run("up --yes")

    assert done.code == 0, done.text
    assert engine.resources[f"sas/{DNS}"]["outputs"]["reason"] == REASON
    assert engine.resources["gate"]["inputs"]["tags"] == {"team": TEAM}
    assert set(engine.up().counts) == {"unchanged"}
    engine.declare({"sas": {PROC: "open", DNS: "open"}}, tags={"team": TEAM})
    undone = engine.run("up --yes")
    assert undone.code == 0, undone.text
    engine.declare({"sas": {PROC: "open"}, TEAM: {"*": "open"}})
    refused = engine.run("preview")
    assert TEAM in refused.text
    assert "Traceback" not in refused.text


def test_the_commands_print_chinese_or_its_numbers_whatever_the_locale(
    engine: Engine, locale: Mapping[str, str]
) -> None:
    """Never a traceback."""
    engine.declare({"sas": {PROC: {"state": "closed", "reason": f"{REASON}😀"}}})
    environ = {**os.environ, **engine.environment, **locale}
    for words in (["validate"], ["drift", "dev"], ["list", "dev"], ["fleet", "list"]):
        done = subprocess.run(
            [sys.executable, "-m", "cloud_siem.cli", *words],
            cwd=engine.folder,
            env=environ,
            capture_output=True,
            check=False,
        )

        assert done.returncode in {0, 7}, done.stderr
        assert b"Traceback" not in done.stderr
