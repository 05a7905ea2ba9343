"""The text of a stack file -> plain values, each with its place; ``stack`` makes a Stack of them.

Only the ``cloud-siem:`` keys under ``config:`` are ours; the rest of the file is the engine's and
other programs', and is passed over without being built. The reader goes through the parser's
events, one at a time: it sees what a loader hides (anchors, tags, the style of a scalar), expands
nothing, and finds many faults in one pass.

From the outside in: ``read_stack_file`` opens the file, ``read_stack_text`` looks at the text as a
whole, ``_Reader`` at its nodes, and ``scalars`` at each scalar.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import NoReturn, Protocol

import yaml
from yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml.reader import Reader

from cloud_siem.catalog import closest
from cloud_siem.errors import Place, Reason
from cloud_siem.scalars import Scalar, plain
from cloud_siem.settings import PREFIX
from cloud_siem.wording import Unusable, key_shown, shown

Keys = tuple[str, ...]
"""The keys that lead to a value, e.g. ``("cloud-siem:deliveries", "sas")``."""
Value = Scalar | dict[str, "Value"] | list["Value"]

MAX_BYTES = 1024 * 1024
"""Stack files are written by hand: the largest imaginable (60 products, 60 logs) has 200 kB."""
MAX_DEPTH = 64
"""Deeper nesting than any config has; it bounds what the parser itself has to keep in mind."""
MAX_NODES = 1_000_000
"""More than ``MAX_BYTES`` can hold without aliases; each of them counts as what it stands for."""

_WITHIN = "config"
_TOP_LEVEL = ("config", "encryptedkey", "encryptionsalt", "environment", "secretsprovider")
"""What the engine knows at the top of a stack file (sdk/go/common/workspace/project.go, 3.259)."""
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""LibYAML's parser is twenty times as fast; a PyYAML built without it does the same in Python."""


class Places(Mapping[Keys, Place]):
    """Where the values stand, by their keys; made into ``Place`` only when asked for.

    ``places[keys]`` is the place of the value itself where it is a scalar, and of its key where it
    is a mapping or empty. ``()`` is the place of ``config:``.
    """

    def __init__(self, file: str, at: Mapping[Keys, tuple[_Mark, _Mark]]) -> None:
        self._file = file
        self._at = at

    def __getitem__(self, keys: Keys) -> Place:
        return self._place(self._at[keys][1])

    def __iter__(self) -> Iterator[Keys]:
        return iter(self._at)

    def __len__(self) -> int:
        return len(self._at)

    def key(self, keys: Keys) -> Place:
        """The place of the last of these keys."""
        return self._place(self._at[keys][0])

    def _place(self, mark: _Mark) -> Place:
        return Place(file=self._file, line=mark.line + 1, column=mark.column + 1)


class _Mark(Protocol):
    """A place as the parsers have it, line and column counted from 0."""

    line: int
    column: int


@dataclass(frozen=True, kw_only=True)
class StackFile:
    """What a stack file says about us, as the engine would hand it to a program."""

    path: str
    """The file as the person named it."""
    values: Mapping[str, Value] = field(default_factory=dict)
    """By whole key, e.g. ``cloud-siem:account``; what has a fault is there as far as it goes."""
    places: Places
    """Of everything in ``values``."""
    faults: tuple[Reason, ...] = ()
    """What is wrong with the text as a whole and with its nodes."""
    unquoted: Mapping[Keys, Reason] = field(default_factory=dict)
    """The scalars that mean different things to different readers; as text they are in values."""
    engine_only: tuple[Reason, ...] = ()
    """What the engine can read and we cannot: ``environment:``, and ``secure:`` below our keys."""
    faulty: frozenset[Keys] = frozenset()
    """The keys whose values are not what the file means: there is a fault with each already."""
    bare: Mapping[str, Place] = field(default_factory=dict)
    """Keys under ``config:`` without a namespace: the engine gives them the project's name."""
    whole: bool = True
    """Whether the file was read to its end."""

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """What is wrong with the text, whoever reads it."""
        return (*self.faults, *self.unquoted.values())


