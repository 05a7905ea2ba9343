"""Stack files and config -> ``Stack``: one of them, or many and what must hold across them.

``load_stack`` is for a program that the engine runs, ``load_stack_file`` for commands that work
without the engine, ``load_files`` and ``check_files`` for many files.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from cloud_siem.errors import Place, Reason, StackError
from cloud_siem.jsontext import parsed
from cloud_siem.keys import KNOWN_KEYS, OWN_KEYS
from cloud_siem.model import DeliveryKey, Region
from cloud_siem.places import Keys
from cloud_siem.project import (
    SUFFIX,
    Project,
    file_name_of,
    identity_of,
    is_project_file,
    stack_of,
)
from cloud_siem.settings import PREFIX
from cloud_siem.stack import Stack, build_stack, path_of
from cloud_siem.stackfile import StackFile, read_stack_file, read_stack_text
from cloud_siem.wording import key_shown


def load_stack(
    values: Mapping[str, object], *, name: str, file: str, environ: Mapping[str, str]
) -> Stack:
    """The stack of a program that the engine runs, from the config that the engine handed over.

    The file is read only to say where a fault is, and to refuse text that the engine took for
    something else than what a person reads; without it, faults are told without a place. A file
    that says other things than the engine handed over is not the one that the engine read, as with
    ``--config-file``: it has nothing to do with this run. Keys that the engine takes for ours under
    another spelling are refused first: of two spellings it picks one at random.
    """
    project = Project.find(Path(file).parent if file else Path())
    read = read_stack_file(file) if file and Path(file).is_file() else None
    misspelled = [*project_faults(project), *(_bare_keys(read, project) if read else ())]
    if misspelled:
        raise StackError(misspelled)
    if read is None or not read.whole:  # the engine has read something else; its values count
        return build_stack(values, name=name, file=file, environ=environ)
    if not _is_source(read, values):
        return build_stack(values, name=name, environ=environ)
    return _built(read, name, environ, values=values)


def _is_source(read: StackFile, values: Mapping[str, object]) -> bool:
    """Whether the engine may have its values from this file; where that is not known, it may.

    It may have more than the file: Pulumi.yaml has defaults.
    """
    uncertain = {*read.unquoted, *read.faulty}
    return all(
        _may_be((key,), value, values.get(key, _ABSENT), uncertain)
        for key, value in read.values.items()
    )


_ABSENT = object()


def _structure_of(value: object) -> object:
    """What the engine made a JSON text of; the value itself where it is no such text."""
    try:
        return parsed(value) if isinstance(value, str) else value
    except (ValueError, RecursionError):
        return value


def _may_be(keys: Keys, ours: object, engines: object, uncertain: Collection[Keys]) -> bool:
    """Whether two readers of one text may have read these values there."""
    if keys in uncertain or (isinstance(ours, dict) and list(ours) == ["secure"]):
        return True
    if len(keys) == 1 and isinstance(ours, dict | list):
        engines = _structure_of(engines)
    match ours, engines:
        case dict(), dict():
            inner = {one for one in uncertain if one[: len(keys)] == keys}
            return (ours.keys() == engines.keys() or bool(inner)) and all(
                _may_be((*keys, name), ours[name], engines.get(name, _ABSENT), inner)
                for name in ours
            )
        case list(), list():
            return len(ours) == len(engines) and all(
                _may_be((*keys, str(at)), *pair, uncertain)
                for at, pair in enumerate(zip(ours, engines, strict=True))
            )
        case str(), str():
            return ours == engines
        case (dict() | list(), _) | (_, dict() | list()):
            return False
        case _:
            return engines is not _ABSENT  # numbers and switches: each reader has its own form


def load_stack_file(
    path: str | Path, environ: Mapping[str, str], given: Mapping[str, object] | None = None
) -> Stack:
    """The stack of a file, read without the engine.

    ``given`` stands for keys that the file does not have, by whole key.
    """
    project = Project.find(Path(path).parent)
    return _loaded(read_stack_file(path), environ, given or {}, project_faults(project))


def load_declaration(path: str | Path, environ: Mapping[str, str]) -> Stack:
    """The stack of a file that is not the running stack's own, for a program.

    Settings in it would be lost: the provider has those of the running stack.

    :raises StackError: with a reason for each setting, too.
    """
    stack = load_stack_file(path, environ)
    reasons = [
        Reason(
            message="a setting holds for the whole run, and this is not the running stack's file",
            path=(key,),
            place=stack.key_place((key,)),
            hint="move it into the running stack's config",
        )
        for key in stack.given
    ]
    if reasons:
        raise StackError(reasons)
    return stack


def load_stack_text(data: bytes, file: str, environ: Mapping[str, str]) -> Stack:
    """The stack of a file whose bytes were read already; ``file`` is what its places name.

    The project file is not looked at: the bytes may come from another machine.
    """
    return _loaded(read_stack_text(data, file), environ, {})


def _loaded(
    read: StackFile,
    environ: Mapping[str, str],
    given: Mapping[str, object],
    project_reasons: Iterable[Reason] = (),
) -> Stack:
    name = stack_of(read.path) or "unnamed"
    more = (*project_reasons, *read.engine_only, *_name_faults(read))
    return _built(read, name, environ, given=given, more=more)


def load_files(
    paths: Iterable[str | Path], environ: Mapping[str, str]
) -> tuple[tuple[Stack, ...], tuple[Reason, ...]]:
    """The stacks of these files that are sound, by file, and the reasons of all others, sorted.

    Two files are two stacks when their names differ, also where one is a link to the other.
    """
    stacks: list[Stack] = []
    reasons: set[Reason] = set()
    by_file = {identity_of(path): path for path in sorted(map(str, paths), reverse=True)}
    by_folder: dict[Path, tuple[Reason, ...]] = {}
    for path in sorted(by_file.values()):
        folder = Path(path).parent
        if folder not in by_folder:
            by_folder[folder] = tuple(project_faults(Project.find(folder)))
        try:
            stacks.append(_loaded(read_stack_file(path), environ, {}, by_folder[folder]))
        except StackError as error:
            reasons.update(error.reasons)
    reasons.update(overlaps(stacks))
    return tuple(stacks), tuple(sorted(reasons, key=lambda one: one.order))


def faults_by_file(
    files: Iterable[str | Path], stacks: Iterable[Stack], reasons: Iterable[Reason]
) -> dict[Path, tuple[Reason, ...]]:
    """Of what ``load_files`` returned, the reasons why each file cannot be used, by its identity.

    For a file that gave no stack, those of the environment and of the project file count as well.
    """
    own: dict[str, list[Reason]] = {}
    common: list[Reason] = []
    for reason in reasons:
        if reason.place is None or is_project_file(reason.place.file):
            common.append(reason)
        else:
            own.setdefault(reason.place.file, []).append(reason)
    by_file = {identity_of(file): tuple(found) for file, found in own.items()}
    sound = {identity_of(stack.file) for stack in stacks}
    return {
        file: (*by_file.get(file, ()), *(() if file in sound else common))
        for file in map(identity_of, files)
    }


def check_files(paths: Iterable[str | Path], environ: Mapping[str, str]) -> tuple[Reason, ...]:
    """Every reason why these files, one by one or together, cannot be used."""
    return load_files(paths, environ)[1]


def overlaps(stacks: Sequence[Stack]) -> Iterator[Reason]:
    """A log under two stacks: removing it from one would blind the other.

    Each entry is told once, with the first other entry that it overlaps. Entries are found by what
    they switch, as ``DeliveryKey.overlaps`` compares them: of one product, a stack has either the
    whole or single logs, each once.
    """
    seen: dict[tuple[str, Region, str], dict[str | None, tuple[Stack, DeliveryKey]]] = {}
    for stack in stacks:
        for delivery in stack.deliveries:
            key = delivery.key
            owner, region, product, log = key.switch
            same_product = seen.setdefault((owner, region, product), {})
            if log is None:
                other = next(iter(same_product.values()), None)
            else:
                other = same_product.get(None) or same_product.get(log)
            if other:
                yield _overlap(stack, key, *other)
            same_product.setdefault(log, (stack, key))


def _overlap(stack: Stack, key: DeliveryKey, other: Stack, others: DeliveryKey) -> Reason:
    return Reason(
        message=f"{others.name} is declared by stack {other.name} too, at {other.place_of(others)}",
        path=tuple(key_shown(one) for one in path_of(key)),
        place=stack.place_of(key),
        hint="keep it in one stack: removing it from one would blind the other",
    )


def _built(
    read: StackFile,
    name: str,
    environ: Mapping[str, str],
    *,
    values: Mapping[str, object] | None = None,
    given: Mapping[str, object] = MappingProxyType({}),
    more: Iterable[Reason] = (),
) -> Stack:
    """Build the stack of a file; where both its text and its values have a fault, one is told.

    A fault of the text goes first, save that quotes do not help ``state: on``: what the file's own
    value should be instead is then the better advice.
    """
    faults = [*read.faults, *more]
    unquoted = dict(read.unquoted)
    if not read.whole:
        raise StackError([*faults, *unquoted.values()])
    if values is None:
        faults += _too_large(read)
    bare = [] if values is not None else [*_bare_keys(read)]
    faults += bare
    try:
        stack = build_stack(
            {**given, **read.values} if values is None else values,
            read.places,
            name=name,
            file=read.path,
            environ=environ,
        )
    except StackError as error:
        known = {tuple(key_shown(key) for key in keys) for keys in read.faulty}
        known |= {(PREFIX + one.path[0],) for one in bare}
        wrong = [one for one in error.reasons if not _within(one.path, known)]
        if values is None:
            paths = {one.path for one in wrong}
            unquoted = {keys: one for keys, one in unquoted.items() if one.path not in paths}
        else:
            known = {one.path for one in unquoted.values()}
            wrong = [one for one in wrong if one.path not in known]
        faults += wrong
    if faults or unquoted:
        raise StackError([*faults, *unquoted.values()])
    return stack


def _within(path: Keys, faulty: set[Keys]) -> bool:
    return any(path[:end] in faulty for end in range(1, len(path) + 1))


def _bare_keys(read: StackFile, project: Project | None = None) -> Iterator[Reason]:
    """Keys without a namespace that stand where ours should.

    In a project of our name the engine takes all of them for ours, in any other they are that
    project's.
    """
    if not read.bare:
        return
    project = project or Project.find(Path(read.path).parent)
    for key, place in read.bare.items():
        whole = PREFIX + key
        if whole in read.values:
            message, hint = f"the engine takes this for a second {whole}", "remove one of them"
        elif whole in (KNOWN_KEYS if project.is_ours(key) else OWN_KEYS):
            message, hint = "the key has no namespace", f"write {whole}"
        else:
            message = f"the engine takes this for {whole}, which is no key of ours"
            hint = "remove it, or give it the namespace that it belongs to"
        if project.is_ours(key) or (whole in OWN_KEYS and whole not in read.values):
            yield Reason(message=message, path=(key,), place=place, hint=hint)


MAX_HANDED = 128 * 1024
"""Bytes of one environment variable, its name and the end included (Linux, MAX_ARG_STRLEN)."""


def config_size(read: StackFile) -> int:
    """The bytes of a file's config as the engine hands it to a program."""
    handed = {
        key: value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
        for key, value in read.values.items()
    }
    text = json.dumps(handed, ensure_ascii=False, separators=(",", ":"))
    return len(f"PULUMI_CONFIG={text}".encode()) + 1


