"""What the figures were measured on, without names of hosts or places."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("pulumi", "alibabacloud-tea-openapi", "pyyaml")


def facts() -> dict[str, str]:
    """Machine and versions, as a person reads them."""
    return {
        "CPU": cpu(),
        "memory": f"{_memory_gib():.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "Python": platform.python_version(),
        "engine": f"pulumi {_engine_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
    }


def cpu() -> str:
    """Its cores, and of what make."""
    return f"{os.cpu_count()} cores, {_cpu_model()}"


def load() -> float:
    """How many processes wanted a core in the last minute: what else went on."""
    return os.getloadavg()[0]


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _engine_version() -> str:
    with tempfile.TemporaryDirectory() as home:
        env = {**os.environ, "PULUMI_HOME": home, "PULUMI_SKIP_UPDATE_CHECK": "1"}
        answer = subprocess.run(
            ["pulumi", "version"], env=env, capture_output=True, text=True, check=True
        )
    return answer.stdout.strip()


def _cpu_model() -> str:
    match = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return match.group(1) if match else "unknown"
