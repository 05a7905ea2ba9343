"""An adoption as text: a stack file, or the engine's commands that complete one.

Pure; called by ``cloud-siem adopt``. What is written is read back as it was meant by the engine and
by us, whatever the codes and topics of an account are.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

from cloud_siem import catalog
from cloud_siem.adopt import Adoption, Entry
from cloud_siem.keys import ACCOUNT, DELIVERIES, KINDS, MEMBER, REGION, VIEW
from cloud_siem.kinds import Kind, Text
from cloud_siem.model import WHOLE_PRODUCT, DeliveryKey, Log, Perspective, View
from cloud_siem.scalars import plain
from cloud_siem.settings import BY_CONFIG_KEY
from cloud_siem.version import __version__
from cloud_siem.wording import Unusable, key_shown

SCHEMA_LINE = "# yaml-language-server: $schema=schema.json"
"""Gives an editor with a YAML language server completion and checks; it has to be the first."""


# --- a new file -----------------------------------------------------------------------------------


def stack_text(adoption: Adoption, config: Mapping[str, str], before: str = "") -> str:
    """The text of a stack file that declares what is to be declared.

    Args:
        adoption: What.
        config: What else the file says, by whole key, e.g. ``{"cloud-siem:roleArn": ...}``.
        before: What stands in the file already, and stays: the engine's own lines.
    """
    kept = [line for line in before.splitlines() if line != SCHEMA_LINE]
    return "\n".join((*_head(adoption), *kept, *_config(adoption, config), ""))


def _head(adoption: Adoption) -> Iterator[str]:
    snapshot = adoption.snapshot
    yield SCHEMA_LINE
    yield "#"
    yield f"# {adoption.perspective}, as it was on {snapshot.taken_at:%Y-%m-%d %H:%M} UTC:"
    yield (
        f"# {len(adoption.opened)} of {len(snapshot.logs)} logs open."
        f" Written by cloud-siem {__version__} adopt."
    )
    yield "# What is not listed is unmanaged: never opened and never closed."
    for why, logs in adoption.left_out.items():
        yield f"# Left out, since {why}:"
        yield from (f"#   {_log_shown(log)}" for log in logs)


def _config(adoption: Adoption, config: Mapping[str, str]) -> Iterator[str]:
    yield "config:"
    for key, value in {**whose(adoption.perspective), **config}.items():
        yield f"  {key}: {_value(key, value)}"
    if not adoption.entries:
        yield f"  {DELIVERIES}: {{}}"
        return
    yield f"  {DELIVERIES}:"
    product = ""
    for entry in adoption.entries:
        if entry.key.product != product:
            product = entry.key.product
            yield from _product_lines(product)
        log = entry.key.log
        name = f'"{WHOLE_PRODUCT}"' if log is None else _code(log)
        yield f"      {name}: {entry.state.value}{_remark(entry)}"


def whose(perspective: Perspective) -> dict[str, str]:
    """The keys that say whose deliveries these are; a default is left out."""
    found = {ACCOUNT: perspective.account, REGION: perspective.region.value}
    if perspective.view is not View.ACCOUNT:
        found[VIEW] = perspective.view.value
    if perspective.member:
        found[MEMBER] = perspective.member
    return found


def _product_lines(product: str) -> Iterator[str]:
    known = catalog.PRODUCTS.get(product)
    if known and known.remark:
        yield f"    # {known.remark}"
    yield f"    {_code(product)}:" + (f" # {known.name}" if known else "")


def _remark(entry: Entry) -> str:
    """The comment behind an entry: the topics in the Logstore, and what a person should know."""
    said = []
    if topics := sorted({log.topic for log in entry.logs} - {""}):
        said.append(", ".join(key_shown(topic) for topic in topics))
    if not all(log.operable for log in entry.logs):
        said.append("this caller may not switch it")
    return f" # {'; '.join(said)}" if said else ""


def _log_shown(log: Log) -> str:
    return f"{key_shown(log.product)}/{key_shown(log.log)}"


# --- a file that is there already -----------------------------------------------------------------


def missing_lines(
    adoption: Adoption, config: Mapping[str, str], *, stack: str, file: str = ""
) -> list[str]:
    """Shell lines by which the engine itself adds to a stack file what it lacks.

    Args:
        adoption: What it lacks.
        config: Plain keys that it lacks, by whole key.
        stack: The stack's name.
        file: The file, where the engine would look for another one.
    """
    start = ["pulumi", "config", "set", "--stack", stack]
    start += ["--config-file", file] if file else []
    single = [[*start, "--", key, value] for key, value in config.items()]
    paths = [[*start, "--path", _path(one.key), one.state.value] for one in adoption.entries]
    return [shlex.join(words) for words in (*single, *paths)]


def _path(key: DeliveryKey) -> str:
    """The property path of an entry, e.g. ``cloud-siem:deliveries.sas["a.b"]``."""
    steps = (key.product, key.log or WHOLE_PRODUCT)
    return DELIVERIES + "".join(
        f".{step}" if _STEP.fullmatch(step) else f'["{step}"]' for step in steps
    )


# --- words ----------------------------------------------------------------------------------------

_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
"""What stands after a dot in a property path; anything else is quoted, so that no dot in a code is
taken for a step, and no digits for a place in a list."""
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")


def _code(code: str) -> str:
    """A code as a YAML key."""
    return code if _is_word(code) else _quoted(code)


def _value(key: str, value: str) -> str:
    """A config value in YAML: a number or a switch stands as one, all else is text."""
    if _is_word(value):
        return value
    kind = KINDS.get(key) or BY_CONFIG_KEY[key].kind
    typed = not isinstance(kind, Text) and _is_typed(value, kind)
    return value if typed else _quoted(value)


def _is_word(text: str) -> bool:
    """Whether this is text to every YAML reader, without quotes."""
    try:
        return bool(_WORD.fullmatch(text)) and isinstance(plain(text), str)
    except Unusable:
        return False


def _is_typed(text: str, kind: Kind) -> bool:
    """Whether this, without quotes, is a value of that kind to every YAML reader."""
    try:
        value = plain(text)
    except Unusable:
        return False
    return kind.accepts(value) and str(value).lower() == text


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar; what has no place in a file is escaped."""
    return '"' + "".join(_char(char) for char in text) + '"'


def _char(char: str) -> str:
    if char in '"\\':
        return f"\\{char}"
    return char if char.isprintable() else f"\\U{ord(char):08X}"
