r"""JSON from outside -> values whose texts can be written again; called where JSON comes in.

JSON can spell half of a character (``\ud800``, one of a pair of surrogates), and Python takes it.
It fails only where the text goes out once more, to a terminal, a report or the engine.
"""

from __future__ import annotations

import json
from typing import Any


def parsed(text: str, **options: Any) -> Any:
    """The value that the JSON stands for; the options are those of ``json.loads``.

    :raises ValueError: it is no JSON, or a text in it is no Unicode.
    :raises RecursionError: it is nested too deeply.
    """
    value = json.loads(text, **options)
    if "\\u" in text and not is_unicode(value):
        raise ValueError("it has half of a character, a surrogate without its other half")
    return value


def is_unicode(value: object) -> bool:
    """Whether every text in a value from JSON can be written."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
