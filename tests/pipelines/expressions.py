"""GitHub's expressions, as far as our workflows use them, such as `${{ matrix.stack }}`.

Written after "Evaluate expressions in workflows and actions" of docs.github.com. They are turned
into Python's, whose `and` and `or` hand on a value in the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_TOKENS = re.compile(r"'(?:[^']|'')*'|&&|\|\||!=|==|!|[A-Za-z_][\w.]*|[(),]|\s+|\d+")
_WORDS = {"&&": " and ", "||": " or ", "!": " not ", "true": "True", "false": "False"}
_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "fromJSON": json.loads,
    "hashFiles": lambda *_names: "hash",
    "cancelled": lambda: False,
}


def filled(text: str, contexts: Mapping[str, Any]) -> Any:
    """A value of a workflow with its expressions worked out; a sole one keeps its type."""
    alone = re.fullmatch(r"\$\{\{(.*?)\}\}", text.strip())
    if alone:
        return evaluate(alone[1], contexts)
    return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(evaluate(found[1], contexts)), text)


def holds(condition: str, contexts: Mapping[str, Any], *, failed: bool) -> bool:
    """Whether something runs; without a word on what came before, only after success."""
    text = condition.removeprefix("${{").removesuffix("}}").strip() if condition else "true"
    if failed and "cancelled()" not in text:
        return False
    return bool(evaluate(text, contexts))


def evaluate(text: str, contexts: Mapping[str, Any]) -> Any:
    """Work out one expression; what is not there is empty text, as on the platform."""
    tokens = _TOKENS.findall(text)
    assert "".join(tokens) == text, f"this is more than we read of the language: {text}"
    names: dict[str, Any] = dict(_FUNCTIONS)
    source = []
    for at, token in enumerate(tokens):
        if token in _FUNCTIONS or not re.match(r"[A-Za-z_]", token) or token in _WORDS:
            source.append(_WORDS.get(token, token))
        else:
            names[f"_{at}"] = _looked_up(token, contexts)
            source.append(f"_{at}")
    # Of our own workflows, with no other names than these.
    return eval("".join(source).strip(), {"__builtins__": {}}, names)  # noqa: S307


def _looked_up(path: str, contexts: Mapping[str, Any]) -> Any:
    first, *rest = path.split(".")
    value: Any = contexts[first]
    for name in rest:
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return value
