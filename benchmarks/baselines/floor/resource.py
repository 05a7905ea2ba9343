"""A dynamic resource whose provider does nothing, in a module of its own.

The provider is what one that costs the engine least looks like: importable, so that the state has
its path and not its code; without instance state; with no verb of its own where the engine's
default will do. Inputs and outputs have the shape and about the length of a `LogDelivery`'s.
"""

from __future__ import annotations

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, ReadResult, Resource, ResourceProvider, UpdateResult

OUTPUTS = {
    "project": "aliyun-cloudsiem-data-1000000000000001-cn-hangzhou",
    "logstore": "cloud-siem",
    "topic": "made_up_001_log_001",
    "adopted": False,
    "request_id": "15FD134E-D69B-51E8-B052-73F97BD80000",
}


class FloorProvider(ResourceProvider):
    """Answers what it was told."""

    serialize_as_secret_always = False

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(f"{props.get('product')}/{props.get('log')}", {**props, **OUTPUTS})

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult({**_news, **OUTPUTS})

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        inputs = {name: props[name] for name in props if name not in OUTPUTS}
        return ReadResult(id_, props, inputs)


class Floor(Resource, module="cloud-siem", name="FloorItem01"):
    """One resource; its type is as long as `LogDelivery`'s."""

    state: pulumi.Output[str]
    request_id: pulumi.Output[str]

    def __init__(
        self, name: str, inputs: dict[str, Any], opts: pulumi.ResourceOptions | None = None
    ) -> None:
        outputs = dict.fromkeys(OUTPUTS)
        super().__init__(FloorProvider(), name, {**inputs, **outputs}, opts)


def declared() -> dict[str, dict[str, str]]:
    """The stack file's deliveries, without any rule."""
    deliveries: dict[str, dict[str, str]] = pulumi.Config("cloud-siem").require_object("deliveries")
    return deliveries


def inputs_of(product: str, log: str, state: str) -> dict[str, Any]:
    """What a `LogDelivery` of the stack has as inputs."""
    config = pulumi.Config("cloud-siem")
    return {
        "account": config.require("account"),
        "region": config.require("region"),
        "view": "account",
        "member": None,
        "product": product,
        "log": log,
        "state": state,
        "protect": None,
        "stack": pulumi.get_stack(),
        "guarded": True,
    }
