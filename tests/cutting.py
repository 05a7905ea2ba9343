"""A proxy between a program and a server on loopback that cuts connections at drawn bytes."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from typing import Self

_NEVER = 1 << 60


class CuttingProxy:
    """Passes bytes on, and cuts every connection sooner or later, in one direction or the other.

    Args:
        upstream: ``host:port`` of the server.
        seed: Decides in which direction, and at which byte each connection is cut.
        furthest: The last byte of a connection at which it may be cut.
    """

    def __init__(self, upstream: str, *, seed: int, furthest: int = 60_000) -> None:
        host, _, port = upstream.rpartition(":")
        self._upstream = (host, int(port))
        self._random = random.Random(seed)  # noqa: S311 - a seed, not a secret
        self._furthest = furthest
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._pumps: list[threading.Thread] = []
        self._ends: list[socket.socket] = []
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.cuts = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()
        for end in self._ends:
            _hang_up(end)
        for pump in self._pumps:
            pump.join()
        for end in self._ends:
            end.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            server = socket.create_connection(self._upstream)
            self._ends += [client, server]
            # As often within the first hundred bytes as within the next thousand, and so on.
            cut = int(self._furthest ** self._random.random())
            limits = [(cut, _NEVER), (_NEVER, cut)][self._random.random() < 0.5]
            for source, sink, limit in ((client, server, limits[0]), (server, client, limits[1])):
                pump = threading.Thread(target=self._pump, args=(source, sink, limit))
                pump.start()
                self._pumps.append(pump)

    def _pump(self, source: socket.socket, sink: socket.socket, left: int) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data[:left])
                if len(data) >= left:
                    self.cuts += 1
                    break
                left -= len(data)
        for end in (source, sink):
            _hang_up(end)


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
