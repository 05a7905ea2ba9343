"""The policies as Pulumi knows them; the only module here that knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pulumi
from pulumi_policy import (
    EnforcementLevel,
    PolicyConfigSchema,
    PolicyPack,
    ReportViolation,
    ResourceValidationArgs,
    ResourceValidationPolicy,
    StackValidationArgs,
    StackValidationPolicy,
)

from cloud_siem_policies import config, declared, rules
from cloud_siem_policies.config import Config
from cloud_siem_policies.declared import Gate, Perspective, Shown

Judge = Callable[[Shown | None, rules.Gates, Config], Iterator[str]]


def serve() -> None:
    """Serve the engine until it ends the process."""
    by = _Run().by
    PolicyPack(
        name="cloud-siem",
        enforcement_level=EnforcementLevel.MANDATORY,
        policies=[
            ResourceValidationPolicy(
                name="mandatory-logs",
                description="Logs that detection depends on are declared open.",
                validate=by(_rules(rules.missing)),
                config_schema=PolicyConfigSchema(config.MANDATORY_LOGS, ["rules"]),
            ),
            ResourceValidationPolicy(
                name="protect-required",
                description="Open deliveries that matter are protected against being closed.",
                validate=by(_rules(rules.unprotected)),
                config_schema=PolicyConfigSchema(config.PROTECT_REQUIRED, ["rules"]),
            ),
            ResourceValidationPolicy(
                name="enterprise-view",
                description="Few stacks switch the logs of every account.",
                validate=by(lambda one, _, own: rules.enterprise_view(one, config.stacks_of(own))),
                config_schema=PolicyConfigSchema(config.STACKS, ["stacks"]),
            ),
            ResourceValidationPolicy(
                name="guarded-deliveries",
                description="Every delivery is declared behind a gate.",
                validate=by(lambda one, _, __: rules.unguarded(one)),
            ),
            StackValidationPolicy(
                name="gate-required",
                description="A stack that has deliveries has a gate.",
                validate=_whole_stack,
                config_schema=PolicyConfigSchema(config.STACKS),
            ),
        ],
    )


class _Run:
    """What the engine has shown in this run."""

    def __init__(self) -> None:
        self._gates: dict[Perspective, Gate] = {}

    def by(self, judge: Judge) -> Callable[[ResourceValidationArgs, ReportViolation], None]:
        """What a policy does with a resource: read it, judge it, report every sentence."""

        def validate(args: ResourceValidationArgs, report: ReportViolation) -> None:
            shown = declared.read(args.resource_type, args.urn, args.props)
            if isinstance(shown, Gate):
                self._gates[shown.perspective] = shown
            for sentence in judge(shown, self._gates, args.get_config()):
                report(sentence, None)

        return validate


def _rules(judge: rules.Judge) -> Judge:
    return lambda one, gates, own: rules.judged(judge, one, gates, config.rules_of(own))


def _whole_stack(args: StackValidationArgs, report: ReportViolation) -> None:
    read = (declared.read(one.resource_type, one.urn, one.props) for one in args.resources)
    found = rules.without_gate(
        pulumi.get_stack(),
        [one for one in read if one],
        config.stacks_of(args.get_config()),
        configured=pulumi.Config("cloud-siem").get("account") is not None,
    )
    for sentence in found:
        report(sentence, None)