def read_stack_file(path: str | Path) -> StackFile:
    """Read a stack file; whatever is wrong with it is among its reasons."""
    file = str(path)
    try:
        with Path(path).open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        reason = Reason(message=_why_unreadable(error), place=Place(file=file))
        return _unread(file, reason)
    return read_stack_text(data, file)


def read_stack_text(data: bytes, file: str) -> StackFile:
    """Read a stack file's bytes; ``file`` is what its places name."""
    if len(data) > MAX_BYTES:
        message = f"the file is larger than {MAX_BYTES // 1024} KiB"
        return _unread(
            file, Reason(message=message, place=Place(file=file), hint="split the stack")
        )
    try:
        # The engine, too, takes a byte order mark off first.
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        place = _place_after(data[: error.start].decode("utf-8"), file)
        hint = "save the file as UTF-8"
        return _unread(file, Reason(message="the file is not UTF-8", place=place, hint=hint))
    if forbidden := _forbidden(text):
        place = _place_after(text[: forbidden.start()], file)
        message = f"the character U+{ord(forbidden[0]):04X} has no place in YAML"
        return _unread(file, Reason(message=message, place=place, hint="remove it"))
    return _Reader(text, file).read()


def _forbidden(text: str) -> re.Match[str] | None:
    """A character that the YAML readers refuse, or would each take in their own way."""
    # PyYAML's own pattern; to make another one of that many characters takes 10 ms.
    found = Reader.NON_PRINTABLE.search(text)
    return found or re.search("[\x85\u2028\u2029\ufeff]", text)


def _unread(file: str, reason: Reason) -> StackFile:
    return StackFile(path=file, places=Places(file, {}), faults=(reason,), whole=False)


def _why_unreadable(error: OSError) -> str:
    match error:
        case FileNotFoundError():
            return "there is no such file"
        case IsADirectoryError():
            return "this is a folder, not a file"
        case PermissionError():
            return "this file may not be read"
        case _:
            return f"this file cannot be read: {error.strerror}"


def _place_after(before: str, file: str) -> Place:
    lines = re.split("\r\n|[\n\r]", before)
    column = len(lines[-1].removeprefix("\ufeff")) + 1  # a mark at the start is taken off later
    return Place(file=file, line=len(lines), column=column)


class _Stop(Exception):  # noqa: N818 - the way out of the nodes, never seen outside
    """The rest of the file cannot be read; the reason is noted."""


