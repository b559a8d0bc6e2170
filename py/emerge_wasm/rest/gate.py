"""Which HTTP requests are admitted: by Origin, by token, by the host name that was called.

A browser lets any page call 127.0.0.1, so being on this machine is not enough.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from ..errors import EmergeError, PermissionDenied
from ..operations import Context
from .guess import note_guess

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class HTTPRefused(Exception):
    """A request is refused with a status that its error's code does not give."""

    def __init__(self, status: int, error: EmergeError, **headers: str) -> None:
        super().__init__(str(error))
        self.status, self.error, self.headers = status, error, headers


class Gate:
    """Tell who sent a request to a node. `token` "" admits whoever reaches the address, but no foreign pages; with
    `guests`, so does any other, as nobody in particular."""

    def __init__(
        self, context: Context, token: str, host: str, origins: Iterable[str], *, guests: bool = False
    ) -> None:
        self._guest = Context(via="guest") if guests else None
        self._context = context
        self._token = token.encode()
        self._host = host
        self._origins = tuple(origin.rstrip("/") for origin in origins)
        names = (urlsplit(origin).hostname or "" for origin in self._origins)
        self._names = LOOPBACK | {host, *names}

    def admit(self, connection: HTTPConnection) -> Context:
        """Return who asks; HTTPRefused for a foreign page or without the token."""
        check_origin(connection, self._host, self._origins)
        shown = bearer(connection)
        if self._token and not (self._guest and shown is None):
            if shown is None or not hmac.compare_digest(shown.encode("utf-8", "replace"), self._token):
                raise unknown(connection, "the node's token")
        elif host_name(connection) not in self._names:  # a page whose name was turned to this machine's address
            raise HTTPRefused(403, PermissionDenied("this node has another name", remedy="call it by 127.0.0.1"))
        elif self._guest is not None:
            return self._guest
        return self._context


def unknown(connection: HTTPConnection, what: str) -> HTTPRefused:
    """Make the refusal of a caller without valid credentials; a token that is none counts as a guess."""
    if bearer(connection) is not None:
        note_guess(connection)
    error = PermissionDenied("who asks is not known", remedy=f"send Authorization: Bearer with {what}")
    return HTTPRefused(401, error, **{"www-authenticate": "Bearer"})


def check_origin(connection: HTTPConnection, host: str, more: Iterable[str]) -> None:
    """Refuse the requests of pages of another origin; programs send no Origin."""
    origin = connection.headers.get("origin")
    foreign = origin is not None and origin not in own_origins(connection, host, more)
    if foreign or not _fetched_here(connection, origin):
        whose = (origin or "elsewhere")[:100]
        raise HTTPRefused(403, PermissionDenied(f"pages from {whose} may not ask here", remedy="ask from a program"))


def own_origins(connection: HTTPConnection, host: str, more: Iterable[str]) -> set[str]:
    """The addresses at which a browser can have loaded our page, never taken from what the browser says."""
    server = connection.scope.get("server")
    port = int(server[1]) if server and server[1] else 80
    hosts = {"127.0.0.1", "localhost", "[::1]", f"[{host}]" if ":" in host else host}
    found = {f"http://{name}:{port}" for name in hosts} | {origin.rstrip("/") for origin in more}
    return found | ({f"http://{name}" for name in hosts} if port == 80 else set())


def bearer(connection: HTTPConnection) -> str | None:
    """Read the token of an Authorization header."""
    scheme, _, shown = connection.headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" else None


def host_name(connection: HTTPConnection) -> str:
    """Read the host name that the request calls."""
    try:
        return urlsplit(f"//{connection.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _fetched_here(connection: HTTPConnection, origin: str | None) -> bool:
    """Whether our own page asks, as a browser says also of a GET without Origin, or a program."""
    site = connection.headers.get("sec-fetch-site")
    return origin is not None or site in (None, "same-origin", "none")
