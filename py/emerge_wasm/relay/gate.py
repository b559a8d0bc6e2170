"""Whether a WebSocket may come in: session, Origin, subprotocol, room. Decided before it is accepted."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection

from ..clients.websocket import SUBPROTOCOL
from ..node.rest_gate import own_origins
from .session import Sessions


def cookie_name(connection: HTTPConnection) -> str:
    """Cookies are not kept apart by port, so the name is."""
    return f"emerge-{_port(connection)}"


def refusal(connection: HTTPConnection, sessions: Sessions, host: str, origins: Iterable[str]) -> str:
    """Why this WebSocket may not come in; "" when it may."""
    headers: Headers = connection.headers
    origin = headers.get("origin")
    if origin is not None and origin not in own_origins(connection, host, origins):
        return f"pages from {origin[:100]} may not use this relay"
    by_token = sessions.knows_bearer(headers.get("authorization"))
    by_cookie = origin is not None and sessions.knows_cookie(connection.cookies.get(cookie_name(connection)))
    if not (by_token or by_cookie):
        return "no session: open the link that the relay printed, or send Authorization: Bearer with its token"
    if SUBPROTOCOL not in connection.scope.get("subprotocols", ()):
        return f"this relay speaks the subprotocol {SUBPROTOCOL} only"
    return ""


def _port(connection: HTTPConnection) -> int:
    server = connection.scope.get("server")
    return int(server[1]) if server and server[1] else 80
