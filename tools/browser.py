"""Chromium for the tests of the HTML report, which call this: find it, or install Debian's.

    browser.py ensure    find or install it
    browser.py path      print where it is

A browser of one's own (Chromium or Chrome on PATH) is used as it is. Where there is none it comes
from Debian's packages, if this is Debian's kind of system and we may install there (root, as in
CI's containers); no other way of getting one is tried.
"""

import os
import shutil
from pathlib import Path

import progress
from places import ToolError, cache, locked, run_tool, say

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# The fonts: without any, every sign of the page is an empty box.
PACKAGES = ("chromium", "fonts-dejavu-core")


def main(arguments: list[str]) -> int:
    if arguments == ["ensure"]:
        ensure()
    elif arguments == ["path"]:
        print(ensure())
    else:
        message = "say `ensure` or `path`."
        raise ToolError(message)
    return 0


def ensure() -> Path:
    """The browser; installs one where there is none and we may."""
    found = find()
    if found:
        return found
    if not can_install():
        message = (
            "There is no Chromium on PATH, and it cannot be installed here without root and"
            f" apt-get: install the package {PACKAGES[0]}, or Chrome."
        )
        raise ToolError(message)
    with locked(cache("browser"), "Another run is installing Chromium; waiting for it."):
        return find() or _install()


def find() -> Path | None:
    """The first browser on PATH."""
    places = filter(None, map(shutil.which, NAMES))
    return next(map(Path, places), None)


def can_install() -> bool:
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def _install() -> Path:
    say("Installing Debian's Chromium for the tests of the HTML report (a minute, once) ...")
    log = cache("log") / "browser.log"
    log.unlink(missing_ok=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    wait = ["-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    install = ["install", "--yes", "--no-install-recommends", *PACKAGES]
    for title, arguments in (("Updating package lists", ["update"]), ("Installing", install)):
        progress.run(title, ["apt-get", *wait, *arguments], log=log, environment=environment)
    found = find()
    if found is None:
        message = f"Chromium was installed, and is not on PATH; what was done is in {log}."
        raise ToolError(message)
    return found


if __name__ == "__main__":
    run_tool(main)
