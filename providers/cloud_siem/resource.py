"""What a Pulumi program declares: one delivery, or all of an account behind its two bookends.

Called by ``__main__.py`` and by other people's programs. The type tokens, the resources' names and
the import paths of the providers' classes are part of every state file; a test pins them, since
changing one of them closes and opens deliveries unless it is aliased.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from weakref import WeakKeyDictionary

import pulumi
from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import Resource

from cloud_siem import loading, program, properties
from cloud_siem.codes import Code
from cloud_siem.engine_text import handed_config, speak_utf8
from cloud_siem.errors import StackError
from cloud_siem.model import Delivery, OnRemove, State
from cloud_siem.project import Project
from cloud_siem.properties import GateBag
from cloud_siem.provider import GateProvider, LogDeliveryProvider, SettledProvider
from cloud_siem.settings import PREFIX
from cloud_siem.stack import Stack

_MODULE = "cloud-siem"


class LogDelivery(Resource, module=_MODULE, name="LogDelivery"):
    """One log delivery: whether one log, or every log of a product, flows into the SIEM Logstore.

    Removing it from the program closes the delivery, unless ``on_remove`` is ``keep``. By itself it
    has no gate: to be guarded against closing more than was meant, declare deliveries through
    ``AccountDeliveries``.

    Outputs, besides the inputs:

    - ``project``, ``logstore``: where in Simple Log Service the log flows.
    - ``topic``: of the log's entries there; empty where a whole product has several.
    - ``adopted``: whether the delivery was already so before this stack had it.
    - ``request_id``: of the last write that changed it; empty when this stack never wrote it.
    """

    if TYPE_CHECKING:  # Pulumi's SDK would evaluate these anew for each resource; it needs none
        account: Output[str]
        region: Output[str]
        view: Output[str]
        member: Output[str | None]
        product: Output[str]
        log: Output[str]
        state: Output[str]
        reason: Output[str | None]
        project: Output[str]
        logstore: Output[str]
        topic: Output[str]
        adopted: Output[bool]
        request_id: Output[str]

    def __init__(  # noqa: PLR0913 - the inputs are one flat bag, as the engine shows it
        self,
        resource_name: str,
        *,
        account: Input[str],
        region: Input[str],
        product: Input[str],
        log: Input[str],
        state: Input[Literal["open", "closed"]] = "open",
        reason: Input[str] | None = None,
        view: Input[Literal["account", "enterprise"]] = "account",
        member: Input[str] | None = None,
        protect: bool = False,
        on_remove: Literal["close", "keep"] = "close",
        guarded: bool = False,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Declare a delivery.

        Args:
            resource_name: Unique in the program, e.g. ``sas/cloud_siem_aegis_proc``.
            account: The id of the account whose credentials are used.
            region: ``cn-hangzhou`` or ``ap-southeast-1``, by where the assets are.
            product: The product code, e.g. ``sas``.
            log: The log code, or ``*`` for every log of the product.
            state: ``open`` or ``closed``.
            reason: Why it is closed, in one line; required where ``requireReason`` is set.
            view: ``account`` or ``enterprise``.
            member: The id of the member account that is managed through its administrator.
            protect: Refuse to close it until this flag was taken off in an update of its own.
            on_remove: ``close`` or ``keep``: what removing it from the program does.
            guarded: Set by ``AccountDeliveries``, for the deliveries that its gate guards.
            opts: As for any resource.

        Raises:
            pulumi.RunError: The same program declares this delivery already, or ``on_remove`` is
                not one of the two words.
        """
        if on_remove not in _ON_REMOVE:
            words = " or ".join(_ON_REMOVE)
            raise pulumi.RunError(f"{resource_name}: on_remove is {on_remove!r}: write {words}")
        inputs: dict[str, Any] = {
            "account": account,
            "region": region,
            "view": view,
            "member": member,
            "product": product,
            "log": log,
            "state": state,
            "reason": reason,
            "protect": protect or None,
            "stack": pulumi.get_stack(),
            "guarded": guarded or None,
        }
        _refuse_twice(resource_name, inputs)
        own = ResourceOptions(
            protect=protect or None,
            retain_on_delete=OnRemove(on_remove) is OnRemove.KEEP or None,
            # The delete, which knows what is recorded, is asked before the create.
            delete_before_replace=True,
        )
        outputs = dict.fromkeys(properties.OUTPUT_FIELDS)
        super().__init__(
            LogDeliveryProvider(), resource_name, inputs | outputs, ResourceOptions.merge(own, opts)
        )
        _refuse_own_process(self, resource_name)


