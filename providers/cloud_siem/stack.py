"""Values -> ``Stack``: what one stack declares, or every reason why it cannot be used.

``build_stack`` is the one rule book, for values that the engine hands a program (text on the top
level, ``deliveries`` as JSON) and for values that ``stackfile`` read (YAML's own types) alike.
``loading`` calls it with either.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date

from cloud_siem.catalog import closest, product_of
from cloud_siem.errors import Place, Reason, StackError
from cloud_siem.ignore import Ignore
from cloud_siem.jsontext import parsed
from cloud_siem.keys import (
    ACCOUNT,
    CODE,
    DELIVERIES,
    DRIFT_IGNORE,
    IGNORE_KINDS,
    KINDS,
    KNOWN_KEYS,
    LOG_KEYS,
    MEMBER,
    ON_REMOVE,
    ON_REMOVES,
    PROTECT,
    REASON,
    REGION,
    STATES,
    TAG,
    TAGS,
    VIEW,
)
from cloud_siem.kinds import Kind, Switch, text_of
from cloud_siem.model import (
    DECLARABLE,
    REGION_RULE,
    WHOLE_PRODUCT,
    Delivery,
    DeliveryKey,
    OnRemove,
    Perspective,
    Region,
    State,
    View,
    by_name,
)
from cloud_siem.places import Keys, Places
from cloud_siem.project import STACK_NAME
from cloud_siem.settings import BY_CONFIG_KEY, PREFIX, Settings, is_credential_key
from cloud_siem.wording import Unusable, key_shown, shown

_CODE = re.compile(CODE)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """What one stack declares."""

    name: str
    """The stack's name, e.g. ``demo``."""
    perspective: Perspective
    deliveries: tuple[Delivery, ...] = ()
    """In the order of ``by_name``; empty is legal and declares nothing."""
    on_remove: OnRemove = OnRemove.CLOSE
    """What removing an entry does, where the entry did not say so itself."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """Names and values that policies and selectors go by, e.g. ``{"env": "prod"}``."""
    drift_ignore: tuple[Ignore, ...] = ()
    """What the drift review lets pass, in the order of the file."""
    settings: Settings = field(default_factory=Settings)
    given: Mapping[str, str] = field(default_factory=dict, repr=False, compare=False)
    """The settings as config has them, by whole key and as text; what is encrypted is left out."""
    file: str = ""
    """The stack file, as the person named it; empty when there is none."""
    places: Mapping[Keys, Place] = field(default_factory=dict, repr=False, compare=False)

    def place_of(self, key: DeliveryKey) -> Place | None:
        """Where the entry of a delivery stands; None when no file says so."""
        return _place_at(self.places, path_of(key), self.file)

    def key_place(self, path: Keys) -> Place | None:
        """Where the last of these keys stands; None when no file says so."""
        return _place_at(self.places, path, self.file, at_key=True)


def build_stack(
    values: Mapping[str, object],
    places: Mapping[Keys, Place] | None = None,
    *,
    name: str,
    file: str = "",
    environ: Mapping[str, str] | None = None,
) -> Stack:
    """Turn config into a Stack; raises ``StackError`` with every reason there is.

    Args:
        values: The stack's config by whole key (``cloud-siem:account``), from the engine or a file.
        places: Where the values stand; empty when nobody knows.
        name: The stack's name.
        file: The stack file, for faults that have no place in it.
        environ: The environment, for the settings; None is an empty one.
    """
    return _Builder(values, places or {}, name, file).build(environ or {})


class _Builder:
    """One pass over the values of one stack; faults are noted, and the pass goes on."""

    def __init__(
        self, values: Mapping[str, object], places: Mapping[Keys, Place], name: str, file: str
    ) -> None:
        self._values = values
        self._places = places
        self._name = name
        self._file = file
        self._reasons: list[Reason] = []

    def build(self, environ: Mapping[str, str]) -> Stack:
        """1. the name and the keys, 2. the settings, 3. who looks, 4. what is declared."""
        self._check_name()
        self._check_keys()
        settings = self._settings(environ)
        perspective = self._perspective(settings)
        default = self._default(perspective or _NOBODY)
        deliveries = self._deliveries(default, settings)
        tags = dict(self._tags())
        drift_ignore = tuple(self._ignores())
        if self._reasons or perspective is None:
            raise StackError(self._reasons)
        return Stack(
            name=self._name,
            perspective=perspective,
            deliveries=tuple(sorted(deliveries, key=lambda one: by_name(one.key))),
            on_remove=default.on_remove,
            tags=tags,
            drift_ignore=drift_ignore,
            settings=settings,
            given=dict(self._given()),
            file=self._file,
            places=self._places,
        )

    # --- the name, the keys, the settings ---------------------------------------------------------

    def _check_name(self) -> None:
        if not re.fullmatch(STACK_NAME, self._name):
            message = f"{shown(self._name)} is no stack name"
            self._note((), message, "up to 100 letters, digits, _ . and -, not - at the beginning")

    def _check_keys(self) -> None:
        for key in self._values:
            ours = key.startswith(PREFIX)
            if ours and key not in KNOWN_KEYS and not is_credential_key(key.removeprefix(PREFIX)):
                near = closest(key, KNOWN_KEYS)
                hint = f"did you mean {near}?" if near else "remove it"
                self._note((key,), "there is no such key", hint, at_key=True)

    def _settings(self, environ: Mapping[str, str]) -> Settings:
        try:
            return Settings.read(self._values, environ)
        except StackError as error:
            for reason in error.reasons:
                place = self._place(reason.path) if reason.path[0].startswith(PREFIX) else None
                path = tuple(key_shown(key) for key in reason.path)
                self._add(reason.message, path, place, reason.hint)
            return Settings()

    def _given(self) -> Iterator[tuple[str, str]]:
        for key, setting in BY_CONFIG_KEY.items():
            if key in self._values and not isinstance(self._values[key], dict):
                with suppress(Unusable):  # the environment has another value, which counts
                    yield key, text_of(self._values[key], setting.kind)

    # --- who looks --------------------------------------------------------------------------------

    def _perspective(self, settings: Settings) -> Perspective | None:
        account = self._required(ACCOUNT, "the account whose credentials are used")
        region = self._required(REGION, REGION_RULE)
        view = self._optional(VIEW, View.ACCOUNT.value)
        member = self._optional(MEMBER, None)
        self._check_member(account, view, member, settings)
        self._check_role(account, settings)
        if not (isinstance(account, str) and isinstance(region, str) and isinstance(view, str)):
            return None
        return Perspective(
            account=account,
            region=Region(region),
            view=View(view),
            member=member if isinstance(member, str) else None,
        )

    def _check_member(
        self, account: object, view: object, member: object, settings: Settings
    ) -> None:
        if member is None:
            return
        if member == account:
            hint = "a member is another account of the enterprise; remove the line"
            self._note((MEMBER,), "this is the account itself", hint)
        if view == View.ENTERPRISE.value and not settings.member_in_enterprise_view:
            message = "which of the two wins, a member or the enterprise view, is unverified"
            switch = BY_CONFIG_KEY[f"{PREFIX}memberInEnterpriseView"]
            hint = f"remove one of them, or set {switch.config_key}: true"
            self._note((MEMBER,), message, hint)

    def _check_role(self, account: object, settings: Settings) -> None:
        """A role of another account could never be the stack's account: every call is refused."""
        if not isinstance(account, str) or not settings.role_arn:
            return
        owner = str(settings.role_for(account)).removeprefix("acs:ram::").partition(":")[0]
        if owner != account:
            message = f"the role is of account {owner}, the stack of account {account}"
            self._note((f"{PREFIX}roleArn",), message, "write {account} in the place of the digits")

    # --- what is declared -------------------------------------------------------------------------

    def _default(self, perspective: Perspective) -> _Default:
        on_remove = self._optional(ON_REMOVE, OnRemove.CLOSE.value)
        protect = self._optional(PROTECT, False)
        return _Default(
            perspective=perspective,
            on_remove=OnRemove(on_remove) if isinstance(on_remove, str) else OnRemove.CLOSE,
            protect=protect is True,
        )

    def _deliveries(self, default: _Default, settings: Settings) -> list[Delivery]:
        found = [
            delivery
            for product, logs in self._mapping(DELIVERIES, _DELIVERIES_HINT).items()
            for delivery in self._product(product, logs, default)
        ]
        if settings.require_reason:
            for one in found:
                if one.state is State.CLOSED and not one.reason:
                    hint = "write {state: closed, reason: ...}"
                    self._note(path_of(one.key), "is closed without a reason", hint)
        return found

    def _tags(self) -> Iterator[tuple[str, str]]:
        for name, value in self._mapping(TAGS, _TAGS_HINT).items():
            path = (TAGS, name)
            if not _CODE.fullmatch(name):
                hint = "names are up to 128 letters, digits, _ . and -"
                self._note(path, f"{shown(name)} is no name of a tag", hint, at_key=True)
            if isinstance(text := self._parsed(path, value, TAG), str):
                yield name, text

    def _ignores(self) -> Iterator[Ignore]:
        for at, entry in enumerate(self._list(DRIFT_IGNORE, _IGNORE_HINT)):
            path = (DRIFT_IGNORE, str(at))
            if not isinstance(entry, dict):
                self._note(path, f"{shown(entry)} is no mapping", _IGNORE_HINT)
                continue
            self._check_entry_keys(path, entry, tuple(IGNORE_KINDS))
            for key in IGNORE_KINDS:
                if key not in entry:
                    hint = f"add it: {IGNORE_KINDS[key].words}"
                    self._note(path, f"the entry has no {key}", hint)
            parsed = {key: self._long(path, entry, key, kind) for key, kind in IGNORE_KINDS.items()}
            match parsed:
                case {"delivery": str(delivery), "reason": str(reason), "until": date() as until}:
                    yield Ignore(delivery=delivery, reason=reason, until=until)

    def _mapping(self, key: str, hint: str) -> Mapping[str, object]:
        """The mapping below a key; an empty one where there is none, or a faulty one."""
        value = self._structure(key, hint, "mapping")
        if value is None or isinstance(value, dict):
            return value or {}
        self._note((key,), f"{shown(value)} is no mapping", hint)
        return {}

    def _list(self, key: str, hint: str) -> Sequence[object]:
        """The list below a key; an empty one where there is none, or a faulty one."""
        value = self._structure(key, hint, "list")
        if value is None or isinstance(value, list):
            return value or []
        self._note((key,), f"{shown(value)} is no list", hint)
        return []

    def _structure(self, key: str, hint: str, what: str) -> object | None:
        """What stands below a key, if it is not text; None without one, and where it is faulty."""
        if key not in self._values:
            return None
        value = self._values[key]
        if value is None or value == "":
            empty = "{}" if what == "mapping" else "[]"
            self._note((key,), "has no value", f"{hint}; or write {empty}, or remove the line")
            return None
        return self._from_json(key, value, hint, what) if isinstance(value, str) else value

    def _from_json(self, key: str, text: str, hint: str, what: str) -> object | None:
        """What the engine made text of; None when the text is none, with the reason noted."""
        try:
            value: object = parsed(text, object_pairs_hook=_once, parse_constant=_refuse)
        except Unusable as fault:
            self._note((key,), fault.message, fault.hint or hint)
        except (ValueError, RecursionError):
            self._note((key,), f"{shown(text)} is no {what}", hint)
        else:
            if value is not None:
                return value
            self._note((key,), f"nothing is no {what}", hint)
        return None

    def _product(self, product: str, logs: object, default: _Default) -> Iterator[Delivery]:
        path = (DELIVERIES, product)
        self._check_code(path, product, "product", "products are named one by one")
        if not isinstance(logs, dict):
            # Never the advice to open everything: it may be a slip of the indentation.
            if owner := product_of(product):
                message = f"the log stands where a product belongs, and {owner} is its product"
                self._note(path, message, f"indent it, below {owner}:", at_key=True)
                return
            what = "the product has no logs" if logs is None else f"{shown(logs)} is no mapping"
            self._note(path, what, "list its logs below it, each with a state")
            return
        if not logs:
            self._note(path, "the product has no logs", "list its logs, or remove the product")
        if WHOLE_PRODUCT in logs and len(logs) > 1:
            message = f'"{WHOLE_PRODUCT}" stands for all logs and cannot be mixed with single ones'
            hint = "keep either"
            self._note((*path, WHOLE_PRODUCT), message, hint, at_key=True)
        for log, value in logs.items():
            yield self._log(product, log, value, default)

    def _log(self, product: str, log: str, value: object, default: _Default) -> Delivery:
        path = (DELIVERIES, product, log)
        if log != WHOLE_PRODUCT:
            self._check_code(path, log, "log", "")
        key = DeliveryKey(
            perspective=default.perspective,
            product=product,
            log=None if log == WHOLE_PRODUCT else log,
        )
        if isinstance(value, dict):
            return self._long_form(path, key, value, default)
        state = self._state(path, value)
        protect = default.protect and state is State.OPEN
        return Delivery(key=key, state=state, protect=protect, on_remove=default.on_remove)

    def _long_form(
        self, path: Keys, key: DeliveryKey, entry: Mapping[str, object], default: _Default
    ) -> Delivery:
        self._check_entry_keys(path, entry, LOG_KEYS)
        state = State.OPEN
        if "state" in entry:
            state = self._state((*path, "state"), entry["state"])
        else:
            self._note(path, "the entry has no state", f"add state: {STATES.words}", at_key=True)
        on_remove = self._long(path, entry, "onRemove", ON_REMOVES)
        protect = self._long(path, entry, "protect", Switch())
        reason = self._long(path, entry, "reason", REASON)
        implied = default.protect and state is State.OPEN
        if reason is not None and state is State.OPEN:
            hint = "a reason is for what is closed; remove it"
            self._note((*path, "reason"), "the entry is open", hint, at_key=True)
        if protect is True and state is State.CLOSED:
            hint = "protect is for what is open; remove it"
            self._note((*path, "protect"), "the entry is closed", hint, at_key=True)
        return Delivery(
            key=key,
            state=state,
            protect=protect if isinstance(protect, bool) else implied,
            on_remove=OnRemove(on_remove) if isinstance(on_remove, str) else default.on_remove,
            reason=reason if isinstance(reason, str) else "",
        )

    def _check_entry_keys(
        self, path: Keys, entry: Mapping[str, object], known: tuple[str, ...]
    ) -> None:
        for key in entry:
            if key not in known:
                near = closest(key, known)
                hint = f"did you mean {near}?" if near else f"known are {', '.join(known)}"
                self._note((*path, key), "there is no such key", hint, at_key=True)

    def _state(self, path: Keys, value: object) -> State:
        """The state; some state where there is a fault, which is noted."""
        if isinstance(value, str) and value in _STATES:
            return _STATES[value]
        if value is None or value == "":
            self._note(path, "has no state", f"write {STATES.words}")
        elif isinstance(value, dict | list):
            self._note(path, f"{shown(value)} is no state", f"write {STATES.words}")
        else:
            word = value if isinstance(value, str) else shown(value)
            self._note(path, f"{shown(value)} is no state", STATES.hint(word))
        return State.OPEN

    def _long(self, path: Keys, entry: Mapping[str, object], key: str, kind: Kind) -> object:
        """One of the keys of an entry's long form; None when it has none or a faulty one."""
        return self._parsed((*path, key), entry[key], kind) if key in entry else None

    def _check_code(self, path: Keys, code: str, what: str, whole: str) -> None:
        if _CODE.fullmatch(code):
            return
        if code == WHOLE_PRODUCT:
            message, hint = f'"{code}" is no {what} code', whole
        elif not code.strip():
            message, hint = f"the {what} code is empty", "write its code, or remove the entry"
        else:
            message = f"{shown(code)} is no {what} code"
            hint = _odd_character(code) or "codes are up to 128 letters, digits, _ . and -"
        self._note(path, message, hint, at_key=True)

    # --- single values ----------------------------------------------------------------------------

    def _required(self, key: str, what: str) -> object | None:
        if key in self._values:
            return self._parsed((key,), self._values[key], KINDS[key])
        self._note((key,), "is missing", f"add it: {what}")
        return None

    def _optional(self, key: str, default: object) -> object | None:
        """The value, or the default when there is none; None when it is faulty."""
        if key in self._values:
            return self._parsed((key,), self._values[key], KINDS[key])
        return default

    def _parsed(self, path: Keys, value: object, kind: Kind) -> object | None:
        try:
            return kind.parse(text_of(value, kind))
        except Unusable as fault:
            self._note(path, fault.message, fault.hint)
            return None

    # --- reasons ----------------------------------------------------------------------------------

    def _note(self, path: Keys, message: str, hint: str, *, at_key: bool = False) -> None:
        place = self._place(path, at_key=at_key)
        self._add(message, tuple(key_shown(key) for key in path), place, hint)

    def _add(self, message: str, path: Keys, place: Place | None, hint: str) -> None:
        self._reasons.append(Reason(message=message, path=path, place=place, hint=hint))

    def _place(self, path: Keys, *, at_key: bool = False) -> Place | None:
        return _place_at(self._places, path, self._file, at_key=at_key)


