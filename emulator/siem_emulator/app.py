"""The wire: HTTP requests in, HTTP responses out. The only importer of aiohttp.

The API is served at `/`, what tests and people control it with under `/_siem/`. `serve` is called
by `command.py` for a process of its own and by `server.py` for a thread in a test.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from . import control, damage
from .answers import Answer, Collateral, Origin
from .client import is_loopback
from .control import PREFIX, Ask, Reply
from .errors import InternalError
from .faults import Meeting
from .service import Arrival, Service
from .wire import Call

GRACE_S = 0.1
"""How long calls in flight may take when the server stops; a hanging one would take forever."""

MEETING_LOOK_S = 0.005
"""How often a call that waits for others looks whether they have arrived."""

BACKLOG = 1024
"""Connections that may wait to be accepted: async SDK clients open one per call."""


def _is_our_mistake(record: logging.LogRecord) -> bool:
    """Only these deserve a traceback."""
    error = record.exc_info[1] if record.exc_info else None
    # What is no HTTP was answered with 400; who left in the middle wants no answer.
    return not isinstance(error, HttpProcessingError | ConnectionError)


_LOGGER = logging.getLogger("siem_emulator")
_LOGGER.addFilter(_is_our_mistake)


class NotLoopbackError(ValueError):
    """The emulator was asked to listen where others could reach it."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens."""

    host: str
    port: int
    tls: bool = False

    @property
    def netloc(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.netloc}"


@asynccontextmanager
async def serve(
    service: Service,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Address]:
    """Listen until the block ends.

    Raises:
        NotLoopbackError: The host is not this machine alone.
        OSError: The port is taken.
    """
    if not is_loopback(host):
        raise NotLoopbackError(f"The emulator listens on loopback only, not on {host}.")
    # The name may stand for two addresses, and two free ports would be two different ones.
    host = "127.0.0.1" if host == "localhost" else host
    later: set[asyncio.Task[None]] = set()
    server = web.Server(partial(_handle, service, later), access_log=None, logger=_LOGGER)
    runner = web.ServerRunner(server, shutdown_timeout=GRACE_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls, backlog=BACKLOG)
        await site.start()
        bound = runner.addresses[0]
        yield Address(bound[0], bound[1], tls=tls is not None)
    finally:
        await runner.cleanup()
        for task in later:
            task.cancel()
        await asyncio.gather(*later, return_exceptions=True)


async def _handle(
    service: Service, later: set[asyncio.Task[None]], request: web.BaseRequest
) -> web.StreamResponse:
    if request.raw_path.startswith(PREFIX):
        return await _control(service, request)

    return await _api(service, later, request)


# --- the API -------------------------------------------------------------------------------------


async def _api(
    service: Service, later: set[asyncio.Task[None]], request: web.BaseRequest
) -> web.StreamResponse:
    arrival = service.arrive(await _call(request))
    if arrival.rule and arrival.meeting:
        await _meet(arrival.meeting, seconds=arrival.rule.seconds)
    half_s = service.settings.latency_ms / 2000
    if half_s:
        await asyncio.sleep(half_s)
    answer = await _answer(service, arrival)
    if answer.collateral and answer.collateral.delay:
        task = asyncio.create_task(_close_later(service, answer.collateral, service.resets))
        later.add(task)
        task.add_done_callback(later.discard)
    if half_s:
        await asyncio.sleep(half_s)
    service.finish(arrival, answer)

    return await _send(request, answer)


async def _meet(meeting: Meeting, *, seconds: float) -> None:
    """Wait until all calls of a meeting have arrived, but not for ever."""
    until = asyncio.get_running_loop().time() + seconds
    # Rules are cleared from any thread, so this looks from time to time.
    while not meeting.is_over and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110
        await asyncio.sleep(MEETING_LOOK_S)
    meeting.leave()


async def _close_later(service: Service, collateral: Collateral, resets: int) -> None:
    """Close what closes with a call, unless the emulator was reset after that many resets."""
    await asyncio.sleep(collateral.delay)
    if service.resets == resets and service.close_collateral(collateral):
        with contextlib.suppress(
            OSError
        ):  # nobody waits for an answer; the next commit tries again
            await asyncio.to_thread(service.commit)


async def _call(request: web.BaseRequest) -> Call:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        lower = name.lower()
        headers[lower] = f"{headers[lower]},{value}" if lower in headers else value

    return Call(
        method=request.method,
        target=request.raw_path,
        headers=headers,
        body=await request.read() if request.body_exists else b"",
        source=request.remote or "",
    )


async def _answer(service: Service, arrival: Arrival) -> Answer:
    answer = service.answer(arrival)
    if not answer.changed or not service.journal:
        return answer
    try:
        await asyncio.to_thread(service.commit)
    except OSError:  # the disk is full, say: what is not kept is not acknowledged
        return Origin(host=arrival.call.headers.get("host", "")).error(InternalError())

    return answer


async def _send(request: web.BaseRequest, answer: Answer) -> web.StreamResponse:
    rule = answer.damage
    transport = request.transport
    if rule and damage.is_damage(rule) and transport:
        await damage.do(transport, answer, rule)
        return web.Response()  # goes nowhere: the connection is closed

    return web.Response(
        status=answer.status,
        body=answer.body,
        headers={**answer.headers, "Content-Type": answer.content_type},
    )


# --- the control calls ---------------------------------------------------------------------------


async def _control(service: Service, request: web.BaseRequest) -> web.StreamResponse:
    ask = Ask(
        method=request.method,
        target=request.raw_path,
        host=request.headers.get("Host", ""),
        origin=request.headers.get("Origin", ""),
        body=await request.read() if request.body_exists else b"",
    )
    reply: Reply = control.reply(service, ask)
    if service.journal and request.method != "GET":
        await asyncio.to_thread(service.commit)

    return web.Response(
        status=reply.status,
        body=reply.body,
        headers={"Content-Type": reply.content_type, **reply.headers},
    )
