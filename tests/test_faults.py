"""Every fault in every verb: the run ends right or says why, and the next one mends it.

What goes wrong on the way is the emulator's part (``siem_emulator.faults``); the verbs are called
as the engine calls them (``tests.harness``), in time that takes none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from cloud_siem.codes import Code
from cloud_siem.model import Delivery, DeliveryKey, State
from cloud_siem.pacing import Clock
from cloud_siem.settings import CLOSE_WORD
from siem_emulator import EmulatorServer
from siem_emulator.faults import Kind
from tests.authority import ANOTHER_HOST, THIS_HOST, Authority, hang_up
from tests.conftest import ACCOUNT, HERE, FakeTime, spare_authorities
from tests.harness import Harness, Program, Run

OPEN, CLOSED = State.OPEN, State.CLOSED
DEADLINE_S = 60.0
"""Of one operation, as it is set by default."""
DNS = ("sas", "cloud_siem_aegis_dns")
LOGIN = ("sas", "cloud_siem_aegis_login_event")
Declared = Mapping[tuple[str, str], State]


@dataclass(frozen=True, kw_only=True)
class Site:
    """A run, and the call in it that is struck."""

    action: str
    before: Declared
    after: Declared | None = None
    """What the struck update declares; without it, the run is the one named."""
    run: str = "up"
    write: str = ""
    """The only write that anybody asks for; it is about ``DNS``."""
    passed: int = 0
    """How many such calls of the run are not struck."""


BOTH = {DNS: OPEN, LOGIN: OPEN}
SITES = {
    "the proof of whose credentials": Site(
        action="GetCallerIdentity", before={}, after={DNS: OPEN}, write="OpenDelivery"
    ),
    "the gate's look": Site(
        action="ListDelivery", before={}, after={DNS: OPEN}, write="OpenDelivery"
    ),
    "create": Site(action="OpenDelivery", before={}, after={DNS: OPEN}, write="OpenDelivery"),
    "update that opens": Site(
        action="OpenDelivery", before={DNS: CLOSED}, after={DNS: OPEN}, write="OpenDelivery"
    ),
    "update that closes": Site(
        action="CloseDelivery", before=BOTH, after={**BOTH, DNS: CLOSED}, write="CloseDelivery"
    ),
    "the look after a close": Site(
        action="ListDelivery",
        before=BOTH,
        after={**BOTH, DNS: CLOSED},
        write="CloseDelivery",
        passed=1,
    ),
    "delete": Site(action="CloseDelivery", before=BOTH, after={LOGIN: OPEN}, write="CloseDelivery"),
    "settle": Site(
        action="ListDelivery", before={}, after={DNS: OPEN}, write="OpenDelivery", passed=1
    ),
    "read": Site(action="ListDelivery", before=BOTH, run="refresh"),
    "the look of a destroy": Site(
        action="ListDelivery", before={DNS: OPEN}, run="destroy", write="CloseDelivery"
    ),
    "destroy": Site(
        action="CloseDelivery", before={DNS: OPEN}, run="destroy", write="CloseDelivery"
    ),
}

FAULTS: dict[str, dict[str, Any]] = {
    # Calls that meet are not struck; what closes beside a call is not seen at the call.
    **{kind.value: {"kind": kind} for kind in Kind if kind not in (Kind.COLLATERAL, Kind.MEET)},
    "slow_drip": {"kind": "slow_drip", "seconds": 0.02},
    "hang": {"kind": "hang", "seconds": 0.02},
    "http429 after 2 s": {"kind": "http429", "retry_after": 2},
    "http429 after an hour": {"kind": "http429", "retry_after": 3600},
    "throttling after 2 s": {"kind": "throttling", "acs_retry_after": 2000},
    "html of a gateway": {"kind": "html", "status": 502},
    "empty and 503": {"kind": "empty", "status": 503},
    "redirect that stays": {"kind": "redirect", "status": 308},
    "internal_error, acted": {"kind": "internal_error", "acts": True},
    "sls_ship, acted": {"kind": "sls_ship", "acts": True},
    "error_mapping, acted": {"kind": "error_mapping", "acts": True},
    "data_false, acted": {"kind": "data_false", "acts": True},
    "html, acted": {"kind": "html", "acts": True},
    "redirect, acted": {"kind": "redirect", "acts": True},
    "an object of no shape": {"kind": "bad_shape", "body": {"Data": {"ProductList": [7]}}},
}
PAST = ("stale_reads", "the look of a destroy")
"""What ends otherwise than was asked, and has its own test."""
PASSING = [
    "drop_before",
    "drop_after",
    "half_body",
    "wrong_length",
    "hang",
    "http429",
    "http429 after 2 s",
    "throttling",
    "throttling after 2 s",
    "internal_error",
    "internal_error, acted",
    "sls_ship",
    "sls_ship, acted",
    "sls_embed",
    "html of a gateway",
    "empty and 503",
]
"""After one of these the same run ends right."""


LOOK = ("GetCallerIdentity", "ListDelivery")
SEEN = [
    "not shown by the account",
    "not as declared",
    "lists no products",
    # By a look that shows the past, when another log was closed.
    str(Code.UNEXPECTED_CLOSE),
]
"""What is said where a call went well and what it showed is at fault."""


@pytest.fixture(scope="module")
def shared() -> Iterator[EmulatorServer]:
    """One emulator for all; each test begins it anew."""
    spare_authorities()
    with EmulatorServer() as server:
        yield server


@dataclass(kw_only=True)
class Stack:
    """One stack on the harness, and what is asked of it."""

    siem: EmulatorServer
    site: Site
    fake: FakeTime
    harness: Harness

    @classmethod
    def at(cls, siem: EmulatorServer, site: Site) -> Stack:
        """With what the site has before, on an account where another log is open, too."""
        siem.reset()
        fake = FakeTime()
        environ = {"CLOUD_SIEM_ENDPOINT": siem.url, "CLOUD_SIEM_REQUEST_RATE": "100000"}
        harness = Harness(environ=environ, clock=fake.clock)
        stack = cls(siem=siem, site=site, fake=fake, harness=harness)
        assert stack.up(site.before).ok
        siem.calls.clear()

        return stack

    def up(self, declared: Declared) -> Run:
        deliveries = tuple(
            Delivery(key=DeliveryKey(perspective=HERE, product=product, log=log), state=state)
            for (product, log), state in declared.items()
        )

        # Without a preview, which would meet the fault first and end there.
        return self.harness.up(Program(perspective=HERE, deliveries=deliveries), preview=False)

    def run(self) -> Run:
        if self.site.after is not None:
            return self.up(self.site.after)

        return self.harness.refresh() if self.site.run == "refresh" else self.harness.destroy()

    @property
    def writes(self) -> set[tuple[str, str, str]]:
        return {
            (call.action, call.product, call.log)
            for call in self.siem.calls.all()
            if call.action in ("OpenDelivery", "CloseDelivery")
        }

    @property
    def acted(self) -> int:
        """How many writes changed something."""
        return sum(call.changed > 0 for call in self.siem.calls.all())

    def is_as_asked(self) -> bool:
        wanted = self.site.after
        if wanted is None:
            wanted = {} if self.site.run == "destroy" else self.site.before
        asked = {**dict.fromkeys(self.site.before, CLOSED), **wanted}

        return all(self.siem.status(*place) is (state is OPEN) for place, state in asked.items())

    def assert_only_asked_for(self) -> None:
        assert self.writes <= {(self.site.write, *DNS)}
        assert self.acted <= 1

    def assert_mended(self) -> None:
        """The next run puts right what is left, and those after it have nothing to do.

        The first of these may look once, to take what was closed off the gate's record.
        """
        self.siem.faults.clear()
        if self.site.run == "destroy":
            # What is left of a destroy is not closed until a person names it.
            word = {CLOSE_WORD: f"{ACCOUNT}/{'/'.join(DNS)}"}
            self.harness.environ = {**self.harness.environ, **word}
        again = self.run()
        assert again.ok, again.failures
        assert self.is_as_asked()
        self.assert_only_asked_for()
        for look in (True, False):
            self._assert_still(look=look)

    def _assert_still(self, *, look: bool) -> None:
        self.siem.calls.clear()
        still = self.run()
        assert still.ok, still.failures
        assert not still.steps
        calls = [c.action for c in self.siem.calls.all() if c.action != "AssumeRole"]
        assert self.site.run == "refresh" or calls in ([], [*LOOK] * look)
        assert not self.writes


def assert_ended(stack: Stack, run: Run) -> None:
    """The struck run ended right, or said why in words; in time, and with no write of its own."""
    stack.assert_only_asked_for()
    if run.ok:
        assert stack.is_as_asked()
    for told in run.failures:
        assert "fault of pulumi-cloud-siem" not in told, told
        assert any(words in told for words in (stack.site.action, *SEEN)), told


@pytest.mark.parametrize(
    ("fault", "site"),
    # To hang for good is to drop the call each time, and to take real time for it.
    [cell for cell in itertools.product(sorted({*FAULTS} - {"hang"}), SITES) if cell != PAST],
)
def test_whatever_goes_wrong_for_good_the_run_says_so_in_time_and_the_next_one_mends_it(
    shared: EmulatorServer, fault: str, site: str
) -> None:
    stack = Stack.at(shared, SITES[site])
    shared.fault(action=stack.site.action, after=stack.site.passed, **FAULTS[fault])
    began = stack.fake.at

    run = stack.run()

    assert stack.fake.at - began <= 2 * DEADLINE_S, "a write, and a settling after it"
    assert_ended(stack, run)
    stack.assert_mended()


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
@pytest.mark.parametrize("fault", PASSING)
def test_what_goes_wrong_once_and_may_pass_is_nothing_to_a_run(
    shared: EmulatorServer, fault: str, site: Site
) -> None:
    stack = Stack.at(shared, site)
    shared.fault(action=site.action, after=site.passed, times=1, **FAULTS[fault])

    run = stack.run()

    assert run.ok, run.failures
    assert_ended(stack, run)
    stack.assert_mended()


def test_a_destroy_that_is_shown_the_past_leaves_open_what_was_opened_since_and_says_so(
    shared: EmulatorServer, capfd: pytest.CaptureFixture[str]
) -> None:
    """The account's word is taken: a log that it shows as closed is not closed again."""
    fault, site = PAST
    stack = Stack.at(shared, SITES[site])
    shared.fault(action="ListDelivery", **FAULTS[fault])

    assert stack.run().ok
    assert stack.acted == 0
    assert "sas/cloud_siem_aegis_dns is closed already" in capfd.readouterr().out


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
@pytest.mark.parametrize("hours", [-1, 1])
def test_with_a_clock_that_is_off_nothing_is_written_and_the_run_says_so(
    shared: EmulatorServer, hours: int, site: Site
) -> None:
    stack = Stack.at(shared, site)
    shared.control("settings", clock_skew_s=hours * 3600)

    run = stack.run()

    assert not run.ok
    assert "clock" in " ".join(run.failures)
    assert stack.acted == 0
    shared.control("settings", clock_skew_s=0)
    stack.assert_mended()


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_when_the_session_ends_in_the_middle_the_run_says_so_and_the_next_one_has_another(
    shared: EmulatorServer, site: Site
) -> None:
    """Between a call that failed and its repetition."""
    stack = Stack.at(shared, site)
    role = {"CLOUD_SIEM_ROLE_ARN": "acs:ram::{account}:role/siem-delivery"}
    ending = Clock(now=lambda: stack.fake.at, sleep=lambda _: shared.service.end_sessions())
    stack.harness.environ = {**stack.harness.environ, **role}
    stack.harness.clock, meanwhile = ending, stack.harness.clock
    shared.fault("internal_error", action=site.action, after=site.passed, times=1)

    run = stack.run()

    assert not run.ok
    assert "the session of the credentials is over" in " ".join(run.failures)
    assert_ended(stack, run)
    stack.harness.clock = meanwhile
    stack.assert_mended()


@pytest.fixture(scope="module")
def certified(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EmulatorServer, str]]:
    """An emulator that speaks TLS, and the URL of a server with another host's certificate."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    mine, other = (
        EmulatorServer(tls=authority.context(name)) for name in (THIS_HOST, ANOTHER_HOST)
    )
    with pytest.MonkeyPatch.context() as patch, mine, other:
        patch.setenv("SSL_CERT_FILE", str(authority.file))
        yield mine, other.url
        assert other.calls.all() == []
        for server in (mine, other):
            hang_up(server)


@pytest.mark.parametrize("site", SITES.values(), ids=SITES)
def test_of_a_server_with_the_certificate_of_another_host_nothing_is_asked(
    certified: tuple[EmulatorServer, str], site: Site
) -> None:
    """As when a name leads somewhere else from one run to the next."""
    siem, other = certified
    stack = Stack.at(siem, site)
    stack.harness.environ = {**stack.harness.environ, "CLOUD_SIEM_ENDPOINT": other}

    run = stack.run()

    assert not run.ok
    assert "certificate" in " ".join(run.failures)
    stack.harness.environ = {**stack.harness.environ, "CLOUD_SIEM_ENDPOINT": siem.url}
    stack.assert_mended()
