"""The transport to a node over ZeroMQ: a DEALER socket whose descriptor asyncio watches, and its monitor.

Can be imported where zmq is not installed (Pyodide): zmq is imported when a socket is made. Knows zerorpc's events
through `wire`, and nothing of operations.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Any, Self, cast

from ...errors import EmergeError, Invalid, PermissionDenied, Unavailable
from ...operations import Values, Wire
from ...wire.call import Calls
from ...wire.client import ClientProtocol
from ...wire.event import HEARTBEAT_SECONDS, SIZE_LIMIT
from ..fork import leave_behind, renew_in_child
from ..keys.handshake import KeyChoice
from ..package import missing_package
from .failover import Unsent

if TYPE_CHECKING:
    import zmq

    from ..keys.credential import Credential

log = logging.getLogger("emerge.clients")

BATCH = 256
"""Most messages read from a socket in one turn of the loop."""

_FAILED = {0x0800: "hung up", 0x2000: "other protocol", 0x4000: "unknown"}
"""zmq.Event.HANDSHAKE_FAILED_NO_DETAIL, _PROTOCOL and _AUTH."""

UNCOPIED = 256 << 10
"""Bytes from which on a frame is lent to ZeroMQ, which is dearer than to copy a small one."""

UNKNOWN = "it is unknown whether a change was made: look before you repeat it"

MOVE_SECONDS = 10.0
"""How long to wait for a node that is about to end the connection, to show another key."""

LINGER = 200
"""Milliseconds that a closed socket keeps trying to send its messages."""


class DrainedSocket:
    """Calls `receive(frames)` for each message that arrives on `socket`, until closed. Owns the socket.

    Watching the descriptor is about three times as fast as `zmq.asyncio`. It is edge-triggered: it signals a change
    only once, so the socket is drained after each wake-up and after each send.
    """

    def __init__(
        self,
        socket: zmq.Socket[bytes],
        receive: Callable[[list[bytes]], None],
        after: Callable[[], None] = lambda: None,
    ) -> None:
        """`after` is called when all messages that had arrived were received."""
        import zmq

        self.socket = socket
        self._again = zmq.Again
        # pyzmq's own multipart methods spend more on flags and options that are Enum members than on the message
        self._last, self._more = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
        self._events, self._readable = int(zmq.EVENTS), int(zmq.POLLIN)
        self._look = cast(Callable[[int], int], socket.get)
        self._send_frame = cast(Callable[[bytes, int, bool], object], super(zmq.Socket, socket).send)
        self._receive = receive
        self._after = after
        self._loop = asyncio.get_running_loop()
        self._fd: int = socket.FD
        self._scheduled = False
        self.draining = False
        """Whether messages that had arrived are being received."""
        self.closed = False
        self._loop.add_reader(self._fd, self._drain, True)
        self.drain_soon()

    def send(self, frames: list[bytes]) -> None:
        """Send without waiting. Raises zmq.Again when no peer can take it now, zmq.ZMQError when the peer is gone."""
        try:
            self.send_one(frames)
        finally:
            self.drain_soon()

    def send_one(self, frames: list[bytes]) -> None:
        """Send as `send` does, one of several: call `look` after the last one."""
        send, more = self._send_frame, self._more
        for frame in frames[:-1]:
            send(frame, more, len(frame) < UNCOPIED)
        send(frames[-1], self._last, len(frames[-1]) < UNCOPIED)

    def look(self) -> None:
        """Drain the socket soon if something has arrived: what was sent may have hidden its signal."""
        if not self._scheduled and not self.closed and self._look(self._events) & self._readable:
            self.drain_soon()

    def drain_soon(self) -> None:
        """Drain the socket in the loop's next turn."""
        if not self._scheduled and not self.closed:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def close(self, linger: int = LINGER) -> None:
        """Stop reading and close the socket."""
        if not self.closed:
            self.closed = True
            self._loop.remove_reader(self._fd)
            self.socket.close(linger)

    def _take(self, first: zmq.Frame) -> None:
        """Look at the first frame of a message before it is received."""

    def _drain(self, signalled: bool = False) -> None:
        self._scheduled = False
        self.draining = True
        try:
            self._drain_batch(signalled)
        finally:
            self.draining = False
            self._after()

    def _drain_batch(self, signalled: bool) -> None:
        receive_frame, receive, last = self.socket.recv, self._receive, self._last
        for count in range(BATCH):
            if self.closed:
                return
            # an exception is twice as dear as to look first, for one message or none; for many, once is cheaper
            if count < 2 and (count or not signalled) and not self._look(self._events) & self._readable:
                break
            try:
                frame = receive_frame(last, False)  # not its bytes: the frame knows whether there are more
            except self._again:
                break
            self._take(frame)
            frames = [frame.bytes]
            while frame.more:
                frame = receive_frame(last, False)
                frames.append(frame.bytes)
            try:
                receive(frames)
            except BaseException:
                self.drain_soon()  # what waits is told of once
                raise
        if count > 1:
            self.drain_soon()  # after the callbacks that these messages scheduled, in the same turn of the loop


