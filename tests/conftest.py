"""What all tests share: a clean environment, an emulator, a clock that takes no time.

The environment is made clean when this module is imported, before any test module is: the
credentials SDK reads it once, when it is imported itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import settings as hypothesis_settings
from xdist.remote import Producer
from xdist.scheduler.loadscope import LoadScopeScheduling

LIVE = "CLOUD_SIEM_LIVE"
"""Names the account, region, product and log of the tests that run against a real account."""

EXPLORE = "TESTS_EXPLORE"
"""Set, property tests draw new examples in each run."""

_OF_A_PERSON = ("ALIBABA_CLOUD_", "ALIBABACLOUD_", "ALICLOUD_", "CLOUD_SIEM_")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_FAKES = {
    # The key of the emulator's first account; it opens nothing else.
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "testid-demo-admin",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "testsecret-demo-admin",
    # Off: the credentials chain would dial the address of a cloud's metadata service.
    "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
}


def _clean_environment() -> tempfile.TemporaryDirectory[str]:
    """Take away what a person has set up, and let fakes stand for it; returns the new home."""
    for name in list(os.environ):
        if name.startswith(_OF_A_PERSON) or name.upper() in _PROXIES or name == "DEBUG":
            del os.environ[name]
    # Tools of other tests (git, go, uv) keep their caches and settings; only ~/.aliyun and the like
    # must not be found.
    home = Path.home()
    os.environ.setdefault("XDG_CACHE_HOME", str(home / ".cache"))
    os.environ.setdefault("XDG_CONFIG_HOME", str(home / ".config"))
    new = tempfile.TemporaryDirectory(prefix="cloud-siem-home-")
    os.environ |= {**_FAKES, "HOME": new.name}

    return new


_home = None if os.environ.get(LIVE) else _clean_environment()

# A shell that runs the tests in its background has them ignore Ctrl-C, and all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test` draws the same examples everywhere: what fails for one person fails for all.
# To look where nobody has looked yet: TESTS_EXPLORE=1 make test.
hypothesis_settings.register_profile("explore", deadline=None)
hypothesis_settings.register_profile("repeat", deadline=None, derandomize=True, database=None)
hypothesis_settings.load_profile("explore" if os.environ.get(EXPLORE) else "repeat")

# Below the clean environment: these import what reads it.
from cloud_siem.api import Api  # noqa: E402
from cloud_siem.endpoint import Endpoint  # noqa: E402
from cloud_siem.model import DeliveryKey, Perspective, Region  # noqa: E402
from cloud_siem.origin import Origin  # noqa: E402
from cloud_siem.pacing import Clock  # noqa: E402
from cloud_siem.settings import Settings  # noqa: E402
from siem_emulator import EmulatorServer  # noqa: E402
from siem_emulator.catalog import DOCUMENTED  # noqa: E402

ACCOUNT = "1130916744880000"
"""The emulator's first account, whose key the environment has."""
MEMBER = "1234567890123456"
"""A member that it administers."""
OTHER_ACCOUNT = "1777777777777777"
"""An account that has nothing to do with it."""
HERE = Perspective(account=ACCOUNT, region=Region.CN_HANGZHOU)
ANY_CLOSE = {
    "CLOUD_SIEM_CLOSE_LIMIT": "1000",
    "CLOUD_SIEM_CLOSE_LAST_LOG": ",".join(f"{ACCOUNT}/{code}/*" for code in DOCUMENTED.products),
}
"""The words for a run by which every log of the account may close, the last open one as well."""
PROC = DeliveryKey(perspective=HERE, product="sas", log="cloud_siem_aegis_proc")
"""A log that is closed when the emulator starts."""
AUDIT = DeliveryKey(perspective=HERE, product="actiontrail", log="cloud_siem_trail_actiontrail")
"""A log that is open when the emulator starts."""
WAF = DeliveryKey(perspective=HERE, product="waf")
"""A whole product; its two logs are closed when the emulator starts."""


# --- options -------------------------------------------------------------------------------------


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the files of tests/golden/ anew"
    )


def pytest_unconfigure() -> None:
    if _home:
        _home.cleanup()


LONG = {
    "engine": (
        "adopt beside drift flags fleet fleet_cluster guard_rails harness install keys killed"
        " locales messages permissions policies project review scale secrets sequences settling"
        " upgrade wheel"
    ),
    "cli": "harmless",
    "pipelines": "github gitlab operator",
}
"""By folder, the modules whose tests `make test` leaves to `make test-long`: each needs a minute,
and most of what it holds is held by a cheaper test as well."""


