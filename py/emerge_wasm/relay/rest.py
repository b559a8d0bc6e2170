"""The relay's HTTP routes to its node's operations: those of `rest.app`, with the relay's sessions.

Unlike the events of a WebSocket, requests are opened here: JSON becomes what the node speaks.
"""

from __future__ import annotations

import asyncio

from starlette.requests import HTTPConnection

from ..clients.transports.zeromq import ZeroMQTransport
from ..errors import Unavailable
from ..operations import Answer, Context, Values, Wire, find_operation
from ..rest.app import RequestLimits, RESTApp
from ..rest.gate import check_origin, unknown
from .gate import cookie_name
from .session import Sessions
from .settings import RelaySettings
from .uplink import Uplink


class RESTRelay:
    """Answer the operations over HTTP through the node in use. `app` is the application to mount."""

    def __init__(self, settings: RelaySettings, sessions: Sessions, uplink: Uplink) -> None:
        self._settings = settings
        self._sessions = sessions
        self._uplink = uplink
        self._transport: ZeroMQTransport | None = None
        self._closing: set[asyncio.Future[None]] = set()
        self.limits = RequestLimits(body=settings.limits.message, beat=5 * settings.beat)
        self.app = RESTApp(self.dispatch, self.admit, self.limits)

    def admit(self, connection: HTTPConnection) -> Context:
        """Return who asks: our page with the cookie of its session, or a program or principal with a token.

        Raises:
            HTTPRefused: neither.
        """
        check_origin(connection, self._settings.host, self._settings.origins)
        caller = self._sessions.by_bearer(connection.headers.get("authorization"))
        if caller is None and _is_page(connection):
            caller = self._sessions.by_cookie(connection.cookies.get(cookie_name(connection)))
        if caller is None:
            raise unknown(connection, "a token of this relay, or open the link that it printed")
        return caller.context

    def dispatch(self, name: str, args: Values, context: Context) -> Answer:
        """Ask the node, on behalf of the caller here."""
        transport = self._connection()
        if find_operation(name).streams:
            return transport.stream(name, args, context_of(context))
        return transport.call(name, args, context_of(context))

    async def close(self) -> None:
        """End the requests under way, and the connection to the node."""
        self.app.stop()
        self._leave()
        await asyncio.gather(*self._closing)

    def _connection(self) -> ZeroMQTransport:
        """Return the connection to the node in use.

        Raises:
            Unavailable: there is no node.
        """
        node = self._uplink.node
        if node is None:
            raise Unavailable(self._uplink.missing(), remedy="the relay reconnects by itself; try again then")
        if self._transport is None or self._transport.endpoint != node.endpoint:
            self._leave()
            limit, credential = self._settings.limits.message, self._settings.credential
            self._transport = ZeroMQTransport(node.endpoint, limit=limit, credential=credential)
        return self._transport

    def _leave(self) -> None:
        if self._transport is not None:
            closing = asyncio.ensure_future(self._transport.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._transport = None


def context_of(context: Context) -> Wire | None:
    """The context of a call to the node for a caller here; the operator's needs no name."""
    wanted = context.asked()
    if not context.superuser:
        wanted |= {"as": context.principal, "groups": list(context.groups)}
    return wanted


def _is_page(connection: HTTPConnection) -> bool:
    """Whether a browser says that our own page asks; a foreign page was refused by then."""
    headers = connection.headers
    return "origin" in headers or headers.get("sec-fetch-site") in ("same-origin", "none")