@dataclass(frozen=True, kw_only=True)
class _Default:
    """What holds for every entry that does not say it for itself."""

    perspective: Perspective
    protect: bool
    on_remove: OnRemove


_NOBODY = Perspective(account="", region=Region.CN_HANGZHOU)
"""Stands in while the stack's own keys have faults; it never leaves this module."""
_STATES = {one.value: one for one in DECLARABLE}
_DELIVERIES_HINT = "list products below it, and below each its logs"
_TAGS_HINT = "list names and values below it"
_IGNORE_HINT = f"list entries {{{', '.join(f'{key}: ...' for key in IGNORE_KINDS)}}} below it"


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """A JSON object; ``json`` alone would let the last of two equal keys win."""
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise Unusable(f"{shown(key)} is there twice", "remove one of them")
        found[key] = value
    return found


def _odd_character(code: str) -> str:
    """The name of a letter that only looks like one of the alphabet of codes; else empty."""
    odd = next((char for char in code if char.isalpha() and not char.isascii()), "")
    return f"{odd} is U+{ord(odd):04X} {unicodedata.name(odd, 'without a name')}" if odd else ""


def _refuse(constant: str) -> object:
    raise Unusable(f"{constant} is no value")


def path_of(key: DeliveryKey) -> Keys:
    """The keys that lead to the entry of a delivery."""
    return (DELIVERIES, key.product, key.log_word)


def _place_at(
    places: Mapping[Keys, Place], path: Keys, file: str, *, at_key: bool = False
) -> Place | None:
    """The place of a value, or of the nearest thing around it; None without a file."""
    for end in range(len(path), -1, -1):
        if (near := path[:end]) in places:
            key_wanted = at_key and end == len(path)
            return places.key(near) if key_wanted and isinstance(places, Places) else places[near]
    return Place(file=file) if file else None
