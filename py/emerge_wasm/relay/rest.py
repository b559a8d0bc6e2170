"""The relay's HTTP routes to its node's operations: the node's own (`node.rest_app`), with the relay's sessions.

Unlike the WebSocket's events, requests are opened here, to be turned from JSON into what the node speaks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import HTTPConnection

from ..clients.transports.zeromq import ZeroMQTransport
from ..context import UMASK
from ..errors import Unavailable
from ..operations import Answer, Context, Wire, find_operation
from ..rest.app import RequestLimits, Rest
from ..rest.gate import check_origin, unknown
from .gate import cookie_name
from .session import Sessions
from .settings import RelaySettings
from .uplink import Uplink


class RestRelay:
    """The application to mount, and its connection to the node that is here now."""

    def __init__(self, settings: RelaySettings, sessions: Sessions, uplink: Uplink) -> None:
        self._settings = settings
        self._sessions = sessions
        self._uplink = uplink
        self._transport: ZeroMQTransport | None = None
        self._closing: set[asyncio.Future[None]] = set()
        self.limits = RequestLimits(body=settings.limits.message, beat=5 * settings.beat)
        self.app = Rest(self.dispatch, self.admit, self.limits)

    def admit(self, connection: HTTPConnection) -> Context:
        """Who asks: a page of ours with its session's cookie, or a program or principal with a token."""
        check_origin(connection, self._settings.host, self._settings.origins)
        caller = self._sessions.by_bearer(connection.headers.get("authorization"))
        if caller is None and _is_page(connection):
            caller = self._sessions.by_cookie(connection.cookies.get(cookie_name(connection)))
        if caller is None:
            raise unknown("a token of this relay, or open the link that it printed")
        return caller.context

    def dispatch(self, name: str, args: list[Any], context: Context) -> Answer:
        """Ask the node, on behalf of whoever asks here."""
        transport = self._connection()
        if find_operation(name).streams:
            items: AsyncIterator[Any] = transport.stream(name, args, context_of(context))
            return items
        return transport.call(name, args, context_of(context))

    async def close(self) -> None:
        """Tell those whose requests are under way, and let go of the node."""
        self.app.stop()
        self._leave()
        await asyncio.gather(*self._closing)

    def _connection(self) -> ZeroMQTransport:
        """To the node that the relay speaks to now; Unavailable when there is none."""
        place = self._uplink.place
        if place is None:
            raise Unavailable(self._uplink.missing(), remedy="the relay reconnects by itself; try again then")
        if self._transport is None or self._transport.endpoint != place.endpoint:
            self._leave()
            self._transport = ZeroMQTransport(place.endpoint, limit=self._settings.limits.message)
        return self._transport

    def _leave(self) -> None:
        if self._transport is not None:
            closing = asyncio.ensure_future(self._transport.close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            self._transport = None


def context_of(context: Context) -> Wire | None:
    """What a call tells the node of who asks; the relay itself is whoever the node takes it for."""
    wanted: Wire = {}
    if context.transaction:
        wanted["transaction"] = context.transaction
    if context.umask != UMASK:
        wanted["umask"] = context.umask
    if not context.superuser:
        wanted |= {"as": context.principal, "groups": list(context.groups)}
    return wanted


def _is_page(connection: HTTPConnection) -> bool:
    """Whether a browser says that it is a page of ours that asks (a foreign one was refused by then)."""
    headers = connection.headers
    return "origin" in headers or headers.get("sec-fetch-site") in ("same-origin", "none")
