"""Ports on the loopback address, found without a race: what we take, we hold from then on."""

from __future__ import annotations

import socket

from dev.terminal import StackError

LOOPBACK = "127.0.0.1"
LOOK_AHEAD = 200
"""How many ports after the wished one are tried before giving up."""


def listen(port: int) -> socket.socket:
    """A socket that listens on ``port`` (0: any free one). Raises OSError where somebody else does.

    Early connections wait in its backlog until somebody serves them.
    """
    server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((LOOPBACK, port))
        server.listen(128)
    except OSError:
        server.close()
        raise
    return server


def listen_from(wished: int, *, exactly: bool, name: str) -> socket.socket:
    """Listen on the wished port or, unless it must be ``exactly`` that one, on the next free one.

    Raises:
        StackError: when nothing is free; ``name`` is the setting that moves the port.
    """
    last = wished if exactly else wished + LOOK_AHEAD
    for port in range(wished, min(last, 65535) + 1):
        try:
            return listen(port)
        except PermissionError as exc:
            raise StackError(f"port {port} needs more rights than we have: choose another with {name}=N") from exc
        except OSError:
            continue
    raise StackError(f"port {wished} is taken: choose another with {name}=N, or leave {name} out")


def port_of(server: socket.socket) -> int:
    """The port that a listening socket got."""
    port: int = server.getsockname()[1]
    return port


def is_free(port: int) -> bool:
    """Whether nobody listens on ``port`` now. Somebody may take it the next moment."""
    try:
        listen(port).close()
    except OSError:
        return False
    return True
