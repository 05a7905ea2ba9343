"""An emulator in a thread of this process, for tests.

    with EmulatorServer(world=World.build(logs=60), latency_ms=100) as siem:
        ...  # call siem.url with an SDK
        assert len(siem.calls_of("OpenDelivery")) == 3

All helpers may be used from any thread while calls come in.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .app import Address, serve
from .calls import KEPT, CallLog, Counts, Received, SideEffect
from .catalog import EVERY_LOG, Place
from .control import Ask, reply
from .faults import Faults, Rule
from .fields import FieldError
from .journal import Journal
from .service import Service
from .settings import Settings
from .state import Panel, State
from .world import Key, Region, View, World, demo_world

STOP_S = 10
"""How long stopping may take before the thread is left to itself."""


class EmulatorServer:
    """One emulated cloud, listening on a port of its own while the block lasts.

    Args:
        world: Where it starts; the demo world if not given.
        state_file: Where it keeps its state; in memory if not given.
        tls: Makes it speak HTTPS.
        port: The port; a free one if 0.
        calls_kept: How many calls the log holds.
        **settings: The fields of `Settings`.
    """

    def __init__(
        self,
        world: World | None = None,
        *,
        state_file: Path | None = None,
        tls: ssl.SSLContext | None = None,
        port: int = 0,
        calls_kept: int = KEPT,
        **settings: Any,
    ) -> None:
        self.service = Service(
            world or demo_world(),
            settings=Settings().with_changes(settings),
            journal=Journal(state_file) if state_file else None,
            calls_kept=calls_kept,
        )
        self._tls = tls
        self._port = port
        self._address: Address | None = None
        self._thread: _ServerThread | None = None

    # --- its life --------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen; returns when calls are answered."""
        self._thread = _ServerThread(self.service, port=self._port, tls=self._tls)
        self._address = self._thread.start()
        self._port = self._address.port

        return self

    def stop(self) -> None:
        """Stop listening; open connections are closed. `start` listens on the same port again."""
        if self._thread:
            self._thread.stop()
            self._thread = None

    def close(self) -> None:
        """Stop, and let the state file go."""
        self.stop()
        if self.service.journal:
            self.service.journal.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # --- where it is -----------------------------------------------------------------------------

    @property
    def address(self) -> Address:
        if self._address is None:
            message = "The emulator has not been started."
            raise RuntimeError(message)

        return self._address

    @property
    def url(self) -> str:
        """E.g. `http://127.0.0.1:41297`."""
        return self.address.url

    @property
    def host(self) -> str:
        """E.g. `127.0.0.1:41297`: what the SDKs call the endpoint."""
        return self.address.netloc

    # --- its parts -------------------------------------------------------------------------------

    @property
    def world(self) -> World:
        return self.service.world

    @property
    def state(self) -> State:
        return self.service.state

    @property
    def calls(self) -> CallLog:
        return self.service.calls

    @property
    def faults(self) -> Faults:
        return self.service.faults

    @property
    def settings(self) -> Settings:
        return self.service.settings

    # --- what tests do with it -------------------------------------------------------------------

    def key(self, account: str | None = None) -> Key:
        """The first key of an account; of the world's first account if none is named."""
        return self.world.accounts[account or self.world.first.id].keys[0]

    def calls_of(self, action: str, *, since: int = 0) -> list[Received]:
        """The calls of one action, oldest first."""
        return self.calls.all(action=action, since=since)

    def effects(self) -> list[SideEffect]:
        """What the service switched by itself, oldest first: the fault `collateral`."""
        return self.calls.effects()

    def counts(self) -> Counts:
        return self.calls.counts()

    def configure(self, **changes: Any) -> None:
        """Change settings."""
        self.service.configure(changes)

    def fault(self, kind: str, **rule: Any) -> None:
        """Script a fault, e.g. `fault("internal_error", action="OpenDelivery", times=2)`."""
        self.service.add_faults([Rule.from_mapping({"kind": kind, **rule})])

    def switch(
        self,
        product: str,
        log: str = EVERY_LOG,
        *,
        state: str = "open",
        **panel: str,
    ) -> int:
        """Switch by hand, whoever may; how many logs changed.

        `panel` says whose switches: account, region, view, member, as in `POST /_siem/switch`.
        """
        answer = self.control("switch", product=product, log=log, state=state, **panel)

        return int(answer["changed"])

    def status(self, product: str, log: str, **panel: str) -> bool:
        """Whether a log is open right now, whatever the lag."""
        return self.state.is_open(self.panel(**panel), (product, log))

    def open_logs(self, **panel: str) -> frozenset[Place]:
        """All logs that are open right now."""
        return self.state.open_places(self.panel(**panel))

    def panel(
        self,
        *,
        account: str | None = None,
        region: str = Region.HANGZHOU,
        view: str = View.ACCOUNT,
        member: str | None = None,
    ) -> Panel:
        """The switches that are meant: the member's own if one is named."""
        owner = member or account or self.world.first.id

        return Panel(owner, Region(region), View(view))

    def control(self, name: str, **fields: object) -> Any:
        """Do what `POST /_siem/<name>` does, without HTTP.

        Raises:
            FieldError: It cannot be done.
        """
        answer = reply(
            self.service,
            Ask(method="POST", target=f"/_siem/{name}", body=json.dumps(fields).encode()),
        )
        value = json.loads(answer.body)
        if answer.status != HTTPStatus.OK:
            raise FieldError(value["error"])
        self.service.commit()

        return value

    def reset(self) -> None:
        """Be as at the start: state, settings, faults, calls."""
        self.service.reset()
        self.service.commit()


class _ServerThread:
    """An event loop in a thread, serving until it is told to stop."""

    def __init__(self, service: Service, *, port: int, tls: ssl.SSLContext | None) -> None:
        self._service = service
        self._port = port
        self._tls = tls
        self._ready = threading.Event()
        self._address: Address | None = None
        self._error: BaseException | None = None
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="siem-emulator", daemon=True)

    def start(self) -> Address:
        self._thread.start()
        self._ready.wait()
        if self._address is None:
            raise self._error or RuntimeError("The emulator did not start.")

        return self._address

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(STOP_S)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as error:  # noqa: BLE001 - `start` raises it where it can be seen
            self._error = error
        finally:
            self._ready.set()
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()

    async def _serve(self) -> None:
        async with serve(self._service, port=self._port, tls=self._tls) as address:
            self._address = address
            self._ready.set()
            await self._stop.wait()
