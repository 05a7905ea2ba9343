"""Faults of the connection: what no well-behaved server would send, written to the socket by hand.

Called by `app.py` when a fault of such a kind struck. Each closes the connection, so that nothing
it broke can be taken for part of the next answer.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus

from .answers import Answer
from .faults import Kind, Rule

SHORT_BY = 10
"""By how much wrong_length understates the length of the body."""

DROPS = 100
"""Into how many pieces slow_drip cuts a body that has so many bytes."""

LOOK_S = 0.05
"""How often a hanging call looks whether its caller has left."""


def is_damage(rule: Rule | None) -> bool:
    return rule is not None and rule.kind in _DAMAGES


async def do(transport: asyncio.Transport, answer: Answer, rule: Rule) -> None:
    """Break the connection as the rule says."""
    await _DAMAGES[rule.kind](transport, answer, rule)
    if rule.kind in (Kind.HALF_BODY, Kind.WRONG_LENGTH, Kind.SLOW_DRIP):
        transport.close()
    else:
        transport.abort()


async def _nothing(transport: asyncio.Transport, answer: Answer, rule: Rule) -> None:
    del transport, answer, rule


async def _half(transport: asyncio.Transport, answer: Answer, rule: Rule) -> None:
    del rule
    transport.write(_head(answer, len(answer.body)) + answer.body[: len(answer.body) // 2])


async def _cut(transport: asyncio.Transport, answer: Answer, rule: Rule) -> None:
    del rule
    announced = max(len(answer.body) - SHORT_BY, 0)
    transport.write(_head(answer, announced) + answer.body)


async def _drip(transport: asyncio.Transport, answer: Answer, rule: Rule) -> None:
    # Who has the whole body is not to send its next call into the close that follows.
    closing = dataclasses.replace(answer, headers={**answer.headers, "Connection": "close"})
    transport.write(_head(closing, len(answer.body)))
    size = -(-len(answer.body) // DROPS) or 1
    for start in range(0, len(answer.body), size):
        if transport.is_closing():
            return
        transport.write(answer.body[start : start + size])
        await asyncio.sleep(rule.seconds / DROPS)


async def _hang(transport: asyncio.Transport, answer: Answer, rule: Rule) -> None:
    del answer
    until = asyncio.get_running_loop().time() + rule.seconds
    # A transport has no event for its end, so this looks from time to time.
    while asyncio.get_running_loop().time() < until and not transport.is_closing():  # noqa: ASYNC110
        await asyncio.sleep(LOOK_S)


def _head(answer: Answer, length: int) -> bytes:
    lines = [
        f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}",
        f"Content-Type: {answer.content_type}",
        f"Content-Length: {length}",
        *(f"{name}: {value}" for name, value in answer.headers.items()),
    ]

    return ("\r\n".join(lines) + "\r\n\r\n").encode()


_Damage = Callable[[asyncio.Transport, Answer, Rule], Awaitable[None]]

_DAMAGES: Mapping[Kind, _Damage] = {
    Kind.DROP_BEFORE: _nothing,
    Kind.DROP_AFTER: _nothing,
    Kind.HALF_BODY: _half,
    Kind.WRONG_LENGTH: _cut,
    Kind.SLOW_DRIP: _drip,
    Kind.HANG: _hang,
}
