"""``cloud-siem fleet COMMAND``: what is done to many stacks; a module for each command."""

from __future__ import annotations

from cloud_siem.cli.commands import Command

COMMANDS = (
    Command(
        name="list",
        module="cloud_siem.cli.fleet_list",
        help="show which stacks a selection means",
    ),
    Command(
        name="drift",
        module="cloud_siem.cli.fleet_drift",
        help="show what is not as declared; needs no engine",
    ),
    Command(
        name="preview",
        module="cloud_siem.cli.fleet_run",
        help="preview, and review all plans together",
    ),
    Command(
        name="up",
        module="cloud_siem.cli.fleet_run",
        help="preview, review all plans together, then update what they say",
    ),
    Command(
        name="refresh",
        module="cloud_siem.cli.fleet_run",
        help="record what the accounts show",
    ),
    Command(
        name="accounts",
        module="cloud_siem.cli.fleet_accounts",
        help="show which members have no stack, and write one for each",
    ),
    Command(
        name="removed",
        module="cloud_siem.cli.fleet_removed",
        help="say which stacks' files are gone, and what becomes of them",
    ),
    Command(
        name="manifests",
        module="cloud_siem.cli.fleet_manifests",
        help="print the Kubernetes operator's resource for each stack",
    ),
    Command(
        name="merge",
        module="cloud_siem.cli.fleet_merge",
        help="make one roll-up of the result files of several shards",
    ),
)
