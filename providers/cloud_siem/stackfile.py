"""The text of a stack file -> plain values, each with its place; ``stack`` makes a Stack of them.

Only the ``cloud-siem:`` keys under ``config:`` are ours; the rest of the file is the engine's and
other programs', and is passed over without being built. The reader goes through the parser's
events, one at a time: it sees what a loader hides (anchors, tags, the style of a scalar), expands
nothing, and finds many faults in one pass.

From the outside in: ``read_stack_file`` opens the file, ``read_stack_text`` looks at the text as a
whole, ``_Reader`` at its nodes, ``scalars`` at each scalar; ``yamlevents`` hands the nodes over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    StreamEndEvent,
)
from yaml.reader import Reader

from cloud_siem.catalog import closest
from cloud_siem.errors import Place, Reason
from cloud_siem.places import Keys, Mark, Places, place_at
from cloud_siem.scalars import Scalar, plain
from cloud_siem.settings import PREFIX
from cloud_siem.wording import Unusable, key_shown, shown
from cloud_siem.yamlevents import Events, Stop, is_null, is_plain, mark

Value = Scalar | dict[str, "Value"] | list["Value"]

MAX_BYTES = 1024 * 1024
"""Stack files are written by hand: the largest imaginable (60 products, 60 logs) has 200 kB."""

_WITHIN = "config"
_TOP_LEVEL = ("config", "encryptedkey", "encryptionsalt", "environment", "secretsprovider")
"""What the engine knows at the top of a stack file (sdk/go/common/workspace/project.go, 3.259)."""
_PARSER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""LibYAML's parser is twenty times as fast; a PyYAML built without it does the same in Python."""


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


