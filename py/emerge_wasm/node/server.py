"""The node's server: a ROUTER socket that speaks zerorpc's events, in front of any dispatch.

Only bytes, limits and names here; what an operation does is the dispatch's. Handlers are async and short on the
loop (shipped code runs in other processes), so one never holds up the heartbeats of another.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import deque
from collections.abc import Hashable
from typing import Any
from urllib.parse import urlsplit

import zmq

from ..clients.transports.zeromq import DrainedSocket
from ..errors import Invalid
from ..operations import Answer, Context, Dispatch
from ..wire.answer import Answers
from ..wire.event import HEARTBEAT_SECONDS, SIZE_LIMIT
from ..wire.server import ServerChannels, ServerRequest
from .builtin import answer_builtin

log = logging.getLogger("emerge.node")

QUEUE = 1000
"""Messages kept for a client that does not read: in ZeroMQ, and as many here; then it is given up."""

RETRY_SECONDS = 0.005


class RpcServer:
    """Serves a dispatch over ZeroMQ.

    `bind` is an endpoint; port 0 or * takes a free one (see `endpoint` after `start`). `limit` is the largest
    event in bytes (a longer one closes its sender's connection); `per_client` and `total` bound the requests
    under way. `heartbeat` is in seconds. `context` says who the clients are; a call may narrow it.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        bind: str = "tcp://127.0.0.1:5558",
        *,
        name: str = "emerge",
        heartbeat: float = HEARTBEAT_SECONDS,
        limit: int = SIZE_LIMIT,
        per_client: int = 1024,
        total: int = 8192,
        context: Context | None = None,
    ) -> None:
        self.name = name
        self.endpoint = ""
        self.channels = ServerChannels(heartbeat=heartbeat, limit=limit, per_peer=per_client, total=total)
        self._bind = check_endpoint(bind)
        self._dispatch = dispatch
        self._context = context or Context(via="zeromq")
        self._inner: dict[str, Dispatch] = {}
        self._held: dict[Hashable, deque[bytes]] = {}
        self._socket: DrainedSocket | None = None
        self._answers: Answers | None = None

    def register(self, name: str, handler: Dispatch) -> None:
        """Answer this name, which is outside the users' table (it begins with _), by a handler of the node's own."""
        self._inner[name] = handler

    async def start(self) -> str:
        """Bind and serve; the endpoint that clients connect to. Invalid when the port is taken."""
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.ROUTER)
        options = {
            zmq.ROUTER_MANDATORY: 1,
            zmq.MAXMSGSIZE: self.channels.limit,
            zmq.SNDHWM: QUEUE,
            zmq.RCVHWM: QUEUE,
            zmq.IPV6: int("[" in self._bind),
        }
        for option, value in options.items():
            socket.setsockopt(option, value)
        self.endpoint = bind_socket(socket, self._bind)
        self._answers = Answers(self._handle, self._send, self.channels)
        self._socket = DrainedSocket(socket, self._receive)
        return self.endpoint

    async def stop(self) -> None:
        """Refuse what is under way, let its handlers end, and close the socket; a second call does nothing."""
        if self._answers is not None:
            await self._answers.close()
            self._answers = None
        if self._socket is not None:
            self._socket.close()

    def _receive(self, frames: list[bytes]) -> None:
        if self._answers is None or len(frames) < 2:
            return
        peer: Hashable = frames[0] if len(frames) <= 3 else tuple(frames[:-2])
        self._answers.receive(peer, frames[-1])

    def _handle(self, request: ServerRequest) -> Answer:
        name, args, wanted = request.name, request.args, request.context
        context = self._context.narrowed(wanted) if wanted else self._context
        if name[:1] != "_":
            return self._dispatch(name, args, context)
        inner = self._inner.get(name)
        if inner is not None:
            return inner(name, args, context)
        if name.startswith("_zerorpc_"):
            return _at_once(answer_builtin(self.name, name, args))
        raise Invalid(f"{name[:80]!r} cannot be called", remedy="names that begin with _ are the node's own")

    def _send(self, peer: Hashable, payload: bytes) -> None:
        if peer in self._held:
            self._hold(peer, payload)
            return
        try:
            self._try_send(peer, payload)
        except zmq.Again:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._retry, peer)
            self._hold(peer, payload)

    def _try_send(self, peer: Hashable, payload: bytes) -> None:
        """Send now; zmq.Again when the peer reads too slowly. One that is gone loses what it asked for."""
        if self._socket is None or self._socket.closed:
            return
        try:
            self._socket.send([*peer, b"", payload] if isinstance(peer, tuple) else [peer, b"", payload])  # type: ignore[list-item]  # bytes
        except zmq.Again:
            raise
        except zmq.ZMQError as error:
            log.debug("a client is gone: %s", error)
            self._forget(peer)

    def _hold(self, peer: Hashable, payload: bytes) -> None:
        held = self._held.setdefault(peer, deque())
        held.append(payload)
        if len(held) > QUEUE:
            log.warning("a client does not read its answers: %d are dropped", len(held))
            self._forget(peer)

    def _retry(self, peer: Hashable) -> None:
        held = self._held.get(peer)
        try:
            while held:
                self._try_send(peer, held[0])
                if held:  # it is emptied when the peer is found gone
                    held.popleft()
        except zmq.Again:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._retry, peer)
            return
        self._held.pop(peer, None)

    def _forget(self, peer: Hashable) -> None:
        if (held := self._held.get(peer)) is not None:
            held.clear()
        if self._answers is not None:
            self._answers.lose(peer)


async def _at_once(value: Any) -> Any:
    return value


def check_endpoint(endpoint: str) -> str:
    """The endpoint as ZeroMQ binds it; Invalid for a malformed one, or one that others than this machine reach."""
    remedy = "bind tcp://127.0.0.1:PORT (0 for a free port)"
    try:
        parts = urlsplit(endpoint)
        if parts.scheme in ("ipc", "inproc"):
            return endpoint
        port = endpoint.rpartition(":")[2]
        host = parts.hostname or ""
        if parts.scheme != "tcp" or not (port == "*" or 0 <= int(port) < 65536):
            raise ValueError
    except ValueError:
        raise Invalid(f"{endpoint!r} is no endpoint to bind", remedy=remedy) from None
    if not is_loopback(host):
        raise Invalid(
            f"{endpoint} can be reached from other machines, and this version has no keys to tell who may",
            remedy=remedy,
        )
    return f"tcp://{'[::1]' if ':' in host else host}:{'*' if port in ('*', '0') else port}"


def bind_socket(socket: zmq.Socket[bytes], endpoint: str) -> str:
    """Bind, and the endpoint with its real port; Invalid (and the socket closed) when it is taken."""
    try:
        socket.bind(endpoint.replace("//localhost:", "//127.0.0.1:"))
    except zmq.ZMQError as error:
        socket.close(0)
        if error.errno == zmq.EADDRINUSE:
            raise Invalid(
                f"{endpoint} is taken: another process listens there",
                remedy="stop it (a node, perhaps), or bind another port; 0 takes a free one",
            ) from None
        raise Invalid(f"{endpoint} cannot be bound: {error}", remedy="bind tcp://127.0.0.1:PORT") from None
    bound = socket.getsockopt_string(zmq.LAST_ENDPOINT)
    return bound.rstrip("\0")


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's own, out of reach for others."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
