"""Whether a WebSocket may connect: its session, Origin and subprotocol, checked before it is accepted."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from ..clients.transports.websocket import SUBPROTOCOL
from ..rest.gate import bearer, own_origins
from ..rest.guess import note_guess
from .session import RelayCaller, Sessions


def cookie_name(connection: HTTPConnection) -> str:
    """The name of the session's cookie, with the port: browsers share cookies between ports."""
    return f"emerge-{_port(connection)}"


class WebSocketRefused(Exception):
    """A WebSocket may not connect; the message says why."""


def admit(connection: HTTPConnection, sessions: Sessions, host: str, origins: Iterable[str]) -> RelayCaller:
    """Return who opens this WebSocket.

    Raises:
        WebSocketRefused: they may not.
    """
    headers: Headers = connection.headers
    origin = headers.get("origin")
    if origin is not None and origin not in own_origins(connection, host, origins):
        raise WebSocketRefused(f"pages from {origin[:100]} may not use this relay")
    caller = sessions.by_bearer(headers.get("authorization"))
    if caller is None and origin is not None:
        caller = sessions.by_cookie(connection.cookies.get(cookie_name(connection)))
    if caller is None:
        if bearer(connection) is not None:
            note_guess(connection)
        raise WebSocketRefused(
            "no session: open the link that the relay printed, or send Authorization: Bearer with its token"
        )
    if SUBPROTOCOL not in connection.scope.get("subprotocols", ()):
        raise WebSocketRefused(f"this relay speaks the subprotocol {SUBPROTOCOL} only")
    return caller


def _port(connection: HTTPConnection) -> int:
    server = connection.scope.get("server")
    return int(server[1]) if server and server[1] else 80