class _Reader:
    """One pass over the events of one text."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._events = Events(text, _PARSER, self._lost_alias)
        self._values: dict[str, Value] = {}
        self._at: dict[Keys, tuple[Mark, Mark]] = {}
        self._bare: dict[str, Place] = {}
        self._faults: list[Reason] = []
        self._unquoted: dict[Keys, Reason] = {}
        self._engine_only: list[Reason] = []
        self._faulty: set[Keys] = set()

    def read(self) -> StackFile:
        whole = True
        try:
            self._stream()
        except Stop as stop:
            whole = False
            place = place_at(stop.at, self._file) if stop.at else Place(file=self._file)
            self._faults.append(Reason(message=stop.message, place=place, hint=stop.hint))
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
        self._events.next()
        start = self._events.next()
        if isinstance(start, StreamEndEvent):
            raise Stop(None, "the file is empty", _START)
        self._document(start)
        after = self._events.next()
        if isinstance(after, DocumentStartEvent):
            message = "a second document begins here, and the engine reads the first alone"
            raise Stop(mark(after), message, "remove the --- line, or what follows it")

    def _document(self, start: Event) -> None:
        if isinstance(start, DocumentStartEvent) and (start.version or start.tags):
            self._note(start, (), "the file begins with a YAML directive", "remove the % line")
        root = self._events.next()
        if is_null(root):
            raise Stop(None, "the file is empty", _START)
        if not isinstance(root, MappingStartEvent):
            raise Stop(mark(root), "the file is no mapping", _START)
        self._top()
        self._events.next()

    def _top(self) -> None:
        seen: dict[str, Mark] = {}
        for key in self._events.each_key():
            name = self._foreign_key(key, seen)
            if name == _WITHIN:
                self._config(key, self._events.next())
                continue
            if name == "environment":
                message = "what an environment holds is known to the engine alone"
                self._engine_only.append(self._reason(key, (), message, _ENGINE_ONLY))
            elif name and name.startswith(PREFIX):
                message = f"{name} stands outside of config:"
                self._note(key, (), message, "indent it, below config:")
            self._events.pass_over(self._events.next())
        if _WITHIN not in seen:
            near = next((name for name in seen if closest(name, _TOP_LEVEL) == _WITHIN), None)
            hint = f"did you mean config: instead of {shown(near)}?" if near else _START
            raise Stop(seen[near] if near else None, "config: is missing", hint)

    def _config(self, key: Event, value: Event) -> None:
        self._at[()] = (mark(key), mark(key))
        if is_null(value):
            raise Stop(mark(key), "config: is empty", _START)
        if not isinstance(value, MappingStartEvent) or value.tag is not None:
            raise Stop(mark(value), "config: is no mapping", _START)
        seen: dict[str, Mark] = {}
        for one in self._events.each_key():
            name = self._foreign_key(one, seen)
            if name and name.startswith(PREFIX):
                self._ours(name, one)
                continue
            if name and ":" not in name:
                self._bare[name] = self._place(one)
            elif name and not _CONFIG_KEY.fullmatch(name):
                self._note(one, (name,), "this is no config key", "write <namespace>:<name>")
            self._events.pass_over(self._events.next())

    def _foreign_key(self, key: Event, seen: dict[str, Mark]) -> str | None:
        """The name of a key at the top or under ``config:``; None when it can be none of ours."""
        if isinstance(key, ScalarEvent) and not (is_plain(key) and key.value == "<<"):
            self._once(key, (), seen)
            return str(key.value)
        what = "an alias" if isinstance(key, AliasEvent) else "a merge"
        if isinstance(key, AliasEvent | ScalarEvent):
            self._note(key, (), f"{what} as a key hides which keys there are", "write them out")
        else:
            self._note(key, (), "a key is a single word, not a list or a mapping", "remove it")
        self._events.pass_over(key)
        return None

    # --- our values -------------------------------------------------------------------------------

    def _ours(self, name: str, key: Event) -> None:
        path = (name,)
        if not self._undecorated(key, path):
            self._events.pass_over(self._events.next())
            return
        value = self._value(path, key, self._events.next())
        self._values.setdefault(name, value)

    def _value(self, path: Keys, key: Event, event: Event) -> Value:
        scalar = isinstance(event, ScalarEvent) and not is_null(event)
        self._at.setdefault(path, (mark(key), mark(event if scalar else key)))
        if not self._undecorated(event, path):
            self._events.pass_over(event)
            return None
        if isinstance(event, ScalarEvent):
            return self._scalar(path, event)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path, key)
        return self._sequence(path)

    def _scalar(self, path: Keys, event: ScalarEvent) -> Scalar:
        text = str(event.value)
        if not is_plain(event):
            return text
        try:
            return plain(text)
        except Unusable as fault:
            self._unquoted.setdefault(path, self._reason(event, path, fault.message, fault.hint))
            return text

    def _mapping(self, path: Keys, parent: Event) -> Value:
        found: dict[str, Value] = {}
        seen: dict[str, Mark] = {}
        last: Event | None = None
        for key in self._events.each_key():
            name = self._own_key(path, key, seen)
            last = self._events.next()
            if name is None:
                self._events.pass_over(last)
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

    def _own_key(self, path: Keys, key: Event, seen: dict[str, Mark]) -> str | None:
        """The name of a key within our values; None when there is a fault with it."""
        if not isinstance(key, ScalarEvent):
            if self._undecorated(key, path):
                self._note(key, path, "a key is a single word, not a list or a mapping", "")
            self._events.pass_over(key)
            return None
        if not self._undecorated(key, path):
            return None
        name = str(key.value)
        if is_plain(key) and (fault := _key_fault(name)):
            self._note(key, (*path, name), fault.message, fault.hint)
            return None
        return name if self._once(key, path, seen) else None

    def _sequence(self, path: Keys) -> Value:
        found: list[Value] = []
        while not isinstance(event := self._events.next(), SequenceEndEvent):
            found.append(self._value((*path, str(len(found))), event, event))
        return found

    def _once(self, key: ScalarEvent, path: Keys, seen: dict[str, Mark]) -> bool:
        name = str(key.value)
        if first := seen.get(name):
            message = f"{shown(name)} is here twice, first in line {first.line + 1}"
            # Not a fault with the value: that is the first one's, and may have more to tell.
            self._faults.append(self._reason(key, (*path, name), message, "remove one of them"))
            return False
        seen[name] = mark(key)
        return True

    def _undecorated(self, event: Event, path: Keys) -> bool:
        """Whether a node of ours is as it looks: no alias, no anchor, no tag."""
        anchor, tag = getattr(event, "anchor", None), getattr(event, "tag", None)
        if anchor is None and tag is None:
            return True
        if self._events.stands_for_nothing(event):
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

    # --- reasons ----------------------------------------------------------------------------------

    def _note(self, event: Event, path: Keys, message: str, hint: str) -> None:
        self._faults.append(self._reason(event, path, message, hint))
        self._faulty.add(path)

    def _lost_alias(self, event: Event, message: str) -> None:
        self._note(event, (), message, "")

    def _reason(self, event: Event, path: Keys, message: str, hint: str) -> Reason:
        names = tuple(key_shown(key) for key in path)
        return Reason(message=message, path=names, place=self._place(event), hint=hint)

    def _place(self, event: Event) -> Place:
        return place_at(mark(event), self._file)


_CONFIG_KEY = re.compile(r"[^:]+(:config)?:[^:]+")
"""The engine's own rule (sdk/go/common/resource/config/key.go, 3.259)."""
_ENGINE_ONLY = "commands that work without the engine cannot judge this file"
_START = "a stack file begins with config:, and below it cloud-siem:account"


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
