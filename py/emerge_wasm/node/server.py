"""The node's server: a ROUTER socket that speaks zerorpc's events, in front of any dispatch.

It knows bytes, limits and names; the dispatch knows what an operation does. Handlers are async and short on the loop
(shipped code runs in other processes), so one never delays the heartbeats of another.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable
from time import perf_counter

import zmq

from ..clients.keys.known_keys import MEMBER
from ..clients.keys.local_key import LocalKey
from ..clients.transports.endpoint import bind_again, bind_here, bind_socket, check_endpoint, leave_here
from ..clients.transports.zeromq import DrainedSocket
from ..cluster.authenticator import Authenticator, KeyChange, KeyedSocket
from ..errors import EmergeError, Invalid, PermissionDenied, Unavailable
from ..operations import TABLE, Answer, Context, Dispatch, Operation, Values, Wire, find_operation
from ..wire.answer import Answers, AtOnce, PromptAnswer
from ..wire.event import HEARTBEAT_SECONDS, SIZE_LIMIT, Payload, size_of
from ..wire.loop_watch import STALL_SECONDS
from ..wire.server import ServerChannels, ServerRequest
from .at_once import AT_ONCE
from .caller import GUEST, MEMBER_CALL, KeyedPeer, caller_of, revoked

log = logging.getLogger("emerge.node")

QUEUE = 1000
"""Messages kept for a client that does not read: in ZeroMQ, and as many here; then it is given up."""

RETRY_SECONDS = 0.005

ASK = "ask in your own name"
WITHOUT_KEY = "run it as the user who started this node"

NOTICE_SECONDS = 0.25
"""How long at least who asks is told that connections are about to end."""

MOVE_SECONDS = 3.0
"""How long at most calls under way are waited for then."""

FLUSH_SECONDS = 0.05
"""For ZeroMQ's thread to send the last answers."""

ReadAtOnce = Callable[[str, Values, Context], AtOnce | None]
"""The answer to an operation of `AT_ONCE`, where it is there at once."""

PromptStore = Callable[[Values, Context], asyncio.Future[object] | None]
"""The answer to `store` that is to come, where no route makes it."""