class _Gate(Resource, module=_MODULE, name="Gate"):
    """The first bookend: all deliveries depend on it, so it sees the whole before anything runs."""


class _Settled(Resource, module=_MODULE, name="Settled"):
    """The last bookend: it depends on all deliveries, and looks whether the account shows them."""


class AccountDeliveries(pulumi.ComponentResource):
    """All deliveries that a stack file declares, between a gate and a settled bookend."""

    deliveries: Mapping[str, LogDelivery]
    """By name, e.g. ``sas/cloud_siem_aegis_proc``; a whole product is just ``waf``."""

    def __init__(
        self, name: str, declared: Stack, *, prefix: str = "", opts: ResourceOptions | None = None
    ) -> None:
        """Declare what a stack file declares.

        Args:
            name: Unique in the program.
            declared: From ``load_stack``.
            prefix: Before the name of each child; needed by the second one in a program.
            opts: As for any component.
        """
        super().__init__("cloud-siem:index:AccountDeliveries", name, {}, opts)
        self._prefix = prefix
        self._stack = declared
        root = pulumi.runtime.get_root_resource()
        self._components = _components.setdefault(root, []) if root else []
        self._components.append(self)
        gate = self._gate()
        # In this frame, and in no function below it: the state file has the stack of each.
        deliveries: dict[str, LogDelivery] = {}
        for one in declared.deliveries:
            child, inputs = f"{prefix}{one.key.name}", _inputs_of(one)
            deliveries[one.key.name] = LogDelivery(child, **inputs, opts=self._child(gate))
        self.deliveries = deliveries
        self._settled(gate)
        self.register_outputs({program.OUTPUT: program.digest_of(program.files_of(Path.cwd()))})

    def _gate(self) -> _Gate:
        bag = GateBag(
            perspective=self._stack.perspective,
            stack=pulumi.get_stack(),
            deliveries=self._stack.deliveries,
            on_remove=self._stack.on_remove,
            tags=self._stack.tags,
        )
        # Its delete tells the rest of the run that deliveries were recorded before it.
        options = ResourceOptions.merge(self._child(), ResourceOptions(delete_before_replace=True))
        name = f"{self._prefix}gate"
        beside: Output[Any] = Output.from_input(self._beside())
        more = {properties.CLOSING: None, properties.BESIDE: beside}
        gate = _Gate(GateProvider(), name, bag.write() | more, options)
        _refuse_own_process(gate, name)
        return gate

    async def _beside(self) -> Any:
        """What the other components of the program declare open in the same account.

        Awaited when the program has come to its end, so that all of them are known: a gate must
        know them also where ``--target`` hides them.
        """
        mine = self._stack.perspective
        others = [other._stack for other in self._components if other is not self]  # noqa: SLF001
        return [
            one.key.id
            for stack in others
            if (stack.perspective.owner, stack.perspective.region) == (mine.owner, mine.region)
            for one in stack.deliveries
            if one.state is State.OPEN
        ] or None

    def _settled(self, gate: _Gate) -> _Settled:
        entries = [one.key.entry for one in self._stack.deliveries]
        # By these values it depends on all the others. Plain dicts: `Output.all` and `apply` make
        # tasks of the program for each value, and tasks are most of what a program costs.
        bag = properties.perspective_bag(self._stack.perspective) | {
            "stack": pulumi.get_stack(),
            "deliveries": {entry: getattr(gate, entry) for entry in entries},
            "written": {name: one.request_id for name, one in self.deliveries.items()},
            properties.CLOSING: getattr(gate, properties.CLOSING),
        }
        return _Settled(SettledProvider(), f"{self._prefix}settled", bag, self._child(gate))

    def _child(self, *after: Resource) -> ResourceOptions:
        return ResourceOptions(parent=self, depends_on=list(after))


