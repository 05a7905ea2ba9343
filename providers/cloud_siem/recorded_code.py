"""The code that a state names, and that the engine runs with the credentials before any program.

A dynamic resource's provider is recorded as a pickle (``__provider``). Who may write the state can
put another one there; a refresh or a destroy runs it. So commands of ours that start the engine,
and ``cloud-siem check-state`` in the pipelines, compare it first. Pure, and nothing is unpickled.
"""

from __future__ import annotations

import base64
import binascii
import pickletools
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from cloud_siem.codes import Code
from cloud_siem.errors import Refusal, RefusedError
from cloud_siem.wording import printable

OTHER_TYPES = "CLOUD_SIEM_OTHER_PROVIDERS"
"""The environment variable with the types of other dynamic resources that a person trusts."""
_PROPERTY = "__provider"
OUR_TYPE = re.compile(r"pulumi-python:(?:[^:]*/)?cloud-siem:(Gate|LogDelivery|Settled)")
"""The types of our resources; the group is the kind."""
_MODULE = "cloud_siem.provider"
_HARMLESS = {
    *("PROTO", "FRAME", "SHORT_BINUNICODE", "BINUNICODE", "MEMOIZE", "BINPUT"),
    *("STACK_GLOBAL", "EMPTY_TUPLE", "NEWOBJ", "STOP"),
}
"""With these a pickle can name a class and make an instance without arguments, and no more."""


def foreign(
    resources: Iterable[Mapping[str, Any]], *, allowed: Collection[str] = ()
) -> Iterator[str]:
    """The URNs of recorded resources whose code is not that of this package.

    Args:
        resources: As ``pulumi stack export`` has them.
        allowed: Other types that are not compared.
    """
    for resource in resources:
        type_ = str(resource.get("type", ""))
        kind = OUR_TYPE.fullmatch(type_)
        if type_ in allowed:
            continue
        for side in ("inputs", "outputs"):
            values = resource.get(side)
            code = values.get(_PROPERTY) if isinstance(values, Mapping) else None
            if code is not None and not (kind and _is_class(code, f"{kind[1]}Provider")):
                yield str(resource.get("urn", type_))
                break


def allowed_in(environ: Mapping[str, str]) -> frozenset[str]:
    """The types that a person has named."""
    return frozenset(filter(None, environ.get(OTHER_TYPES, "").split(",")))


def require_own(
    resources: Iterable[Mapping[str, Any]], stack: str = "", *, allowed: Collection[str] = ()
) -> None:
    """Refuse a state that names other code than ours.

    :raises RefusedError: with every such resource.
    """
    names = tuple(map(printable, foreign(resources, allowed=allowed)))
    if names:
        refusal = Refusal(
            code=Code.FOREIGN_PROVIDER,
            message=f"the recorded state{f' of stack {stack}' if stack else ''} names code that is"
            " not part of pulumi-cloud-siem. Pulumi would run it with the credentials of this run.",
            state="Nothing was run.",
            listed=names,
            remedy="Find out who wrote the state, and restore an earlier one (`pulumi stack"
            " history`, the versions of the bucket). If they are other dynamic resources of your"
            f" program, name their types in {OTHER_TYPES}.",
        )
        raise RefusedError(refusal)


def _is_class(code: object, name: str) -> bool:
    """Whether a recorded provider is an instance of one of our classes and nothing else."""
    if not isinstance(code, str):
        return False  # a secret, for example: it cannot be looked at
    try:
        operations = [*pickletools.genops(base64.b64decode(code, validate=True))]
    except (ValueError, binascii.Error):
        return False
    words = [value for operation, value, _ in operations if "UNICODE" in operation.name]
    return words == [_MODULE, name] and all(one.name in _HARMLESS for one, _, _ in operations)
