"""Whatever is read from outside, spoiled in every way: a person reads words, never a traceback."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from campaigns.campaign import Campaign, Outcome, Plan, told
from campaigns.chance import chance
from cloud_siem.cli import main
from cloud_siem.errors import CloudSiemError
from cloud_siem.model import OnRemove, State
from cloud_siem.recorded import recorded
from cloud_siem.report.as_json import to_json
from cloud_siem.report.baseline import news, read_baseline
from cloud_siem.report.writing import FORMATS, writer
from siem_emulator import EmulatorServer
from tests.conftest import HERE, PROC, FakeTime, Loopback, api_at, http, spare_authorities
from tests.emulator.signing import Client
from tests.exports import export_of
from tests.harness import Harness, Program
from tests.report.reports import EVERYTHING, hostile, with_news
from tests.test_review import delivery, plan_of

ROOT = Path(__file__).parent.parent
HANGS_S = 20
"""One input is read in some milliseconds."""
DEADLINE_S = 1.0
"""Of one call in time that takes none: enough for it to be repeated."""
_WORDS = (
    *(b"config:", b"cloud-siem:deliveries:", b"cloud-siem:", b"secure:", b"<<: ", b"? ", b"- "),
    *(b"\n", b"\n  ", b"\n    ", b"\t", b": ", b", ", b"#", b"{", b"}", b"[", b"]", b"'", b'"'),
    *(b"|", b">", b"&a ", b"*a ", b"!!str ", b"!!python/object:os.system ", b"---\n", b"...\n"),
    *(b"open", b"closed", b"on", b"true", b"null", b"~", b"1", b"-1", b"1e999", b"NaN", b"0x1f"),
    *(b"2025-10-09", b"1:30", b"9" * 5000, b"[" * 2000, b"{" * 500, b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"\x00", b"\xed\xa0\x80", b"\\ud800", "\u202e".encode(), b"*", b'"*"', b"__proto__"),
)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 10**30, 1.5, "", "*", "open", "closed", "partial", "\x00"),
    *("\ud800", "x" * 3000, [], {}, [[]], [None], {"": None}, {"state": {"state": "open"}}),
)


# --- spoiling -------------------------------------------------------------------------------------


def spoiled(random: Random, samples: Sequence[bytes]) -> bytes:
    """One sample with a few of its bytes lost, doubled, exchanged, or other than they were."""
    data = random.choice(samples)
    for _ in range(random.randint(1, 6)):
        data = _spoil(random, data, samples)

    return data


def _spoil(random: Random, data: bytes, samples: Sequence[bytes]) -> bytes:
    start = random.randint(0, len(data))
    end = min(len(data), start + random.choice([0, 1, 1, 2, 8, 64, 1024]))
    other = random.choice(samples)
    cut = random.randint(0, len(other))
    put = random.choice(
        [
            b"",
            data[start:end] * 2,
            random.randbytes(random.randint(1, 8)),
            random.choice(_WORDS),
            random.choice(_WORDS),
            other[cut : cut + random.randint(0, 200)],
        ]
    )

    return data[:start] + put + data[end:]


def spoiled_json(random: Random, samples: Sequence[bytes]) -> bytes:
    """The same; or still JSON, with other values in some places."""
    if random.random() < 1 / 3:
        return spoiled(random, samples)
    value = json.loads(random.choice(samples))
    for _ in range(random.randint(1, 4)):
        value = _other(random, value)

    return json.dumps(value).encode()


def _other(random: Random, value: Any) -> Any:
    """The value with something in it replaced, taken away, or under another name."""
    if not isinstance(value, list | dict) or not value or random.random() < 1 / 8:
        return copy.deepcopy(random.choice(_VALUES))
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = random.choice(keys)
    match random.randrange(8):
        case 0:
            del value[key]
        case 1 if isinstance(value, dict):
            value[str(random.choice(_VALUES))] = value.pop(key)
        case 2 if isinstance(value, list):
            value.append(copy.deepcopy(value[key]))
        case _:
            value[key] = _other(random, value[key])

    return value


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Reader:
    """One thing that is read from outside."""

    samples: Sequence[bytes]
    """As they should be."""
    read: Callable[[bytes, Random], str]
    """Says what came of it, in a word; raises what nobody should see."""
    spoil: Callable[[Random, Sequence[bytes]], bytes] = spoiled_json


def _command(
    file: Path, before: Sequence[str], forms: Sequence[str], codes: Mapping[int, str]
) -> Callable[[bytes, Random], str]:
    """A command that reads a file, in one of its formats."""

    def read(data: bytes, random: Random) -> str:
        file.write_bytes(data)
        out, errors = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = main([*before, str(file), "--format", random.choice(forms)])
        out.getvalue().encode()  # what cannot be written is a traceback at its end
        errors.getvalue().encode()

        return codes[code]

    return read


@contextlib.contextmanager
def _stack_files(folder: Path) -> Iterator[Reader]:
    samples = [*ROOT.glob("tests/stacks/*.yaml"), ROOT / "stacks" / "Pulumi.demo.yaml"]
    forms = ["text", "json", "github", "gitlab"]
    codes = {0: "sound", 1: "refused", 2: "refused", 3: "refused"}
    yield Reader(
        samples=[one.read_bytes() for one in samples],
        spoil=spoiled,
        read=_command(folder / "Pulumi.x.yaml", ["validate"], forms, codes),
    )


@contextlib.contextmanager
def _plans(folder: Path) -> Iterator[Reader]:
    before = [delivery("oss/a", adopted=True), delivery("sas/a"), delivery("waf")]
    kept = delivery("sas/b", on_remove=OnRemove.KEEP)
    plan = plan_of([*before, kept], [delivery("oss/a", State.CLOSED), delivery("waf")])
    codes = {0: "nothing closes", 1: "refused", 20: "closes", 21: "over the limit"}
    yield Reader(
        samples=[json.dumps(plan).encode()],
        read=_command(folder / "plan.json", ["review"], ["text", "markdown", "json"], codes),
    )


@contextlib.contextmanager
def _baselines(folder: Path) -> Iterator[Reader]:
    reports = [EVERYTHING, with_news(EVERYTHING), hostile()]
    file = folder / "last.json"

    def read(data: bytes, random: Random) -> str:
        file.write_bytes(data)
        try:
            baseline = read_baseline(str(file))
        except CloudSiemError:
            return "refused"
        report = random.choice(reports)
        form = writer(random.choice(sorted(FORMATS)))
        form(replace(report, news=news(report, baseline))).encode()

        return "compared"

    yield Reader(samples=[to_json(one).encode() for one in reports], read=read)


@contextlib.contextmanager
def _exports(folder: Path) -> Iterator[Reader]:
    with EmulatorServer() as siem:
        harness = Harness(environ={"CLOUD_SIEM_ENDPOINT": siem.url}, folder=folder)
        deliveries = (delivery("sas/cloud_siem_aegis_dns"), delivery("waf"))
        with contextlib.redirect_stdout(io.StringIO()):
            harness.up(Program(perspective=HERE, deliveries=deliveries))

    def read(data: bytes, _random: Random) -> str:
        try:
            recorded(json.loads(data), HERE)
        except (ValueError, RecursionError):
            return "no JSON"
        except CloudSiemError:
            return "refused"
        return "read"

    yield Reader(samples=[json.dumps(export_of(harness)).encode()], read=read)


class _Answering(Loopback):
    """Answers each request with what it is given at the time."""

    answer = b""

    @property
    def _answers(self) -> list[bytes]:
        return [self.answer]

    @_answers.setter
    def _answers(self, _given: list[bytes]) -> None:
        """None are given at the start."""


def _asked(server: _Answering, ask: Callable[[Any], object]) -> str:
    fake = FakeTime()
    told = ""
    try:
        ask(api_at(server.url, fake=fake, deadline=DEADLINE_S))
    except CloudSiemError as error:
        told = str(error)
    if "fault of pulumi-cloud-siem" in told or fake.at > FakeTime.at + DEADLINE_S:
        raise AssertionError(told or "an answer came late")

    return "told" if told else "taken"


@contextlib.contextmanager
def _listings(_folder: Path) -> Iterator[Reader]:
    with EmulatorServer() as siem:
        key = siem.key()
        listing = Client(siem.host, key.id, key.secret).call("ListDelivery").raw
    with _Answering() as server:

        def read(data: bytes, random: Random) -> str:
            server.answer = _wrapped(random, "200 OK", data)
            return _asked(server, lambda api: api.look())

        yield Reader(samples=[listing], read=read)


_STATUSES = ("400 Bad Request", "403 Forbidden", "404 Not Found", "429 Too Many Requests")
_DOWN = ("500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable", "200 OK")


@contextlib.contextmanager
def _errors(_folder: Path) -> Iterator[Reader]:
    said = {"Message": "Words.", "RequestId": "R-1", "HostId": "h", "Recommend": "https://x"}
    codes = ["InternalError", "Throttling.User", "NoPermission", "SLS.Ship.Error", "Odd"]
    bodies: list[object] = [{"Code": code, **said} for code in codes]
    detail = {"AuthAction": "yundun-sas:OpenDelivery", "NoPermissionType": "ImplicitDeny"}
    bodies.append({"Code": "NoPermission", **said, "AccessDeniedDetail": detail})
    bodies.append({"Data": True, "RequestId": "R-1"})
    with _Answering() as server:

        def read(data: bytes, random: Random) -> str:
            server.answer = _wrapped(random, random.choice(_STATUSES + _DOWN), data)
            return _asked(server, lambda api: api.switch(PROC, State.OPEN))

        yield Reader(samples=[json.dumps(one).encode() for one in bodies], read=read)


def _wrapped(random: Random, status: str, body: bytes) -> bytes:
    """An HTTP answer; now and then with headers that lie, or cut off."""
    odd = [
        *("Retry-After: x", "Retry-After: 99999999999", "x-acs-retry-after: -1"),
        *("Content-Encoding: gzip", "Content-Type: text/html", "Location: //x?y#z"),
    ]
    whole = http(body, *random.sample(odd, random.choice([0, 0, 1, 2])), status=status)

    return whole[: random.randint(0, len(whole))] if random.random() < 1 / 8 else whole


# --- the campaigns --------------------------------------------------------------------------------


class _HangsError(Exception):
    """An input was read for too long."""


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    def hangs(*_: object) -> None:
        raise _HangsError(f"not read within {HANGS_S} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.setitimer(signal.ITIMER_REAL, HANGS_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _fuzz(
    name: str, make: Callable[[Path], contextlib.AbstractContextManager[Reader]], plan: Plan
) -> Outcome:
    spare_authorities()
    count: Counter[str] = Counter()
    failures: list[str] = []
    with make(plan.folder) as reader:
        for seed in plan.seeds:
            random = chance(name, seed)
            data = reader.spoil(random, reader.samples)
            try:
                with _in_time():
                    count[reader.read(data, random)] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
                failures.append(told(seed, error))

    return Outcome(
        figures={"inputs": plan.rounds, **count, "tracebacks and hangs": len(failures)},
        failures=failures,
    )


def _campaign(
    what: str, rounds: int, make: Callable[[Path], contextlib.AbstractContextManager[Reader]]
) -> Campaign:
    name = f"fuzz-{what.replace(' ', '-')}"
    return Campaign(
        name=name,
        claim=f"Whatever {what} there are, a person reads words: no traceback, and no hang.",
        rounds=rounds,
        unit="input, spoiled",
        run=partial(_fuzz, name, make),
    )


CAMPAIGNS = (
    _campaign("stack files", 20_000, _stack_files),
    _campaign("listings", 5_000, _listings),
    _campaign("errors", 5_000, _errors),
    _campaign("plans", 5_000, _plans),
    _campaign("baselines", 5_000, _baselines),
    _campaign("exports", 5_000, _exports),
)
