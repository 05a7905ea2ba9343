"""`cloud-siem emulator start`: the emulator as a process of its own.

Called by `command.py`, which imports this only for `start`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

from . import app
from .fields import FieldError
from .journal import Journal, JournalError, write_atomically
from .service import Service
from .settings import Settings, SettingsError
from .world import demo_world
from .worldfile import load_world


class StartError(RuntimeError):
    """Why the emulator cannot start, in one sentence."""


def start(args: argparse.Namespace) -> None:
    """Listen until SIGINT or SIGTERM.

    Raises:
        StartError: A file or an option cannot be, or the port is taken.
    """
    service = _service(args)
    try:
        asyncio.run(_listen(args, service))
    except OSError as error:
        reason = error.strerror or str(error)
        raise StartError(f"Cannot listen on {args.host}:{args.port}: {reason}.") from error
    finally:
        if service.journal:
            service.journal.close()


def _service(args: argparse.Namespace) -> Service:
    speeds = {"latency_ms": args.latency, "lag_ms": args.lag, "rate": args.rate}
    try:
        return Service(
            load_world(args.seed) if args.seed else demo_world(),
            settings=Settings().with_changes({**speeds, **dict(args.set)}),
            journal=Journal(args.state) if args.state else None,
        )
    except (FieldError, SettingsError, JournalError) as error:
        raise StartError(str(error)) from error
    except OSError as error:
        raise StartError(f"Cannot use {args.state} as state file: {error.strerror}.") from error


async def _listen(args: argparse.Namespace, service: Service) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with app.serve(service, host=args.host, port=args.port) as address:
        with _port_file(args.port_file, address.port):
            print(f"The embedded Cloud SIEM listens on {address.url}", flush=True)
            await stop.wait()


@contextlib.contextmanager
def _port_file(path: Path | None, port: int) -> Iterator[None]:
    """Say where the server listens while it does; never with half a number."""
    if path is None:
        yield
        return
    content = f"{port}\n".encode()
    try:
        write_atomically(path, content)
    except OSError as error:
        raise StartError(f"Cannot write {path}: {error.strerror}.") from error
    try:
        yield
    finally:
        # Another emulator may have taken the name over.
        if path.exists() and path.read_bytes() == content:
            path.unlink()