class ZeroMQTransport:
    """Calls a node over ZeroMQ (an `operations.Transport`).

    `endpoint` is tcp://host:port. `patience` is how long (s) a node may take to accept the connection; a refused one
    raises Unavailable at once. It reconnects by itself. Use it on one event loop.

    With a `credential` the connection is encrypted, and the node must show one of the keys known for the endpoint;
    with `node`, one of the node of that name.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        heartbeat: float = HEARTBEAT_SECONDS,
        patience: float = 2.0,
        limit: int = SIZE_LIMIT,
        credential: Credential | None = None,
        node: str = "",
    ) -> None:
        self.endpoint = endpoint
        self._keys = KeyChoice(credential, endpoint, node)
        self._patience = patience
        self._beside: dict[str, ZeroMQTransport] = {}
        self._make_protocol = partial(ClientProtocol, heartbeat=heartbeat, limit=limit, peer=f"the node at {endpoint}")
        self._begin()
        renew_in_child(self)

    def _begin(self) -> None:
        self._calls = Calls(self._send, self._make_protocol(), self._send_frames)
        self._socket: DrainedSocket | None = None
        self._monitor: DrainedSocket | None = None
        self._connected = False
        self._connections = 0  # that were made so far
        self._hung_up = self._excused = False
        self._waiting: list[asyncio.Future[None]] = []

    def renew(self) -> None:
        """Reset in a forked child: the next call reconnects. ZeroMQ's sockets cannot be used there."""
        leave_behind(self._calls, self._socket, self._monitor, self._waiting)
        self._begin()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> Self:
        """Connect now rather than at the first call. Raises Unavailable, and closes, when no node answers."""
        try:
            await self.connect()
        except BaseException:
            await self.close()
            raise
        return self

    @property
    def connected(self) -> bool:
        """Whether the node is connected now."""
        return self._connected

    @property
    def node(self) -> str:
        """The name of the node that answers here, as the ring says whose key it showed; "" without keys."""
        return self._keys.owner()

    async def call(self, name: str, args: Values, context: Wire | None = None, *, unopened: bool = False) -> Any:
        """Run an operation that answers once; `unopened`: its result is in its bytes, to be passed on.

        Raises the EmergeError it failed with; Unavailable when unreachable.
        """
        while True:
            if not self._connected:
                await self.connect()
            before = self._connections
            try:
                return await self._calls.call(name, args, context, unopened=unopened)
            except Unavailable as error:
                await self._come_again(before, error)
            except PermissionDenied as error:
                raise self._keys.explain(error) from None

    async def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        """Run an operation that streams; closing the iterator ends it on the other side."""
        while True:
            if not self._connected:
                await self.connect()
            before = self._connections
            try:
                async with aclosing(self._calls.stream(name, args, context)) as items:
                    async for item in items:
                        yield item
                return
            except Unavailable as error:
                await self._come_again(before, error)
            except PermissionDenied as error:
                raise self._keys.explain(error) from None

    async def _come_again(self, before: int, error: Unavailable) -> None:
        """Wait for the connection after the one on which a node said that it is about to show another key.

        Raises:
            Unavailable: this error, when it says something else or no new connection comes.
        """
        if not error.details.get("moved"):  # else nothing was done
            raise error
        loop = asyncio.get_running_loop()
        until = loop.time() + MOVE_SECONDS
        while self._connections == before:
            if loop.time() > until:
                raise error
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """End calls under way with Unavailable and close the sockets. Idempotent."""
        self._calls.lose(Unavailable(f"the connection to {self.endpoint} was closed", remedy=UNKNOWN, unknown=True))
        self._wake(Unavailable(f"the connection to {self.endpoint} was closed"))
        self._close_sockets()
        for each in self._beside.values():
            await each.close()

    def _close_sockets(self) -> None:
        if self._socket is not None and self._monitor is not None:
            # first: a monitor that nobody reads would block ZeroMQ's thread, and so every socket of this process
            self._socket.socket.disable_monitor()
            self._monitor.close()
            self._socket.close()
        self._socket = self._monitor = None
        self._connected = False

    def beside(self, endpoint: str, node: str) -> ZeroMQTransport:
        """Return a transport with the same key to another node, of that name. It is closed with this one."""
        if endpoint not in self._beside:
            named = node if self._keys.credential is not None else ""
            self._beside[endpoint] = ZeroMQTransport(
                endpoint, patience=self._patience, credential=self._keys.credential, node=named
            )
        return self._beside[endpoint]

    async def connect(self) -> None:
        """Wait until the node is connected, if it is not; nothing was sent when that fails.

        Raises:
            Unavailable: none answers, or none with a key that is known.
            PermissionDenied: the node does not know the key of this side, or wants one.
        """
        if self._connected:
            return
        if self._socket is None:
            self._keys.restart()
            self._open_sockets()
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        try:
            async with asyncio.timeout(self._patience):
                await future
        except TimeoutError:
            raise self._unanswered() from None
        finally:
            if future in self._waiting:
                self._waiting.remove(future)

    def _open_sockets(self) -> None:
        try:
            import zmq
        except ImportError as error:
            raise missing_package(error, "node") from None

        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        # IMMEDIATE: never queue a request and send it to a node that appears later, after the caller gave up.
        options = {zmq.IMMEDIATE: 1, zmq.SNDHWM: 0, zmq.RCVHWM: 0, zmq.LINGER: LINGER, zmq.IPV6: 1}
        for option, value in options.items():
            socket.setsockopt(option, value)
        self._keys.protect(socket)
        seen = zmq.Event.HANDSHAKE_SUCCEEDED | zmq.Event.CONNECT_RETRIED | zmq.Event.DISCONNECTED
        failed = zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | zmq.Event.HANDSHAKE_FAILED_PROTOCOL
        monitor = socket.get_monitor_socket(seen | failed | zmq.Event.HANDSHAKE_FAILED_AUTH)
        try:
            socket.connect(self._keys.address)
        except zmq.ZMQError as error:
            socket.disable_monitor()
            monitor.close(0)
            socket.close(0)
            raise Invalid(f"{self.endpoint!r} is no endpoint: {error}", remedy="write tcp://host:port") from None
        self._monitor = DrainedSocket(monitor, self._observe)
        self._socket = DrainedSocket(socket, self._receive)

    def _send(self, payload: bytes) -> None:
        self._send_frames([payload])

    def _send_frames(self, payload: list[bytes]) -> None:
        import zmq

        if self._socket is None:
            raise self._unanswered()
        try:
            self._socket.send([b"", *payload])
        except zmq.ZMQError:
            raise self._unanswered() from None

    def _receive(self, frames: list[bytes]) -> None:
        self._calls.receive(frames[-1] if len(frames) < 3 else frames[1:])

    def _observe(self, frames: list[bytes]) -> None:
        """Handle an event of the connection's monitor."""
        import zmq

        seen = int.from_bytes(frames[0][:2], "little")
        if seen == zmq.Event.HANDSHAKE_SUCCEEDED and self._keys.needs_new_name:
            self._open_anew()
        elif seen == zmq.Event.HANDSHAKE_SUCCEEDED:
            self._connected, self._hung_up, self._excused = True, False, False
            self._connections += 1
            self._keys.fits()
            log.info("connected to the node at %s", self.endpoint)
            self._wake(None)
        elif seen == zmq.Event.CONNECT_RETRIED:
            if not self._excused:
                self._hung_up = False
                self._wake(self._unanswered())
            self._excused = False
        elif seen in _FAILED:
            self._refused(_FAILED[seen])
        elif seen == zmq.Event.DISCONNECTED:
            self._connected = False
            log.warning("the node at %s went away; a new connection is tried by itself", self.endpoint)
            self._calls.lose(
                Unavailable(
                    f"the node at {self.endpoint} went away while this was under way",
                    remedy=UNKNOWN,
                    unknown=True,
                )
            )

    def _open_anew(self) -> None:
        self._close_sockets()
        self._keys.restart()
        self._open_sockets()

    def _refused(self, how: str) -> None:
        """Handle a handshake that failed: try the node's other keys, or tell those who wait why."""
        plain = self._keys.credential is None
        if plain and how == "hung up" and not self._hung_up:
            # a node that wants a key does that, and so does one that just stops; the next attempt tells
            self._hung_up = self._excused = True
        elif plain and how == "hung up":
            self._wake(self._keys.hung_up())
        elif plain or how == "unknown":
            self._close_sockets()
            self._wake(self._keys.refused())
        elif self._keys.again():
            self._close_sockets()
            self._open_sockets()
        else:
            self._close_sockets()
            self._wake(self._keys.unproven())

    def _wake(self, error: EmergeError | None) -> None:
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None) if error is None else future.set_exception(error)

    def _unanswered(self) -> Unavailable:
        return Unsent(f"no node answers at {self.endpoint}", remedy="start one with `emerge node start`")
