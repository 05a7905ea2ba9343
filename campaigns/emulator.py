"""The emulator itself: what all else here is measured against must be right."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random
from typing import Any
from urllib.parse import parse_qsl

from alibabacloud_cloud_siem20220616 import models

from campaigns.campaign import Campaign, Outcome, Plan, told
from campaigns.chance import chance
from campaigns.standalone import Standalone
from siem_emulator.catalog import Place
from siem_emulator.service import Service
from siem_emulator.settings import Settings
from siem_emulator.wire import Call
from siem_emulator.world import World
from tests.conftest import ACCOUNT
from tests.emulator.signing import Client

# --- signatures -----------------------------------------------------------------------------------

_BODY = "LogCode=cloud_siem_aegis_proc&ProductCode=sas"
_TARGET = "/?RoleType=0"
_CLASSES = ("0123456789", "abcxyz", "ABCXYZ", "-_.~", "%+=&?/;:,", "\x7f\xa0\xe9\xff")
"""Of bytes; blanks around a value are not part of it, so that they are no change."""


def _signatures(plan: Plan) -> Outcome:
    service = Service(World.build(), settings=Settings())
    key = service.world.first.keys[0]
    signer = Client("127.0.0.1:1", key.id, key.secret)
    count: Counter[str] = Counter()
    failures: list[str] = []
    for seed in plan.seeds:
        random = chance("signatures", seed)
        headers = signer.signed(
            "POST", _TARGET, signer.headers("CloseDelivery", body=_BODY.encode())
        )
        parts = {**headers, "(target)": _TARGET, "(body)": _BODY}
        name = random.choice(sorted(parts))
        parts[name] = _changed(random, parts[name])
        if name == "(target)" and _pairs(parts[name]) == _pairs(_TARGET):
            parts[name] += "0"  # an ampersand beside nothing had made no other query
        call = Call(
            method="POST",
            target=parts.pop("(target)"),
            body=parts.pop("(body)").encode("latin-1"),
            headers={one.lower(): value for one, value in parts.items()},
        )
        answer = service.answer(service.arrive(call))
        count[answer.code] += 1
        if answer.status not in (400, 404) or answer.changed:
            failures.append(f"--seed {seed}: {name} was changed, and the call was taken")

    refused = ", ".join(f"{number} {code}" for code, number in sorted(count.items()))
    return Outcome(
        figures={"calls with one byte changed": plan.rounds, "taken": len(failures)},
        failures=failures,
        beside={"refused as": refused},
    )


def _pairs(target: str) -> list[tuple[str, str]]:
    return parse_qsl(target.partition("?")[2], keep_blank_values=True)


def _changed(random: Random, text: str) -> str:
    """The text with one character more, less, or other than it was."""
    at = random.randrange(len(text))
    char = random.choice(random.choice(_CLASSES))
    rest = random.choice([text[at:], text[at + 1 :]])
    new = text[:at] + random.choice([char, char, ""]) + rest

    return new if new != text else text + char


# --- many clients ---------------------------------------------------------------------------------

CLIENTS = 200
_WRITES = 6
"""Of each client."""
_WORLD = f"logs: {CLIENTS}\naccounts: {{'{ACCOUNT}': {{name: many}}}}\n"


@dataclass
class _Log:
    """What one client knows of its own log."""

    place: Place
    acknowledged: bool = False
    """Whether it is open, as far as was answered."""
    lost: int = 0
    """How many calls had no answer; each was made again until it had one."""


def _clients(plan: Plan) -> Outcome:
    count: Counter[str] = Counter()
    failures: list[str] = []
    for seed in plan.seeds:
        try:
            with Standalone(plan.folder / str(seed), _WORLD) as siem:
                count += _storm(chance("clients", seed), siem)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what we look for
            failures.append(told(seed, error))

    return Outcome(
        figures={"storms": plan.rounds, **count, "lost or invented": len(failures)},
        failures=failures,
    )


def _storm(random: Random, siem: Standalone) -> Counter[str]:
    """All clients at once, with a kill in the middle; what was answered must have been kept."""
    key = siem.key()
    client = Client(siem.host, key.id, key.secret)
    logs = [_Log(place) for place in sorted(siem.world.catalog.places)[:CLIENTS]]
    seeds = [random.random() for _ in logs]
    gate = threading.Barrier(len(logs) + 1)

    def work(log: _Log, seed: float) -> None:
        gate.wait()
        for _ in range(_WRITES):
            _write(chance(seed, log.lost), client, log)

    with ThreadPoolExecutor(len(logs)) as pool:
        done = [pool.submit(work, log, seed) for log, seed in zip(logs, seeds, strict=True)]
        gate.wait()
        time.sleep(random.uniform(0.05, 1.0))
        siem.kill()
        siem.start()
        for one in done:
            one.result()

    listing = client.call("ListDelivery")
    opened = listing.open_logs()
    for log in logs:
        _hold((log.place in opened) is log.acknowledged, f"{log.place} is not kept")
    _hold(_fits(models.ListDeliveryResponseBody, listing.body), "a listing fits no model")
    lost = sum(log.lost for log in logs)

    return Counter({"writes answered": len(logs) * _WRITES, "calls lost in a kill": lost})


def _write(random: Random, client: Client, log: _Log) -> None:
    """Write until there is an answer."""
    opens = random.random() < 1 / 2
    action = "OpenDelivery" if opens else "CloseDelivery"
    model = models.OpenDeliveryResponseBody if opens else models.CloseDeliveryResponseBody
    product, code = log.place
    while True:
        try:
            answer = client.call(action, ProductCode=product, LogCode=code)
        except (OSError, http.client.HTTPException):
            log.lost += 1
            time.sleep(0.05)
            continue
        _hold(answer.data is True, f"{action} was answered with {answer.raw!r}")
        _hold(_fits(model, answer.body), f"{action}: the answer fits no model")
        log.acknowledged = opens
        return


def _fits(model: Any, body: dict[str, Any]) -> bool:
    """Whether the typed SDK's model takes a body up, and loses nothing of it."""
    return _within(body, model().from_map(body).to_map())


def _within(body: object, taken: object) -> bool:
    """Models add what is empty, such as the list of a product that has groups."""
    if isinstance(body, dict) and isinstance(taken, dict):
        return all(name in taken and _within(one, taken[name]) for name, one in body.items())
    if isinstance(body, list) and isinstance(taken, list):
        return len(body) == len(taken) and all(map(_within, body, taken))

    return type(body) is type(taken) and body == taken


def _hold(true: bool, otherwise: str) -> None:
    if not true:
        raise AssertionError(otherwise)


CAMPAIGNS = (
    Campaign(
        name="emulator-signatures",
        claim="The emulator refuses every call of which any byte is other than was signed.",
        rounds=20_000,
        unit="call with one byte changed, of each class in each part",
        run=_signatures,
    ),
    Campaign(
        name="emulator-clients",
        claim=f"With {CLIENTS} clients at once, and killed in the middle, the emulator keeps all"
        " that it answered; its answers fit the models of the typed SDK.",
        rounds=10,
        unit=f"storm of {CLIENTS} clients, each with {_WRITES} writes, and one kill -9",
        run=_clients,
    ),
)
