"""What holds a secret refuses to be pickled, with the engine's own pickler too."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pulumi.dynamic import ResourceProvider
from pulumi.dynamic.dynamic import serialize_provider

from cloud_siem.session import Process, Session
from siem_emulator import EmulatorServer
from tests.conftest import api_at

ROLE = "acs:ram::{account}:role/siem-delivery"


class Careless(ResourceProvider):
    """A provider with instance state, as ours must never be."""

    def __init__(self, held: object) -> None:
        super().__init__()
        self.held = held


def holders(siem: EmulatorServer) -> dict[str, object]:
    """Everything of ours that holds a secret, or leads to one, after a call was made."""
    api = api_at(siem.url, role_arn=ROLE, role_external_id="canary-external")
    api.look()

    return {
        "Settings": api.settings,
        "Sdk": api._sdk,
        "Api": api,
        "Session": Session(api),
        "Process": Process({}, os.environ, folder=Path("/")),
    }


@pytest.mark.parametrize("name", ["Settings", "Sdk", "Api", "Session", "Process"])
@pytest.mark.parametrize(
    "record",
    [pickle.dumps, lambda held: serialize_provider(Careless(held))],
    ids=["pickle", "the engine's"],
)
def test_what_holds_a_secret_is_never_recorded(
    siem: EmulatorServer, name: str, record: Callable[[object], Any]
) -> None:
    """A provider that held one of these would write it into every resource of the state file."""
    held = holders(siem)[name]

    with pytest.raises(TypeError, match="is never recorded: it may hold a secret"):
        record(held)


@pytest.mark.parametrize("name", ["Settings", "Sdk", "Api", "Session", "Process"])
def test_what_holds_a_secret_prints_itself_without(siem: EmulatorServer, name: str) -> None:
    """As in a log line, or in a traceback that shows values."""
    held = holders(siem)[name]

    for shown in (repr(held), str(held), f"{held}"):
        assert "canary-external" not in shown
        assert siem.key().secret not in shown
