"""One fresh emulator for each test, and clients that sign by hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from siem_emulator import EmulatorServer
from tests.emulator.signing import Client

# The SDKs read these once, when a test module imports them.
os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"
for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
    os.environ.pop(name, None)
    os.environ.pop(name.lower(), None)


@pytest.fixture
def siem() -> Iterator[EmulatorServer]:
    """The demo world."""
    with EmulatorServer() as server:
        yield server


@pytest.fixture
def client(siem: EmulatorServer) -> Client:
    """The demo account's administrator."""
    return client_of(siem)


@pytest.fixture
def member(siem: EmulatorServer) -> Client:
    """The first member of the demo account."""
    return client_of(siem, siem.world.members[siem.world.first.id][0])


@pytest.fixture
def as_account(siem: EmulatorServer) -> Callable[[str], Client]:
    """A client of any account."""
    return lambda account: client_of(siem, account)


def client_of(siem: EmulatorServer, account: str | None = None) -> Client:
    key = siem.key(account)

    return Client(siem.host, key.id, key.secret)