def _is_long(path: Path) -> bool:
    return path.stem.removeprefix("test_") in LONG.get(path.parent.name, "").split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the long tests, and keep tests on a real account and all others apart.

    The latter need what a person has set up; the others must not see it.
    """
    for item in items:
        if _is_long(item.path):
            item.add_marker(pytest.mark.long)
    live = bool(os.environ.get(LIVE))
    reason = (
        f"{LIVE} is set: only tests on the real account run, with the person's credentials"
        if live
        else f"needs a real account: set {LIVE} (docs/live-tests.md)"
    )
    for item in items:
        if live is not (item.get_closest_marker("live") is not None):
            item.add_marker(pytest.mark.skip(reason=reason))


# --- workers -------------------------------------------------------------------------------------


class Scheduler(LoadScopeScheduling):  # type: ignore[misc] # it comes without types
    """Gives each worker one test after the other, and all of some modules to one worker.

    pytest-xdist has a mark for that, `xdist_group`, which has no effect with pytest 9.2 and later.
    """

    TOGETHER = (
        "tests/browser/test_page.py",  # one browser is enough
        "tests/pipelines/test_github.py",  # these follow one another
        "tests/pipelines/test_gitlab.py",
        "tests/pipelines/test_operator.py",
    )

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file in self.TOGETHER else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores: most tests wait for other processes much of their time."""
    return min(len(os.sched_getaffinity(0)) + 1, 4)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduler | None:
    """Called where `--dist` was given; the other ways of distributing stay as they are."""
    return Scheduler(config, log) if config.getvalue("dist") == "loadgroup" else None


# --- golden files --------------------------------------------------------------------------------


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[str, str], None]:
    """Hold a text against its file in tests/golden/, or write that anew with --update-golden."""

    def hold(name: str, text: str) -> None:
        file = Path(__file__).parent / "golden" / name
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")

        assert text == file.read_text(encoding="utf-8"), "see --update-golden"

    return hold


# --- time ----------------------------------------------------------------------------------------


@dataclass
class FakeTime:
    """Time that passes only by sleeping, and chance that is known."""

    at: float = 1000.0
    chance: float = 0.5
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds

    @property
    def clock(self) -> Clock:
        return Clock(now=lambda: self.at, sleep=self.sleep, chance=lambda: self.chance)


@pytest.fixture
def fake() -> FakeTime:
    return FakeTime()


# --- the other side ------------------------------------------------------------------------------


@pytest.fixture
def siem() -> Iterator[EmulatorServer]:
    """A fresh emulator of the demo world."""
    with EmulatorServer() as server:
        yield server


@dataclass
class Raw:
    """A request as it came."""

    line: str
    headers: dict[str, str]
    """Names in lower case."""
    body: bytes


class Loopback:
    """A server of one test's making: it answers each request with given bytes, and keeps them all.

    For what no emulator of the cloud would do. The last answer is given again and again; after each
    the connection is closed.
    """

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.requests: list[Raw] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # On Linux this wakes the thread that waits for a connection; closing alone would not.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as stream:
                line = stream.readline().decode("latin-1").strip()
                if not line:
                    continue
                headers: dict[str, str] = {}
                while header := stream.readline().decode("latin-1").strip():
                    name, _, value = header.partition(":")
                    headers[name.strip().lower()] = value.strip()
                body = stream.read(int(headers.get("content-length", "0")))
                self.requests.append(Raw(line=line, headers=headers, body=body))
                at = min(len(self.requests), len(self._answers)) - 1
                self._answer(connection, self._answers[at])

    def _answer(self, connection: socket.socket, answer: bytes) -> None:
        with contextlib.suppress(OSError):  # the caller may have heard enough
            connection.sendall(answer)


def nobody() -> str:
    """The URL of a port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


def http(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An HTTP answer with its right length."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@cache
def spare_authorities() -> None:
    """Have the SDK load no certificate authorities for plain http.

    It does so for each host that it meets, which here is a new one in each test; that took as long
    as all else together.
    """
    from darabonba.core import DaraCore  # noqa: PLC0415 - most tests need no SDK
    from requests.adapters import HTTPAdapter  # noqa: PLC0415
    from Tea.core import TeaCore  # noqa: PLC0415

    def sparing(get_adapter: Callable[..., Any]) -> Callable[..., Any]:
        def get(prefix: str, *args: Any, **options: Any) -> Any:
            if prefix.upper() == "HTTP":
                return HTTPAdapter(pool_maxsize=options.get("pool_size") or 40)
            return get_adapter(prefix, *args, **options)

        return get

    for core in (DaraCore, TeaCore):
        core.get_adapter = staticmethod(sparing(core.get_adapter))


def api_at(
    url: str,
    *,
    fake: FakeTime | None = None,
    perspective: Perspective = HERE,
    origin: Origin | None = None,
    **settings: object,
) -> Api:
    """Our API client for a server on loopback; without a clock, in real time and in a hurry.

    It may close the account's last open log: the demo account has but one.
    """
    spare_authorities()
    given = {
        "deadline": 60.0 if fake else 5.0,
        "request_rate": 100_000.0,
        "overridden": frozenset({"close_limit"}),
        **settings,
    }
    return Api(
        settings=Settings(own_endpoint=Endpoint.parse(url), **given),  # type: ignore[arg-type]
        perspective=perspective,
        origin=origin or Origin(),
        clock=fake.clock if fake else Clock(chance=lambda: 0.01),
    )
