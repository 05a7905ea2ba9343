"""Warnings of the libraries that calls go through: they fail no call; ``api`` and ``sdk`` use it.

Alibaba Cloud's SDK uses what newer versions of Python warn about (``datetime.utcnow()`` since
3.12). Where the program makes errors of warnings, as with ``PYTHONWARNINGS=error``, such a warning
would end a call, and look like an answer that cannot be used.
"""

from __future__ import annotations

import re
import warnings

_LIBRARIES = (
    r"(.*/)?(aiohttp|alibabacloud_\w+|apscheduler|certifi|cryptography|darabonba|requests|Tea"
    r"|urllib3)\b"
)
"""Their modules, by name, or by file where the compiler warns."""


def spare_warnings() -> None:
    """Let no filter make an error of a library's warning; call it before the library is used.

    Where no filter makes errors of warnings, the filters stay as they are.
    """
    spared = ("ignore", None, Warning, re.compile(_LIBRARIES), 0)
    errors = any(action == "error" for action, *_ in warnings.filters)
    if errors and spared not in warnings.filters:
        warnings.filterwarnings("ignore", module=_LIBRARIES)