class RpcServer:
    """Serve a dispatch over ZeroMQ.

    `bind` is an endpoint; port 0 or * takes a free one (see `endpoint` after `start`). `limit` is the largest
    event in bytes (a longer one closes its sender's connection); `each` and `total` bound the requests under way, of
    one principal and of all. `heartbeat` is in seconds. `context` says who the clients are; a call may narrow it. With
    a `local_key` they are those who show that they can read it, and all others are guests. With `keys` other machines
    may connect too, and each caller is who the ring says, looked up for every message. `read` and `store` answer what
    needs no task, or give None.
    """

    def __init__(
        self,
        dispatch: Dispatch,
        bind: str = "tcp://127.0.0.1:5558",
        *,
        name: str = "emerge",
        heartbeat: float = HEARTBEAT_SECONDS,
        limit: int = SIZE_LIMIT,
        each: int = 1024,
        total: int = 8192,
        context: Context | None = None,
        keys: Authenticator | None = None,
        local_key: LocalKey | None = None,
        read: ReadAtOnce | None = None,
        store: PromptStore | None = None,
        is_superuser: Callable[[str], bool] = lambda name: False,
    ) -> None:
        self.name = name
        self.endpoint = ""
        self.channels = ServerChannels(heartbeat=heartbeat, limit=limit, each=each, total=total, account=self._account)
        self._bind = check_endpoint(bind, keys=keys is not None)
        self._keys = keys
        self._local_key = local_key if keys is None else None
        self._dispatch = dispatch
        self._read_at_once = read
        self._store_promptly = store
        self._is_superuser = is_superuser
        self._context = context or Context(via="zeromq")
        self._inner: dict[str, Dispatch] = {}
        self._ready: list[tuple[Hashable, Payload]] = []
        self._held: dict[Hashable, deque[Payload]] = {}
        self._socket: DrainedSocket | None = None
        self._answers: Answers | None = None
        self._move: asyncio.Task[None] | None = None
        self.stalls = 0
        """Steps that held up the loop for more than STALL_SECONDS."""

    def register(self, name: str, handler: Dispatch) -> None:
        """Answer a name outside the users' table, which begins with _, by a handler of the node's own."""
        self._inner[name] = handler

    async def start(self) -> str:
        """Bind and serve; return the endpoint that clients connect to.

        Raises:
            Invalid: the port is taken, or the key for this machine cannot be kept.
        """
        keys = self._keys
        if keys is not None:
            keys.start()
            keys.on_change(self._follow_keys)
        socket = keys.socket(zmq.ROUTER, members=False) if keys else zmq.Context.instance().socket(zmq.ROUTER)
        options = {
            zmq.ROUTER_MANDATORY: 1,
            zmq.MAXMSGSIZE: self.channels.limit,
            zmq.SNDHWM: QUEUE,
            zmq.RCVHWM: QUEUE,
            zmq.IPV6: int("[" in self._bind),
        }
        for option, value in options.items():
            socket.setsockopt(option, value)
        if self._local_key is not None:
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a name that nobody can guess is its maker's, again and again
            self._local_key.prepare(self._bind)
        self.endpoint = bind_socket(socket, self._bind)
        if self._local_key is not None:
            self._local_key.keep(self.endpoint)
        if keys is None:
            bind_here(socket, self.endpoint)
        self._answers = Answers(
            self._handle,
            self._send_soon,
            self.channels,
            self._send_soon,
            self._read,
            self._tell_stall,
        )
        self._socket = (KeyedSocket if keys else DrainedSocket)(socket, self._receive, self._send_ready)
        return self.endpoint

    async def stop(self) -> None:
        """Refuse what is under way, let its handlers end, and close the socket; a second call does nothing."""
        if self._move is not None:
            self._move.cancel()
            await asyncio.wait([self._move])
        if self._answers is not None:
            await self._answers.close()
            self._send_ready()
            self._answers = None
        if self._socket is not None:
            leave_here(self.endpoint)
            self._socket.close()
            if self._local_key is not None:
                self._local_key.remove()

    def _receive(self, frames: list[bytes]) -> None:
        if self._answers is None or len(frames) < 2:
            return
        route, payload = _envelope(frames)
        peer: Hashable = route[0] if len(route) == 1 else tuple(route)
        if isinstance(self._socket, KeyedSocket) and self._keys is not None:
            peer = KeyedPeer(route[0], self._socket.key)
            if self._keys.find(peer.key) is None:
                self._answers.refuse(peer, revoked(peer.key))
        begun, stalls = perf_counter(), self.stalls
        self._answers.receive(peer, payload)
        if (took := perf_counter() - begun) > STALL_SECONDS and self.stalls == stalls:
            self.stalls += 1
            log.info("an event of %d bytes held up the loop for %.0f ms", size_of(payload), took * 1000)

    def _tell_stall(self, request: ServerRequest, seconds: float) -> None:
        self.stalls += 1
        try:
            who = self._caller(request).narrowed(request.context, self._is_superuser).principal
        except EmergeError:
            who = "?"  # let in no longer, or never
        log.info("%s for %s held up the loop for %.0f ms", request.name[:80], who, seconds * 1000)

    def _handle(self, request: ServerRequest) -> Answer:
        name, args = request.name, request.args
        caller = self._caller(request)
        if name[:1] != "_":
            return self._dispatch(name, args, caller.narrowed(request.context, self._is_superuser))
        inner = self._inner.get(name)
        if inner is not None:
            if self._keys is not None and caller.via != MEMBER_CALL:
                raise PermissionDenied(f"{name[:80]!r} is called by members of the cluster only", remedy=ASK)
            if caller is GUEST:
                raise PermissionDenied(f"{name[:80]!r} is called by nodes of the cluster only", remedy=WITHOUT_KEY)
            return inner(name, args, caller.narrowed(request.context, self._is_superuser))
        if name.startswith("_zerorpc_"):
            return _at_once(answer_builtin(self.name, name, args))
        raise Invalid(f"{name[:80]!r} cannot be called", remedy="names that begin with _ are the node's own")

    def _read(self, request: ServerRequest) -> PromptAnswer | None:
        """The answer to a request that needs no task; None where `_handle` answers."""
        if request.name == "store" and self._store_promptly is not None:
            return self._store_promptly(
                request.args, self._caller(request).narrowed(request.context, self._is_superuser)
            )
        if self._read_at_once is None or request.name not in AT_ONCE:
            return None
        return self._read_at_once(
            request.name, request.args, self._caller(request).narrowed(request.context, self._is_superuser)
        )

    def _caller(self, request: ServerRequest) -> Context:
        if self._move is not None and not self._move.done():
            raise Unavailable(f"node {self.name} is about to show a new key", remedy="connect again", moved=True)
        peer = request.channel.peer
        if self._keys is not None:
            return caller_of(self._keys, peer)
        return self._context if self._local_key is None or self._local_key.lets_in(peer) else GUEST

    def _account(self, peer: Hashable, wanted: Wire | None) -> Hashable:
        """Whom a request is counted for: the principal of a key or, where many call through one program as relays and
        nodes are, the one that it names, whatever their connections; else the connection. All guests are one."""
        if self._local_key is not None and not self._local_key.lets_in(peer):
            return GUEST
        if isinstance(peer, KeyedPeer) and self._keys is not None:
            entry = self._keys.find(peer.key)
            if entry is not None and entry.role != MEMBER:
                return entry.name
        named = wanted.get("as") if wanted else ""
        return named if named and isinstance(named, str) else peer

    def _follow_keys(self, change: KeyChange) -> None:
        """End what those receive who are let in no longer; show a new key, which ends all connections."""
        if self._socket is None or self._answers is None or self._keys is None or self._socket.closed:
            return
        for peer in {channel.peer for channel in self.channels.all()}:
            if isinstance(peer, KeyedPeer) and self._keys.find(peer.key) is None:
                self._answers.refuse(peer, revoked(peer.key))
        if change == "key" and (self._move is None or self._move.done()):
            self._move = asyncio.get_running_loop().create_task(self._show_new_key())

    async def _show_new_key(self) -> None:
        """Bind anew when what is under way is done, or takes too long; who asks meanwhile is told to connect again."""
        assert self._socket is not None and self._answers is not None and self._keys is not None
        await asyncio.sleep(NOTICE_SECONDS)
        await self._answers.wait(MOVE_SECONDS)
        await asyncio.sleep(FLUSH_SECONDS)
        self._keys.show(self._socket.socket)
        bind_again(self._socket.socket, self.endpoint)
        self._socket.drain_soon()

    def _send_soon(self, peer: Hashable, payload: Payload) -> None:
        """Send with all that is answered in this turn of the loop: one by one, each would wake ZeroMQ's thread."""
        self._ready.append((peer, payload))
        if len(self._ready) > 1 or (self._socket is not None and self._socket.draining):
            return
        if len(self.channels):
            asyncio.get_running_loop().call_soon(self._send_ready)
        else:  # nobody else waits for an answer
            self._send_ready()

    def _send_ready(self) -> None:
        if not self._ready:
            return
        ready, self._ready = self._ready, []
        for peer, payload in ready:
            self._send(peer, payload)
        if self._socket is not None:
            self._socket.look()

    def _send(self, peer: Hashable, payload: Payload) -> None:
        if peer in self._held:
            self._hold(peer, payload)
            return
        try:
            self._try_send(peer, payload)
        except zmq.Again:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._retry, peer)
            self._hold(peer, payload)

    def _try_send(self, peer: Hashable, payload: Payload) -> None:
        """Send now. A peer that is gone loses what it asked for.

        Raises:
            zmq.Again: the peer reads too slowly.
        """
        if self._socket is None or self._socket.closed:
            return
        if isinstance(peer, bytes):
            route = [peer]
        else:
            route = [peer.route] if isinstance(peer, KeyedPeer) else list(peer) if isinstance(peer, tuple) else []
        try:
            frames = [payload] if isinstance(payload, bytes) else payload
            self._socket.send_one([*route, b"", *frames])
        except zmq.Again:
            raise
        except zmq.ZMQError as error:
            log.debug("a client is gone: %s", error)
            self._forget(peer)

    def _hold(self, peer: Hashable, payload: Payload) -> None:
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
        finally:
            if self._socket is not None:
                self._socket.look()
        self._held.pop(peer, None)

    def _forget(self, peer: Hashable) -> None:
        if (held := self._held.get(peer)) is not None:
            held.clear()
        if self._answers is not None:
            self._answers.lose(peer)


