"""What holds a secret refuses to be pickled, with the engine's own pickler too."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from cloud_siem.process import Process
from cloud_siem.session import Session
from siem_emulator import EmulatorServer
from tests.conftest import api_at

ROLE = "acs:ram::{account}:role/siem-delivery"
HOLDERS = ["Settings", "Sdk", "Credential", "Api", "Session", "Process"]
ENGINE = """
import os
from pathlib import Path
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider
from cloud_siem.api import Api
from cloud_siem.model import Perspective, Region
from cloud_siem.process import Process
from cloud_siem.session import Session
from cloud_siem.settings import Settings

class Careless(ResourceProvider):
    pass

here = Perspective(account="1130916744880000", region=Region.CN_HANGZHOU)
api = Api(settings=Settings(), perspective=here)
process = Process({}, os.environ, folder=Path("/"))
for held in (Settings(), api._credential.sdk, api._credential, api, Session(api), process):
    provider = Careless()
    provider.held = held
    try:
        print(type(held).__name__, serialize_provider(provider))
    except TypeError as error:
        print(type(held).__name__, error)
"""


def holders(siem: EmulatorServer) -> dict[str, object]:
    """Everything of ours that holds a secret, or leads to one, after a call was made."""
    api = api_at(siem.url, role_arn=ROLE, role_external_id="canary-external")
    api.look()

    return {
        "Settings": api.settings,
        "Sdk": api._credential.sdk,
        "Credential": api._credential,
        "Api": api,
        "Session": Session(api),
        "Process": Process({}, os.environ, folder=Path("/")),
    }


@pytest.mark.parametrize("name", HOLDERS)
def test_what_holds_a_secret_is_never_pickled(siem: EmulatorServer, name: str) -> None:
    held = holders(siem)[name]

    with pytest.raises(TypeError, match="is never recorded: it may hold a secret"):
        pickle.dumps(held)


def test_a_provider_that_holds_a_secret_is_never_recorded() -> None:
    """The engine's pickler takes nearly all there is, locks and clients included; in a process of
    its own, since it nests deeper with every provider that has state.
    """
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ENGINE], capture_output=True, text=True, check=True
    )

    lines = run.stdout.splitlines()
    assert [line.split()[0] for line in lines] == HOLDERS
    for line in lines:
        assert line.endswith("is never recorded: it may hold a secret")


@pytest.mark.parametrize("name", HOLDERS)
def test_what_holds_a_secret_prints_itself_without(siem: EmulatorServer, name: str) -> None:
    """As in a log line, or in a traceback that shows values."""
    held = holders(siem)[name]

    for shown in (repr(held), str(held), f"{held}"):
        assert "canary-external" not in shown
        assert siem.key().secret not in shown
