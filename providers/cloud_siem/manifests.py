"""``Stack`` -> what the Pulumi Kubernetes Operator is told to keep: one resource for each stack.

Pure; called by ``cloud-siem fleet manifests``. The operator applies each new commit by itself and
asks nobody. So what it writes here closes nothing: a deleted resource is not destroyed, and an
update may close nothing until somebody raises the limit in the resource, for as long as it takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloud_siem.errors import CloudSiemError
from cloud_siem.stack import Stack

Json = dict[str, object]

SECRET = "cloud-siem"  # noqa: S105 - the name of one
"""Holds environment variables for the engine: its passphrase, its backend's keys."""
GIT_SECRET = "cloud-siem-git"  # noqa: S105 - the same
"""Holds the token for a repository that is private."""
SERVICE_ACCOUNT = "cloud-siem-apply"
RESYNC_SECONDS = 3600
"""How often what was changed by hand is set back; as far as that closes nothing."""
_NAME_LIMIT = 52
"""Letters of a resource's name: the operator adds some for a pod, and a label holds 63."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the operator finds the program, and what it runs it with."""

    repository: str
    """The address of the git repository that has ``Pulumi.yaml`` and ``stacks/``."""
    branch: str
    image: str
    """Made with ``pipelines/Containerfile``."""
    project: str
    """The name in ``Pulumi.yaml``."""
    organization: str
    """Of Pulumi Cloud; ``organization`` for any other backend."""
    backend: str = ""
    """The address of the state; empty for Pulumi Cloud."""
    private: bool = False
    """Whether cloning the repository needs a token."""


def manifests(stacks: Iterable[Stack], source: Source) -> Sequence[Json]:
    """One resource for each stack, by name.

    :raises CloudSiemError: the names of two stacks are one to Kubernetes, or one cannot be a name
        there.
    """
    made: dict[str, Json] = {}
    for stack in sorted(stacks, key=lambda one: one.name):
        name = _name(stack.name)
        if name in made:
            raise CloudSiemError(
                f"stack {stack.name}: Kubernetes knows no large letters, dots or underscores, and"
                f" {name} is taken by another stack; rename one of them"
            )
        made[name] = _resource(stack, name, source)
    return list(made.values())


def _name(stack: str) -> str:
    letters = re.sub(r"[^a-z0-9]+", "-", stack.lower()).strip("-")
    if not letters:
        raise CloudSiemError(
            f"stack {stack}: its name has no letter or digit, and the name of a Kubernetes resource"
            " needs one; rename the stack"
        )
    name = f"cloud-siem-{letters}"
    if len(name) > _NAME_LIMIT:
        raise CloudSiemError(
            f"stack {stack}: as a resource it would be called {name}, which is longer than"
            f" {_NAME_LIMIT} letters; rename it"
        )
    return name


def _resource(stack: Stack, name: str, source: Source) -> Json:
    spec: Json = {
        "stack": f"{source.organization}/{source.project}/{stack.name}",
        "projectRepo": source.repository,
        "branch": source.branch,
    }
    if source.private:
        spec["gitAuth"] = {"accessToken": _secret(GIT_SECRET, "token")}
    if source.backend:
        spec["backend"] = source.backend
    spec |= {
        "useLocalStackOnly": True,  # a stack is made by a person
        "refresh": True,
        "continueResyncOnCommitMatch": True,
        "resyncFrequencySeconds": RESYNC_SECONDS,
        "destroyOnFinalize": False,
        "serviceAccountName": SERVICE_ACCOUNT,
        "envRefs": {
            "CLOUD_SIEM_CLOSE_LIMIT": {"type": "Literal", "literal": {"value": "0"}},
        },
        "workspaceTemplate": {"spec": _workspace(source)},
    }
    account, region = stack.perspective.account, stack.perspective.region.value
    return {
        "apiVersion": "pulumi.com/v1",
        "kind": "Stack",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/part-of": "cloud-siem"},
            "annotations": {"account": account, "region": region},
        },
        "spec": spec,
    }


def _secret(name: str, key: str) -> Mapping[str, object]:
    return {"type": "Secret", "secret": {"name": name, "key": key}}


def _workspace(source: Source) -> Json:
    """Where the engine runs: it writes into its own folders alone, and as nobody in particular."""
    container = {
        "name": "pulumi",  # the operator's own name for it: what is said here is merged into it
        "securityContext": {"readOnlyRootFilesystem": True},
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],  # noqa: S108 - in a pod of its own
    }
    return {
        "image": source.image,
        "securityProfile": "restricted",
        "envFrom": [{"secretRef": {"name": SECRET}}],
        "podTemplate": {
            "spec": {"containers": [container], "volumes": [{"name": "tmp", "emptyDir": {}}]}
        },
    }