def _too_large(read: StackFile) -> Iterator[Reason]:
    """More config than that: the engine fails with "argument list too long"."""
    if (size := config_size(read)) > MAX_HANDED:
        yield Reason(
            message=f"the config has {size} bytes as the engine hands it to a program, and"
            f" {MAX_HANDED} are the most",
            place=Place(file=read.path),
            hint="split the stack",
        )


def project_faults(project: Project) -> Iterator[Reason]:
    """Keys of ours under ``config:`` of the project file, which the engine gives to every stack.

    A stack file alone says what its stack declares: reviewers, and commands that judge one file,
    would else see less than what counts.
    """
    for key in filter(project.is_ours, project.config):
        yield Reason(
            message=f"the project file sets it for every stack, unseen in {project.pattern}",
            path=("config", key_shown(key)),
            place=project.place_of_config(key),
            hint="move it into each stack file",
        )


def _name_faults(read: StackFile) -> Iterator[Reason]:
    path = Path(read.path)
    if not stack_of(path) or path.suffix != _suffix_for(path):
        message, hint = explain_name(path)
        yield Reason(message=message, place=Place(file=read.path), hint=hint)


def explain_name(path: str | Path) -> tuple[str, str]:
    """Say why a file's name is not that of a stack file, and what to do."""
    if Path(path).name.startswith("Pulumi.-"):
        return (
            "a stack's name must not begin with a hyphen: commands would take it for an option",
            "rename the stack with `pulumi stack rename`, which renames the file",
        )
    return (
        "the file's name is not that of a stack file",
        f"the engine reads {file_name_of('<stack>', _suffix_for(Path(path)))} alone",
    )


def _suffix_for(path: Path) -> str:
    """The extension that a stack file in this folder has; looked up only for unusual ones."""
    return SUFFIX if path.suffix == SUFFIX else Project.find(path.parent).suffix
