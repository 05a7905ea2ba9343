"""Text to and from the engine: it is UTF-8, whatever the locale of the machine is.

Called by a program that the engine runs, and by the provider's process. Python decodes environment
variables, and encodes what is printed, by the locale: under GBK or ISO-8859-1 a reason in Chinese
would be recorded as other characters, or not at all.
"""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Mapping

_VARIABLE = "PULUMI_CONFIG"
"""Where the engine hands the stack's config to a program (sdk/python/cmd, 3.259)."""


def handed_config(
    by_locale: Mapping[str, object], given: Mapping[str, object]
) -> Mapping[str, object]:
    """The stack's whole config, by key.

    Args:
        by_locale: What Pulumi's SDK has read from the environment.
        given: What it hands to programs: the same, and what a program has set itself.
    """
    set_by_program = {key: one for key, one in given.items() if by_locale.get(key) != one}
    if _VARIABLE not in os.environ:
        return set_by_program
    return {**json.loads(os.environb[_VARIABLE.encode("ascii")]), **set_by_program}


def speak_utf8() -> None:
    """From now on, print as the engine reads."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
