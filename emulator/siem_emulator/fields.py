"""JSON and YAML objects read field by field: for control calls and world files.

What is missing, of the wrong type, or left over is one sentence, never a KeyError.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .ram import Policy


class FieldError(ValueError):
    """Something that was sent or written cannot be, in one sentence."""


class Fields:
    """A JSON object whose fields are taken one by one; what is left at the end is a mistake."""

    def __init__(self, mapping: Mapping[str, Any]) -> None:
        self._left = dict(mapping)

    def text(self, name: str, default: str | None = None) -> str:
        value = self._left.pop(name, None)
        if value is None:
            value = default
        if value is None:
            raise FieldError(f"{name} is missing.")
        if not isinstance(value, str):
            raise FieldError(f"{name} must be a string, not {value!r}.")

        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._left.pop(name, default)
        if not isinstance(value, bool):
            raise FieldError(f"{name} must be true or false, not {value!r}.")

        return value

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._left.pop(name, [])
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise FieldError(f"{name} must be a list of strings, not {value!r}.")

        return tuple(value)

    def policy(self, default: Policy) -> Policy:
        """A RAM document in `policy`, or what is allowed and nothing else in `actions`."""
        if "policy" in self._left:
            return Policy.from_document(self._left.pop("policy"))
        if "actions" in self._left:
            return Policy.allowing(*self.texts("actions"))

        return default

    def done(self) -> None:
        if self._left:
            raise FieldError(f"There is no field {', '.join(sorted(self._left))} here.")

    def mappings(self, name: str) -> list[dict[str, Any]]:
        """A list of objects; empty if absent."""
        value = self._left.pop(name, [])
        if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
            raise FieldError(f"{name} must be a list of objects, not {value!r}.")

        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """An object; empty if absent."""
        value = self._left.pop(name, {})
        if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
            raise FieldError(f"{name} must be an object whose names are strings, not {value!r}.")

        return value

    def number(self, name: str) -> int | None:
        value = self._left.pop(name, None)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise FieldError(f"{name} must be a whole number, not {value!r}.")

        return value
