"""Which YAML scalars mean the same to the engine and to this package; ``stackfile`` asks.

Stack files are read twice: by the engine (go-yaml v3, YAML 1.2 with remains of 1.1), whose values
count, and by us (PyYAML, YAML 1.1), to say where a fault is and to validate without the engine. The
two disagree about many plain scalars: ``on``, ``yes``, ``1:30``, ``1e3``, ``0o17``, a date. What
both read alike is taken; anything else has to be quoted, and then it is text to both.
"""

from __future__ import annotations

import re
from functools import lru_cache

import yaml

from cloud_siem.wording import Unusable, shown

Scalar = str | bool | int | float | None

_WORDS: dict[str, Scalar] = {"": None, "~": None, "null": None, "true": True, "false": False}
_WHOLE = re.compile(r"-?(0|[1-9][0-9]*)")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_EXACT = 2**53
"""The engine keeps numbers as 64-bit floats, which hold whole numbers exactly up to here."""
_DIGITS = 15
"""So many significant digits come through a 64-bit float unchanged."""

# Wider than what go-yaml v3.0.1 takes for something other than text (resolve.go): refusing an odd
# text too many costs a pair of quotes.
_GO_NOT_TEXT = re.compile(
    r"[-+]?0[xXoObB]?[-+]?[0-9a-fA-F_]*"  # whole numbers by base, the old octal 017 among them
    r"|[-+]?[0-9_]*\.?[0-9_]*([eE][-+]?[0-9_]*)?"  # numbers
    r"|[0-9]{4}-[0-9]{1,2}-[0-9].*"  # dates and times
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
    r"|~|null|Null|NULL|true|True|TRUE|false|False|FALSE|<<",
    re.DOTALL,
)
_SURELY_TEXT = re.compile(
    r"(?!(?:yes|no|on|off|true|false|null)\Z)[A-Za-z_][\w-]*", re.IGNORECASE | re.ASCII
)


@lru_cache(maxsize=4096)
def plain(text: str) -> Scalar:
    """The value of a scalar without quotes; raises ``Unusable`` where the readers may differ."""
    if _SURELY_TEXT.fullmatch(text):
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text) and len(text) <= len(str(_EXACT)) + 1 and abs(int(text)) <= _EXACT:
        return int(text)
    if _DECIMAL.fullmatch(text) and len(text) <= _DIGITS and (float(text) or text[0] != "-"):
        # The engine's JSON has no 60.0; it does have a -0, which is left to the refusal below.
        return int(float(text)) if float(text).is_integer() else float(text)
    if _GO_NOT_TEXT.fullmatch(text) or _py_resolves(text):
        message = f"{shown(text)} without quotes means different things to different YAML readers"
        raise Unusable(message, f"quote it: {shown(text)}")
    return text


def _py_resolves(text: str) -> bool:
    """Whether PyYAML takes a plain scalar for something other than text."""
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    candidates = resolvers.get(text[:1], []) + resolvers.get(None, [])
    return any(pattern.match(text) for _, pattern in candidates)