def _envelope(frames: list[bytes]) -> tuple[list[bytes], Payload]:
    """Return who sent a message, and the event in it: behind an empty frame, where there is one."""
    if len(frames) == 3 and not frames[1]:
        return frames[:1], frames[2]
    at = frames.index(b"", 1) if b"" in frames[1:-1] else len(frames) - 1
    payload = frames[at + 1 :]
    return frames[:at], payload[0] if len(payload) == 1 else payload or frames[-1]


async def _at_once(value: object) -> object:
    return value


# --- what zerorpc's own command line and monitors ask of any server
def answer_builtin(server: str, name: str, args: Values) -> object:
    """Answer a built-in of zerorpc for the server of that name: `_zerorpc_ping`, `_zerorpc_list`…

    Raises:
        Invalid: there is no such built-in, or it takes other arguments.
    """
    plain: dict[str, Callable[[], object]] = {
        "_zerorpc_ping": lambda: ["pong", server],
        "_zerorpc_name": lambda: server,
        "_zerorpc_list": lambda: list(TABLE),
        "_zerorpc_inspect": lambda: {"name": server, "methods": {row.name: _inspect(row) for row in TABLE.values()}},
    }
    of_method: dict[str, Callable[[Operation], object]] = {
        "_zerorpc_help": lambda row: row.doc,
        "_zerorpc_args": _argspec,
    }
    if name in plain and not args:
        return plain[name]()
    if name in of_method and len(args) == 1:
        (method,) = args
        return of_method[name](find_operation(method))
    raise Invalid(f"{name[:80]} cannot be called like this", remedy="see _zerorpc_list for what can be called")


def _inspect(row: Operation) -> dict[str, object]:
    parameters = row.parameters
    shown = [{"name": p.name} if p.default is p.empty else {"name": p.name, "default": p.default} for p in parameters]
    return {"args": shown, "doc": row.doc}


def _argspec(row: Operation) -> list[object]:
    """The arguments as zerorpc tells them: [names, varargs, keywords, defaults]."""
    return [[parameter.name for parameter in row.parameters], None, None, row.defaults]
