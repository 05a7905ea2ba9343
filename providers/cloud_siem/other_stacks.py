"""What the other stack files of a project declare open: a close must not touch these logs.

Called lazily, when something would close. One read for each file; only files that may be about the
accounts at hand are parsed. What cannot be known is reported and never guessed.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cloud_siem.errors import Place, Reason, StackError
from cloud_siem.keys import ACCOUNT, DELIVERIES, KNOWN_KEYS, MEMBER, REGION, VIEW
from cloud_siem.loading import load_stack_text
from cloud_siem.model import DeliveryKey, KeyIndex, Region, State
from cloud_siem.project import Project, is_engines_file, others_of, stack_of
from cloud_siem.settings import ENVIRON_PREFIX, PREFIX
from cloud_siem.stack import Stack, build_stack
from cloud_siem.stackfile import MAX_BYTES, read_stack_text
from cloud_siem.wording import counted

SENT_ACCOUNTS = f"{ENVIRON_PREFIX}SENT_ACCOUNTS"
"""The variable that says, on a worker elsewhere, about which accounts it was sent stack files.

The ids are separated by commas. Without the variable the folder has all stack files.
"""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One delivery that another stack file declares open."""

    stack: str
    file: str
    """The stack file, as the caller named its folder."""
    key: DeliveryKey
    line: int | None = None
    """The line of the entry, counted from 1; None when it is not known."""

    def __str__(self) -> str:
        place = Place(file=self.file, line=self.line)
        return f"{self.key.name} is declared open by stack {self.stack}, at {place}"


@dataclass(frozen=True, kw_only=True)
class OtherStacks:
    """What the other stack files declare open, and what could not be read of them."""

    claims: tuple[Claim, ...] = ()
    """By stack, then in the order of ``by_name``."""
    closed: tuple[DeliveryKey, ...] = ()
    """What they declare closed."""
    unknown: tuple[str, ...] = ()
    """Sentences, each with a file and the reason; empty when everything could be read."""

    def claims_on(
        self, owner: str, region: Region, product: str, log: str | None
    ) -> tuple[Claim, ...]:
        """The claims that have a log in common with this one; ``DeliveryKey.switch`` fits.

        A claim on a whole product covers each of its logs. ``log=None`` asks about a whole
        product, which has every claim on one of its logs.
        """
        claims = self._by_product.get((owner, region, product), ())
        if log is None:
            return tuple(claims)
        return tuple(claim for claim in claims if claim.key.log in (None, log))

    def closes(self, log: DeliveryKey) -> bool:
        """Whether another stack file declares this log closed."""
        return self._closed.covers(log)

    @cached_property
    def _closed(self) -> KeyIndex:
        return KeyIndex(self.closed)

    @cached_property
    def _by_product(self) -> Mapping[tuple[str, Region, str], Collection[Claim]]:
        by_product: dict[tuple[str, Region, str], list[Claim]] = {}
        for claim in self.claims:
            by_product.setdefault(claim.key.switch[:3], []).append(claim)
        return by_product


def read_other_stacks(
    own_file: Path, environ: Mapping[str, str], owners: Collection[str]
) -> OtherStacks:
    """Read what the other stack files beside ``own_file`` declare open. Never raises.

    Args:
        own_file: The stack file of the run. The other ones are in its folder and have other names.
        environ: The environment, for the settings of the files.
        owners: The accounts whose logs would close (``Perspective.owner``). Files that are
            certainly about other accounts are not parsed.
    """
    unknown = [*_unknown_place(own_file), *_not_sent(environ, owners), *_shared(own_file)]
    try:
        files = [path for path in others_of(own_file) if is_engines_file(path)]
    except OSError as error:
        message = f"{own_file.parent}: the folder of the stack files cannot be read"
        return OtherStacks(unknown=(*unknown, f"{message}: {error.strerror}"))
    claims: list[Claim] = []
    closed: list[DeliveryKey] = []
    for path in files:
        stack = read_stack(path, environ, owners)
        if isinstance(stack, Stack):
            claims += claims_of(stack)
            closed += [one.key for one in stack.deliveries if one.state is State.CLOSED]
        elif stack:
            unknown.append(stack)
    return OtherStacks(claims=tuple(claims), closed=tuple(closed), unknown=tuple(unknown))


def claims_of(stack: Stack) -> Iterator[Claim]:
    """What a stack declares open."""
    for delivery in stack.deliveries:
        if delivery.state is State.OPEN:
            place = stack.place_of(delivery.key)
            line = place.line if place else None
            yield Claim(stack=stack.name, file=stack.file, key=delivery.key, line=line)


