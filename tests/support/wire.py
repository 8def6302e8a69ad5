"""A wire that can be cut: a TCP proxy in front of a server, which passes on, refuses, or hangs."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_CHUNK: Final = 65_536


class Wire:
    """Passes connections on to a port while it is `whole`; else takes them and says nothing."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.whole = True
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """From now on nothing gets through, and nobody is told."""
        self.whole = False

    def mend(self) -> None:
        """From now on connections pass again; those that hang are dropped."""
        self.whole = True
        for each in self._open:
            each.close()
        self._open.clear()

    def close(self) -> None:
        """No more."""
        self._listener.close()
        self.mend()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        if not self.whole:
            self._open.append(client)
            return
        with suppress(OSError), client, socket.create_connection(("127.0.0.1", self._target)) as server:
            selector = selectors.DefaultSelector()
            selector.register(client, selectors.EVENT_READ, server)
            selector.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in selector.select():
                    said = key.fileobj.recv(_CHUNK)  # type: ignore[union-attr] # both are sockets
                    if not said:
                        return
                    if self.whole:
                        key.data.sendall(said)


@contextmanager
def wire(port: int) -> Iterator[Wire]:
    """A wire to a port, for the time of the block."""
    made = Wire(port)
    try:
        yield made
    finally:
        made.close()
