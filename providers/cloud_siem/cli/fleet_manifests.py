"""``cloud-siem fleet manifests``: print the Kubernetes operator's resources, one for each stack."""

from __future__ import annotations

import argparse
import os

import yaml

from cloud_siem.cli.exitcodes import ExitCode
from cloud_siem.cli.stackfiles import all_files, file_of, project_here
from cloud_siem.errors import CloudSiemError, StackError
from cloud_siem.loading import load_files
from cloud_siem.manifests import Source, manifests

_HEAD = """\
# Written by `cloud-siem fleet manifests`; the operator applies what this branch's stack files say.
# Deleting one of these closes nothing, and so does an update: docs/gitops.md tells how to allow it.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "stacks", nargs="*", metavar="STACK", help="a stack's name, or its file; all without any"
    )
    parser.add_argument("--repository", required=True, metavar="URL", help="that has Pulumi.yaml")
    parser.add_argument("--branch", default="main", help="whose commits are applied; main")
    parser.add_argument(
        "--image", required=True, help="made with pipelines/Containerfile, from your registry"
    )
    parser.add_argument("--backend", default="", metavar="URL", help="of the state; Pulumi Cloud")
    parser.add_argument(
        "--organization", default="organization", metavar="NAME", help="of Pulumi Cloud"
    )
    parser.add_argument(
        "--private", action="store_true", help="cloning takes the token of a secret"
    )
    parser.epilog = "cloud-siem fleet manifests ... > pipelines/operator/stacks.yaml"


def run(args: argparse.Namespace) -> int:
    files = [file_of(one) for one in args.stacks] or all_files()
    stacks, reasons = load_files(files, os.environ)
    if reasons:
        raise StackError(reasons)
    here = project_here()
    if here.failure:
        raise CloudSiemError(f"{here.failure}; run this in the folder that has Pulumi.yaml")
    source = Source(
        repository=args.repository,
        branch=args.branch,
        image=args.image,
        project=here.name,
        organization=args.organization,
        backend=args.backend,
        private=args.private,
    )
    print(_HEAD, end="")
    for one in manifests(stacks, source):
        print(f"---\n{yaml.safe_dump(one, sort_keys=False)}", end="")
    return ExitCode.OK