class _Reader:
    """One pass over the events of one text."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._text = text
        self._event: Callable[[], Event] = _PARSER(text).get_event
        self._values: dict[str, Value] = {}
        self._at: dict[Keys, tuple[_Mark, _Mark]] = {}
        self._bare: dict[str, Place] = {}
        self._faults: list[Reason] = []
        self._unquoted: dict[Keys, Reason] = {}
        self._engine_only: list[Reason] = []
        self._faulty: set[Keys] = set()
        self._open: list[tuple[str | None, int]] = []
        """The collections that have begun: anchor, and how many nodes there were before."""
        self._sizes: dict[str, int] = {}
        """How many nodes each anchor stands for."""
        self._nodes = 0

    def read(self) -> StackFile:
        whole = True
        try:
            self._stream()
        except _Stop:
            whole = False
        except yaml.YAMLError as error:
            whole = False
            self._faults.append(_not_yaml(error, self._file, self._text))
        return StackFile(
            path=self._file,
            values=MappingProxyType(self._values),
            places=Places(self._file, self._at),
            faults=tuple(self._faults),
            unquoted=MappingProxyType(self._unquoted),
            engine_only=tuple(self._engine_only),
            faulty=frozenset(self._faulty),
            bare=MappingProxyType(self._bare),
            whole=whole,
        )

    # --- the file, from the top -------------------------------------------------------------------

    def _stream(self) -> None:
        """1. the stream begins, 2. one document, 3. and nothing after it."""
        self._next()
        start = self._next()
        if isinstance(start, StreamEndEvent):
            self._stop(None, "the file is empty", _START)
        self._document(start)
        after = self._next()
        if isinstance(after, DocumentStartEvent):
            message = "a second document begins here, and the engine reads the first alone"
            self._stop(after, message, "remove the --- line, or what follows it")

    def _document(self, start: Event) -> None:
        if isinstance(start, DocumentStartEvent) and (start.version or start.tags):
            self._note(start, (), "the file begins with a YAML directive", "remove the % line")
        root = self._next()
        if _is_null(root):
            self._stop(None, "the file is empty", _START)
        if not isinstance(root, MappingStartEvent):
            self._stop(root, "the file is no mapping", _START)
        self._top()
        self._next()

    def _top(self) -> None:
        seen: dict[str, _Mark] = {}
        for key in self._keys():
            name = self._foreign_key(key, seen)
            if name == _WITHIN:
                self._config(key, self._next())
                continue
            if name == "environment":
                message = "what an environment holds is known to the engine alone"
                self._engine_only.append(self._reason(key, (), message, _ENGINE_ONLY))
            elif name and name.startswith(PREFIX):
                message = f"{name} stands outside of config:"
                self._note(key, (), message, "indent it, below config:")
            self._pass_over(self._next())
        if _WITHIN not in seen:
            self._no_config(seen)

    def _no_config(self, seen: Mapping[str, _Mark]) -> NoReturn:
        near = next((name for name in seen if closest(name, _TOP_LEVEL) == _WITHIN), None)
        place, hint = Place(file=self._file), _START
        if near is not None:
            place = Place(file=self._file, line=seen[near].line + 1, column=seen[near].column + 1)
            hint = f"did you mean config: instead of {shown(near)}?"
        self._faults.append(Reason(message="config: is missing", place=place, hint=hint))
        raise _Stop

    def _config(self, key: Event, value: Event) -> None:
        self._at[()] = (_mark(key), _mark(key))
        if _is_null(value):
            self._stop(key, "config: is empty", _START)
        if not isinstance(value, MappingStartEvent) or value.tag is not None:
            self._stop(value, "config: is no mapping", _START)
        seen: dict[str, _Mark] = {}
        for one in self._keys():
            name = self._foreign_key(one, seen)
            if name and name.startswith(PREFIX):
                self._ours(name, one)
                continue
            if name and ":" not in name:
                self._bare[name] = self._place(one)
            elif name and not _CONFIG_KEY.fullmatch(name):
                self._note(one, (name,), "this is no config key", "write <namespace>:<name>")
            self._pass_over(self._next())

    def _foreign_key(self, key: Event, seen: dict[str, _Mark]) -> str | None:
        """The name of a key at the top or under ``config:``; None when it can be none of ours."""
        if isinstance(key, ScalarEvent) and not (_is_plain(key) and key.value == "<<"):
            self._once(key, (), seen)
            return str(key.value)
        what = "an alias" if isinstance(key, AliasEvent) else "a merge"
        if isinstance(key, AliasEvent | ScalarEvent):
            self._note(key, (), f"{what} as a key hides which keys there are", "write them out")
        else:
            self._note(key, (), "a key is a single word, not a list or a mapping", "remove it")
        self._pass_over(key)
        return None

    # --- our values -------------------------------------------------------------------------------

    def _ours(self, name: str, key: Event) -> None:
        path = (name,)
        if not self._undecorated(key, path):
            self._pass_over(self._next())
            return
        value = self._value(path, key, self._next())
        self._values.setdefault(name, value)

    def _value(self, path: Keys, key: Event, event: Event) -> Value:
        scalar = isinstance(event, ScalarEvent) and not _is_null(event)
        self._at.setdefault(path, (_mark(key), _mark(event if scalar else key)))
        if not self._undecorated(event, path):
            self._pass_over(event)
            return None
        if isinstance(event, ScalarEvent):
            return self._scalar(path, event)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, key)
        return self._sequence(path)

    def _scalar(self, path: Keys, event: ScalarEvent) -> Scalar:
        text = str(event.value)
        if not _is_plain(event):
            return text
        try:
            return plain(text)
        except Unusable as fault:
            self._unquoted.setdefault(path, self._reason(event, path, fault.message, fault.hint))
            return text

    def _mapping(self, path: Keys, parent: Event) -> Value:
        found: dict[str, Value] = {}
        seen: dict[str, _Mark] = {}
        last: Event | None = None
        for key in self._keys():
            name = self._own_key(path, key, seen)
            last = self._next()
            if name is None:
                self._pass_over(last)
                continue
            found[name] = self._value((*path, name), key, last)
        if list(found) == ["secure"] and isinstance(last, ScalarEvent):
            message = "a secret is known to the engine alone"
            self._engine_only.append(self._reason(parent, path, message, _ENGINE_ONLY))
            self._faulty.add(path)
            return None
        if last is not None and not found:  # empty because of the faults with its keys
            self._faulty.add(path)
        return found

    def _own_key(self, path: Keys, key: Event, seen: dict[str, _Mark]) -> str | None:
        """The name of a key within our values; None when there is a fault with it."""
        if not isinstance(key, ScalarEvent):
            if self._undecorated(key, path):
                self._note(key, path, "a key is a single word, not a list or a mapping", "")
            self._pass_over(key)
            return None
        if not self._undecorated(key, path):
            return None
        name = str(key.value)
        if _is_plain(key) and (fault := _key_fault(name)):
            self._note(key, (*path, name), fault.message, fault.hint)
            return None
        return name if self._once(key, path, seen) else None

    def _sequence(self, path: Keys) -> Value:
        found: list[Value] = []
        while not isinstance(event := self._next(), SequenceEndEvent):
            found.append(self._value((*path, str(len(found))), event, event))
        return found

    def _once(self, key: ScalarEvent, path: Keys, seen: dict[str, _Mark]) -> bool:
        name = str(key.value)
        if first := seen.get(name):
            message = f"{shown(name)} is here twice, first in line {first.line + 1}"
            # Not a fault with the value: that is the first one's, and may have more to tell.
            self._faults.append(self._reason(key, (*path, name), message, "remove one of them"))
            return False
        seen[name] = _mark(key)
        return True

    def _undecorated(self, event: Event, path: Keys) -> bool:
        """Whether a node of ours is as it looks: no alias, no anchor, no tag."""
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is None and tag is None:
            return True
        if isinstance(event, AliasEvent) and anchor not in self._sizes:
            self._faulty.add(path)  # the fault itself is noted already
            return False
        if isinstance(event, AliasEvent):
            message, hint = f"*{anchor} is an alias", "write the value out"
        elif anchor is not None:
            message, hint = f"&{anchor} is an anchor", "remove it"
        else:
            message, hint = f"{shown(tag)} is a tag", "remove it"
        self._note(event, path, f"{message}, and values stand for themselves here", hint)
        return False

    # --- events -----------------------------------------------------------------------------------

    def _keys(self) -> Iterator[Event]:
        """The keys of the mapping that has begun; the caller takes each value before the next."""
        while not isinstance(event := self._next(), MappingEndEvent):
            yield event

    def _pass_over(self, event: Event) -> None:
        """Leave out the node that begins with this event."""
        if isinstance(event, CollectionStartEvent):
            outside = len(self._open) - 1
            while len(self._open) > outside:
                self._next()

    def _next(self) -> Event:
        """The next event, once it is sure that neither depth nor aliases get out of hand."""
        event = self._event()
        if event.__class__ is ScalarEvent and event.anchor is None:  # nearly all of them
            self._nodes += 1
        elif isinstance(event, CollectionEndEvent):
            anchor, before = self._open.pop()
            self._define(anchor, self._nodes - before)
        elif isinstance(event, NodeEvent):
            self._count(event)
        return event

    def _count(self, event: NodeEvent) -> None:
        if isinstance(event, CollectionStartEvent):
            self._open.append((event.anchor, self._nodes))
            if len(self._open) > MAX_DEPTH:
                self._stop(event, f"this nests deeper than {MAX_DEPTH} levels", "make it flatter")
        elif isinstance(event, AliasEvent):
            if event.anchor not in self._sizes:
                self._note(event, (), f"*{event.anchor} stands for nothing that is complete", "")
            self._nodes += self._sizes.get(str(event.anchor), 0)
            if self._nodes > MAX_NODES:
                self._stop(event, "the aliases stand for more than any reader can hold", "")
        else:
            self._define(event.anchor, 1)
        self._nodes += 1

    def _define(self, anchor: str | None, size: int) -> None:
        if anchor is not None:
            self._sizes[anchor] = size

    # --- reasons ----------------------------------------------------------------------------------

    def _note(self, event: Event, path: Keys, message: str, hint: str) -> None:
        self._faults.append(self._reason(event, path, message, hint))
        self._faulty.add(path)

    def _stop(self, event: Event | None, message: str, hint: str) -> NoReturn:
        place = self._place(event) if event else Place(file=self._file)
        self._faults.append(Reason(message=message, place=place, hint=hint))
        raise _Stop

    def _reason(self, event: Event, path: Keys, message: str, hint: str) -> Reason:
        names = tuple(key_shown(key) for key in path)
        return Reason(message=message, path=names, place=self._place(event), hint=hint)

    def _place(self, event: Event) -> Place:
        mark = _mark(event)
        return Place(file=self._file, line=mark.line + 1, column=mark.column + 1)


_CONFIG_KEY = re.compile(r"[^:]+(:config)?:[^:]+")
"""The engine's own rule (sdk/go/common/resource/config/key.go, 3.259)."""
_ENGINE_ONLY = "commands that work without the engine cannot judge this file"
_START = "a stack file begins with config:, and below it cloud-siem:account"


