"""The folder of a Pulumi project: its ``Pulumi.yaml`` and the stack files of the harness."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cloud_siem.model import Delivery, OnRemove, View
from tests.resources import PROJECT, Config, Program


@dataclass(frozen=True)
class ProjectFolder:
    """One project; each of its stacks has a file in ``stacks/``."""

    path: Path

    def file(self, stack: str) -> Path:
        return self._stacks / f"Pulumi.{stack}.yaml"

    def declare(self, program: Program, config: Config) -> None:
        """Write the stack file that declares what the program declares."""
        file, text = self.file(program.stack), _text(config_of(program, config))
        if not file.exists() or file.read_text() != text:
            file.write_text(text)

    @cached_property
    def _stacks(self) -> Path:
        assert self.path != Path("/"), "a project in the root would be found by every other test"
        stacks = self.path / "stacks"
        stacks.mkdir(parents=True, exist_ok=True)
        project = self.path / "Pulumi.yaml"
        if not project.exists():
            project.write_text(f"name: {PROJECT}\nruntime: python\nstackConfigDir: stacks\n")
        return stacks


def config_of(program: Program, config: Config) -> Config:
    """The config that the engine hands to the provider: structured values as JSON texts."""
    perspective = program.perspective
    keys: dict[str, object] = {"account": perspective.account, "region": perspective.region.value}
    if perspective.view is not View.ACCOUNT:
        keys["view"] = perspective.view.value
    if perspective.member:
        keys["member"] = perspective.member
    if program.on_remove is OnRemove.KEEP:
        keys["onRemove"] = OnRemove.KEEP.value
    products: dict[str, dict[str, object]] = {}
    for delivery in program.deliveries:
        products.setdefault(delivery.key.product, {})[delivery.key.log_word] = _entry(
            delivery, program.on_remove
        )
    keys["deliveries"] = json.dumps(products)
    return {f"{PROJECT}:{key}": value for key, value in keys.items()} | dict(config)


def _entry(delivery: Delivery, default: OnRemove) -> object:
    entry: dict[str, object] = {"state": delivery.state.value}
    if delivery.protect:
        entry["protect"] = True
    if delivery.on_remove is not default:
        entry["onRemove"] = delivery.on_remove.value
    if delivery.reason:
        entry["reason"] = delivery.reason
    return entry if len(entry) > 1 else delivery.state.value


def _text(config: Config) -> str:
    """The stack file in YAML; JSON is a part of YAML."""
    lines = ["config:"]
    for key, value in config.items():
        structured = key == f"{PROJECT}:deliveries"
        lines.append(f"  {key}: {value if structured else json.dumps(value)}")
    return "\n".join(lines) + "\n"
