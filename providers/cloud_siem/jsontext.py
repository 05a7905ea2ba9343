r"""JSON from outside -> values whose texts can be written again; called where JSON comes in.

JSON can spell half of a character (``\ud800``, one of a pair of surrogates), and Python takes it.
It fails only where the text goes out once more, to a terminal, a report or the engine.

JSON can also repeat a key within one object. Readers disagree on which value counts (Python's takes
the last), so that two of them can be shown two different answers: it is an error here.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

_SHOWN = 60


class RepeatedKeyError(ValueError):
    """An object of a JSON text has a key twice."""


def parsed(text: str, **options: Any) -> Any:
    """The value that the JSON stands for; the options are those of ``json.loads``.

    :raises ValueError: it is no JSON, a key is repeated, or a text in it is no Unicode.
    :raises RecursionError: it is nested too deeply.
    """
    value = json.loads(text, **{"object_pairs_hook": _without_repetition, **options})
    if "\\u" in text and not is_unicode(value):
        raise ValueError("it has half of a character, a surrogate without its other half")
    return value


def flaw_of(content: bytes) -> str:
    """Describe why a JSON answer must not be read; empty if it may, or if it is not JSON."""
    try:
        value = json.loads(content, object_pairs_hook=_without_repetition)
    except RepeatedKeyError as error:
        return f"the answer is ambiguous: {error}"
    except (ValueError, RecursionError):
        return ""  # whether it is JSON at all is for its reader to say
    known = b"\\u" not in content or is_unicode(value)
    return "" if known else "the answer has text that is no Unicode"


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        repeated = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise RepeatedKeyError(f"an object has the key {json.dumps(repeated[:_SHOWN])} twice")
    return values


def is_unicode(value: object) -> bool:
    """Whether every text in a value from JSON can be written."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True