def _mark(event: Event) -> _Mark:
    return event.start_mark  # type: ignore[return-value] # events that a parser made have one


def _is_plain(event: ScalarEvent) -> bool:
    return not event.style  # LibYAML's parser says "", the one in Python None


def _is_null(event: Event) -> bool:
    return (
        isinstance(event, ScalarEvent)
        and _is_plain(event)
        and event.tag is None
        and event.value in {"", "~", "null"}
    )


def _key_fault(name: str) -> Unusable | None:
    """Why a key without quotes is not the text that it looks like."""
    if name == "<<":
        return Unusable("a merge hides which keys there are", "write them out")
    try:
        if isinstance(plain(name), str):
            return None
    except Unusable as fault:
        return fault
    return Unusable(f"the key {shown(name)} without quotes is no text", "quote it")


def _not_yaml(error: yaml.YAMLError, file: str, text: str) -> Reason:
    """The parser's own complaint, with a hint for the mistakes that people make."""
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    place, hint = Place(file=file), ""
    if mark is not None:
        place = Place(file=file, line=mark.line + 1, column=mark.column + 1)
        line = text.splitlines()[mark.line : mark.line + 1] or [""]
        hint = "indent with blanks, not with tabs" if line[0][mark.column :][:1] == "\t" else ""
    hint = hint or next((hint for part, hint in _YAML_HINTS if part in problem), "")
    return Reason(message=f"the file is not YAML: {problem}", place=place, hint=hint)


_YAML_HINTS = (  # by what LibYAML's parser says, and the one in Python
    ("mapping values are not allowed", "text with a colon and a blank needs quotes"),
    ("could not find expected ':'", "a key ends with a colon and a blank"),
    ("did not find expected key", "keys of one mapping begin in the same column"),
    ("expected <block end>", "keys of one mapping begin in the same column"),
    ("expected ',' or", "a bracket is not closed, or a comma is missing"),
    ("end of stream", "a quote is not closed"),
)