def read_stack(
    path: Path, environ: Mapping[str, str], owners: Collection[str]
) -> Stack | str | None:
    """The stack of a file, as far as its deliveries depend on it.

    Returns:
        None when the file is certainly about other accounts, and the reason, with the file, when
        the deliveries cannot be known.
    """
    data = bytes_of(path)
    if isinstance(data, str):
        return f"{path}: {data}"
    if not may_concern(data, owners):
        return None
    return read_bytes(data, str(path), environ)


def read_bytes(data: bytes, file: str, environ: Mapping[str, str]) -> Stack | str:
    """The stack of a file's bytes as far as its deliveries depend on it, or why it is not known."""
    try:
        return load_stack_text(data, file, environ)
    except StackError as error:
        reasons = error.reasons
    if all(map(_is_aside, reasons)):
        # Secrets among the settings, for example: what is declared does not depend on them.
        read = read_stack_text(data, file)
        values = {key: value for key, value in read.values.items() if key in _DECISIVE}
        try:
            return build_stack(values, read.places, name=stack_of(file), file=file, environ=environ)
        except StackError as error:
            reasons = error.reasons
    more = f", and {counted(len(reasons) - 1, 'more error')}" if len(reasons) > 1 else ""
    first = reasons[0]
    return f"{first if first.place else f'{file}: {first}'}{more}"


# --- which files are about which accounts ---------------------------------------------------------


def may_concern(data: bytes, owners: Collection[str]) -> bool:
    """Whether a stack file with these bytes may be about one of these accounts."""
    accounts = accounts_in(data)
    return accounts is None or not accounts.isdisjoint(owners)


def accounts_in(data: bytes) -> frozenset[str] | None:
    """The accounts that a stack file can be about, and more numbers; None when only parsing tells.

    A file is clear when it declares nothing, or gives its account, and its member if any, in plain
    digits. Escapes, tags and encodings can spell words and digits in other ways, and
    ``environment`` brings keys that are not in the file.
    """
    if len(data) > MAX_BYTES or _OBSCURE.search(data) or not _is_utf8(data):
        return None
    if _DELIVERIES not in data:
        return frozenset()
    keys, plain = len(_KEY.findall(data)), len(_PLAIN.findall(data))
    if not plain or keys != plain:
        return None
    return frozenset(digits.decode("ascii") for digits in _DIGITS.findall(data))


_OBSCURE = re.compile(rb"[\\\x00!]|(?:^|[{,])\s*[\"']?environment", re.MULTILINE)
_DELIVERIES = DELIVERIES.removeprefix(PREFIX).encode("ascii")
_KEY = re.compile(rb"(?:account|member)[\"']?\s*:")
"""Keys that say whose deliveries these are, in any namespace, or in none."""
_PLAIN = re.compile(
    rb"(?:account|member)[\"']?[ \t]*:[ \t]+"
    rb"(?:\"[0-9]+\"|'[0-9]+'|[1-9][0-9]*)[ \t]*(?:#[^\n]*)?\r?(?=\n|\Z)"
)
_DIGITS = re.compile(rb"[0-9]+")


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


# --- what is not known ----------------------------------------------------------------------------

_DECISIVE = (ACCOUNT, REGION, VIEW, MEMBER, DELIVERIES, f"{PREFIX}memberInEnterpriseView")
"""The keys that decide which logs a stack declares open."""
_ASIDE = frozenset(KNOWN_KEYS) - frozenset(_DECISIVE)
_SHARED = (MEMBER, DELIVERIES)
"""Of these, the ones that a stack file may lack: with one from elsewhere it declares more."""


def _is_aside(reason: Reason) -> bool:
    """Whether an error concerns keys that do not decide which logs are declared open."""
    return bool(reason.path) and reason.path[0] in _ASIDE


def bytes_of(path: Path) -> bytes | str:
    """A file's bytes, one more than are allowed at most; or why it cannot be read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "it is not a regular file"
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _unknown_place(own_file: Path) -> Iterator[str]:
    """Whether the folder may not be that of the project's stack files."""
    if not own_file.is_file():
        yield f"{own_file}: the run's own stack file is not there, so the others may be elsewhere"


def _shared(own_file: Path) -> Iterator[str]:
    """What Pulumi.yaml sets for every stack whose own file does not say otherwise."""
    project = Project.find(own_file.absolute().parent)
    for key in filter(project.is_ours, project.config):
        if PREFIX + key.removeprefix(PREFIX) in _SHARED:
            yield f"{project.folder / project.file_name}: it sets {key} for all stacks"


def _not_sent(environ: Mapping[str, str], owners: Collection[str]) -> Iterator[str]:
    """The accounts whose stack files are not on this machine."""
    if SENT_ACCOUNTS in environ:
        missing = set(owners) - set(environ[SENT_ACCOUNTS].split(","))
        for owner in sorted(missing):
            yield f"the stack files about account {owner} are not on this machine"
