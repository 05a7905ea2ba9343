"""The events of one YAML text, one at a time and within bounds; ``stackfile`` makes values of them.

Nothing is built and nothing expanded here: an alias counts for as many nodes as it stands for, so
that a small file that means a huge one is given up before anybody holds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    Event,
    MappingEndEvent,
    NodeEvent,
    ScalarEvent,
)

from cloud_siem.places import Mark

MAX_DEPTH = 64
"""Deeper nesting than any config has; it bounds what the parser itself has to keep in mind."""
MAX_NODES = 1_000_000
"""More than a stack file can hold without aliases."""


class Stop(Exception):  # noqa: N818 - the way out of the nodes, never seen by a person
    """The rest of the text cannot be read."""

    def __init__(self, at: Mark | None, message: str, hint: str) -> None:
        self.at = at
        """Where; None is the text as a whole."""
        self.message = message
        self.hint = hint
        super().__init__(message)


class Events:
    """One pass over the events that a parser finds in a text.

    Args:
        text: The text.
        parser: PyYAML's class of parser.
        note: Is told of an alias that stands for nothing: the event, the message.
    """

    def __init__(self, text: str, parser: Any, note: Callable[[Event, str], None]) -> None:
        self._text = text
        self._parse: Callable[[], Event] = parser(text).get_event
        self._note = note
        self._sizes: dict[str | None, int] = {}
        """How many nodes each anchor stands for."""
        self.next: Callable[[], Event] = self._bounded().__next__
        """The next event; raises ``Stop`` where the text is not YAML, or out of all bounds."""

    def each_key(self) -> Iterator[Event]:
        """The keys of the mapping that has begun; the caller takes each value before the next."""
        while not isinstance(event := self.next(), MappingEndEvent):
            yield event

    def pass_over(self, event: Event) -> None:
        """Leave out the node that begins with this event."""
        depth = int(isinstance(event, CollectionStartEvent))
        while depth:
            event = self.next()
            depth += isinstance(event, CollectionStartEvent)
            depth -= isinstance(event, CollectionEndEvent)

    def stands_for_nothing(self, event: Event) -> bool:
        """Whether this is an alias without a complete anchor before it; that is noted already."""
        return isinstance(event, AliasEvent) and event.anchor not in self._sizes

    def _bounded(self) -> Iterator[Event]:
        nodes = 0
        inside: list[tuple[str | None, int]] = []
        """The collections that have begun: anchor, and how many nodes there were before."""
        while True:
            try:
                event = self._parse()
            except yaml.YAMLError as error:
                raise self._not_yaml(error) from None
            if event.__class__ is ScalarEvent and event.anchor is None:  # nearly all of them
                nodes += 1
            elif isinstance(event, CollectionEndEvent):
                anchor, before = inside.pop()
                self._sizes[anchor] = nodes - before
            elif isinstance(event, CollectionStartEvent):
                inside.append((event.anchor, nodes))
                nodes += 1
                if len(inside) > MAX_DEPTH:
                    message = f"this nests deeper than {MAX_DEPTH} levels"
                    raise Stop(mark(event), message, "make it flatter")
            elif isinstance(event, NodeEvent):
                nodes += self._single(event)
                if nodes > MAX_NODES:
                    message = "the aliases stand for more than any reader can hold"
                    raise Stop(mark(event), message, "")
            yield event

    def _single(self, event: NodeEvent) -> int:
        """How many nodes a scalar with an anchor, or an alias, stands for."""
        if not isinstance(event, AliasEvent):
            self._sizes[event.anchor] = 1
            return 1
        if event.anchor not in self._sizes:
            self._note(event, f"*{event.anchor} stands for nothing that is complete")
        return 1 + self._sizes.get(event.anchor, 0)

    def _not_yaml(self, error: yaml.YAMLError) -> Stop:
        """The parser's own complaint, with a hint for the mistakes that people make."""
        at: Mark | None = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        hint = next((hint for part, hint in _HINTS if part in problem), "")
        if at is not None:
            line = self._text.splitlines()[at.line : at.line + 1] or [""]
            if line[0][at.column :][:1] == "\t":
                hint = "indent with blanks, not with tabs"
            if _BARE_STAR.search(line[0][: at.column + 1]):
                hint = 'a star needs quotes: "*": open'
        return Stop(at, f"the file is not YAML: {problem}", hint)


_BARE_STAR = re.compile(r"(^|[{,])\s*\*\s*:?$")
"""The text up to the parser's complaint, where a key is a star without quotes: an alias."""
_HINTS = (  # by what LibYAML's parser says, and the one in Python
    ("mapping values are not allowed", "text with a colon and a blank needs quotes"),
    ("could not find expected ':'", "a key ends with a colon and a blank"),
    ("did not find expected key", "keys of one mapping begin in the same column"),
    ("expected <block end>", "keys of one mapping begin in the same column"),
    ("expected ',' or", "a bracket is not closed, or a comma is missing"),
    ("end of stream", "a quote is not closed"),
)


def mark(event: Event) -> Mark:
    """Where the event begins."""
    return event.start_mark  # type: ignore[return-value] # events that a parser made have one


def is_plain(event: ScalarEvent) -> bool:
    """Whether a scalar has no quotes, and is no block of text."""
    return not event.style  # LibYAML's parser says "", the one in Python None


def is_null(event: Event) -> bool:
    """Whether the event is a value that is not there."""
    return (
        isinstance(event, ScalarEvent)
        and is_plain(event)
        and event.tag is None
        and event.value in {"", "~", "null"}
    )