def _inputs_of(one: Delivery) -> dict[str, Any]:
    """The arguments of the `LogDelivery` that a stack declares."""
    return {
        **properties.perspective_bag(one.key.perspective),
        "product": one.key.product,
        "log": one.key.log_word,
        "state": one.state.value,
        "reason": one.reason or None,
        "protect": one.protect,
        "on_remove": one.on_remove.value,
        "guarded": True,
    }


def load_stack(file: str | Path | None = None) -> Stack:
    """Read what the stack that Pulumi is running declares.

    From its config and the ``CLOUD_SIEM_*`` environment variables, or from a stack file in another
    place, for a program that declares several accounts. Such a file has no settings: those hold for
    the whole run, and are those of the running stack's own config.

    Args:
        file: A stack file, relative to the working directory.

    Raises:
        pulumi.RunError: With every reason, and where in the stack file each stands; the engine
            shows it without a traceback.
    """
    speak_utf8()
    name = pulumi.get_stack()
    try:
        if file is not None:
            return loading.load_declaration(file, os.environ)
        return loading.load_stack(_config(), name=name, file=_stack_file(name), environ=os.environ)
    except StackError as error:
        raise pulumi.RunError(f"stack {file or name} cannot be used:\n{error}") from None


def _config() -> dict[str, object]:
    """Our part of the stack's config, by whole key; structured values are JSON texts."""
    config = pulumi.runtime.config
    values = handed_config(config.get_config_env(), config.CONFIG.get())
    return {key: value for key, value in values.items() if key.startswith(PREFIX)}


def _stack_file(name: str) -> str:
    """The stack's file in the project that runs; empty when there is no such file."""
    path = Project.find(Path()).stack_file(name)
    return str(path) if path.is_file() else ""


def _refuse_own_process(resource: Resource, name: str) -> None:
    """Refuse a provider instance: its process would know nothing of what the others declare."""
    if resource._provider is not None:  # noqa: SLF001 - the SDK has no public way to ask
        raise pulumi.RunError(
            f"{name} has an explicit provider ({resource._provider._name}), which is a process of"  # noqa: SLF001
            " its own: guardrails compare everything that one program declares in one process."
            f" Remove the provider from the options of {name} and of its parents."
            f" {Code.EXPLICIT_PROVIDER}"
        )


_ON_REMOVE = tuple(one.value for one in OnRemove)
_components: WeakKeyDictionary[pulumi.Resource, list[AccountDeliveries]] = WeakKeyDictionary()
"""By the root resource, which each run of a program has its own of."""


_declared: WeakKeyDictionary[pulumi.Resource, dict[tuple[object, ...], str]] = WeakKeyDictionary()
"""By the root resource, which each run of a program has its own of: who has which key."""


def _refuse_twice(name: str, inputs: Mapping[str, object]) -> None:
    """Refuse a second resource for one delivery: each would undo what the other declares.

    Keys with values that come from other resources are left to the engine's run: their texts are
    not known here.
    """
    root = pulumi.runtime.get_root_resource()
    key = tuple(inputs.get(field) for field in properties.KEY_FIELDS)
    if root is None or any(isinstance(part, Output) for part in key):
        return
    first = _declared.setdefault(root, {}).setdefault(key, name)
    if first != name:
        raise pulumi.RunError(
            f"{first} and {name} declare the same delivery: "
            f"{inputs['product']}/{inputs['log']} of account {inputs['account']}."
            " Keep one of them."
        )
