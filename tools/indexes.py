"""Carry the package index that the person set up for pip over to uv, and back. Called by setup.

Only what is not set already is filled in, so each client's own settings always win.
"""

import ast
import functools
import os
import subprocess
import sys
from pathlib import Path

import places  # noqa: F401 - it refuses an older Python, before that meets what it cannot read

# pip's option -> uv's variable.
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "cert": "SSL_CERT_FILE",
}
UV_TO_PIP = {"UV_DEFAULT_INDEX": "PIP_INDEX_URL", "UV_INDEX_URL": "PIP_INDEX_URL"}
# Where pip would install, if the person has set it: we say where.
PIP_PLACES = ("PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_ROOT", "PIP_REQUIRE_VIRTUALENV")


def uv_environment() -> dict[str, str]:
    """The environment for uv: the person's, with pip's index where uv has none of its own."""
    environment = dict(os.environ)
    # uv's hash check is asked for where it is meant; the editable install of the checkout has none.
    environment.pop("UV_REQUIRE_HASHES", None)
    if not _uv_is_set_up():
        for option, value in _pip_options().items():
            environment.setdefault(PIP_TO_UV[option], value)
    return environment


def pip_environment() -> dict[str, str]:
    """The environment for pip: the person's, with uv's index where pip has none of its own."""
    environment = {name: value for name, value in os.environ.items() if name not in PIP_PLACES}
    for uv_name, pip_name in UV_TO_PIP.items():
        if uv_name in environment:
            environment.setdefault(pip_name, environment[uv_name])
    return environment


def _uv_is_set_up() -> bool:
    configured = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    files = (configured / "uv" / "uv.toml", Path("/etc/uv/uv.toml"))
    names = ("UV_DEFAULT_INDEX", "UV_INDEX", "UV_INDEX_URL", "UV_CONFIG_FILE")
    return any(map(os.environ.get, names)) or any(file.exists() for file in files)


@functools.cache
def _pip_options() -> dict[str, str]:
    """What pip itself would use, from its variables and files: `pip config list` reads both."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[str, dict[str, str]] = {}
    for line in answer.stdout.splitlines():
        name, _, quoted = line.partition("=")
        section, _, option = name.rpartition(".")
        if option in PIP_TO_UV:
            found.setdefault(option, {})[section] = str(ast.literal_eval(quoted)).replace("\n", " ")
    return {option: _strongest(values) for option, values in found.items()}


def _strongest(values: dict[str, str]) -> str:
    """pip's order: a variable, then the section of the command, then the section for all."""
    for section in (":env:", "install", "global"):
        if section in values:
            return values[section]
    return next(iter(values.values()))
