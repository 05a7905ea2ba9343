"""One small repository for the tests of a module; they follow one another, as its life does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from siem_emulator import EmulatorServer
from tests.pipelines.site import Site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with EmulatorServer() as siem:
        yield Site(folder=tmp_path_factory.mktemp("site"), siem=siem)
