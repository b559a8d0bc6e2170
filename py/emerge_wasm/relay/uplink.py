"""Which node the relay speaks to: a node that goes is noticed at once, and tried again until it is back.

Each known node has a connection of its own here. When it breaks, the node is gone; when a ping is not answered, the
node hangs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import NamedTuple

import zmq

from ..clients.keys.credential import Credential
from ..clients.keys.handshake import KeyChoice
from ..clients.transports.endpoint import endpoint_here
from ..clients.transports.zeromq import DrainedSocket
from ..cluster.ring_state import read_ring
from ..errors import EmergeError, Unavailable
from ..wire.call import Calls
from ..wire.client import ClientProtocol

log = logging.getLogger("emerge.relay")

LATE = 3  # beats without an answer after which a node counts as gone
FOLLOW = 5  # beats between looks at the ring of the node's cluster
RECONNECT = 100  # milliseconds between ZeroMQ's own attempts


_FAILED = zmq.Event.HANDSHAKE_FAILED_NO_DETAIL | zmq.Event.HANDSHAKE_FAILED_PROTOCOL | zmq.Event.HANDSHAKE_FAILED_AUTH


class LiveNode(NamedTuple):
    """A node that answers: its name, its endpoint, and the key that it showed ("" without keys)."""

    name: str
    endpoint: str
    key: str = ""


class Probe:
    """Watch one endpoint. `changed()` is called whenever `node` turns from None to a node or back."""

    def __init__(
        self, endpoint: str, beat: float, changed: Callable[[], None], credential: Credential | None = None
    ) -> None:
        self.endpoint = endpoint
        self._keys = KeyChoice(credential, endpoint)
        self.node: LiveNode | None = None
        self._beat = beat
        self._changed = changed
        self._calls = Calls(self._send)
        self._calls.protocol = ClientProtocol(heartbeat=0)
        self._wake = asyncio.Event()
        self._connected = False
        self._socket: DrainedSocket | None = None
        self._monitor: DrainedSocket | None = None
        self._again: asyncio.TimerHandle | None = None
        self._followed = 0  # beats since the ring was looked at
        self._told = ""  # why it is refused: once, not at every attempt
        self._open()
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def _open(self) -> None:
        """Connect, with the first of the node's keys; again later when none is known."""
        try:
            self._keys.restart()
        except EmergeError as error:
            self._refused(error)
        else:
            self._connect()

    def _open_later(self) -> None:
        self._again = asyncio.get_running_loop().call_later(self._beat, self._open)

    def _connect(self) -> None:
        socket = make_dealer()
        self._keys.protect(socket)
        monitor = socket.get_monitor_socket(zmq.Event.HANDSHAKE_SUCCEEDED | zmq.Event.DISCONNECTED | _FAILED)
        self._monitor = DrainedSocket(monitor, self._observe)
        socket.connect(self._keys.address)
        self._socket = DrainedSocket(socket, lambda frames: self._calls.receive(frames[-1]))

    def _disconnect(self) -> None:
        if self._socket is not None and self._monitor is not None:
            self._socket.socket.disable_monitor()  # first, or a disconnection just then blocks ZeroMQ for good
            self._monitor.close(0)
            self._socket.close(0)
            self._socket = self._monitor = None

    async def close(self) -> None:
        if self._again is not None:
            self._again.cancel()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._disconnect()

    async def _watch(self) -> None:
        while True:
            self._wake.clear()
            if self._connected:
                await self._ping()
            try:
                async with asyncio.timeout(self._beat if self._connected else None):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def _ping(self) -> None:
        """Ask for a sign of life. When this process stands still and hears nobody, that costs one of the beats."""
        asked = asyncio.ensure_future(self._calls.call("_zerorpc_ping", []))
        try:
            for _ in range(LATE):
                await asyncio.wait([asked], timeout=self._beat)
                if asked.done():
                    break
            answer = asked.result()
        except (EmergeError, asyncio.InvalidStateError):  # it failed, or is not there yet
            self._set(None)
        else:
            name = answer[1] if isinstance(answer, list) and len(answer) == 2 else self.endpoint
            self._set(LiveNode(str(name), self.endpoint, self._keys.current))
            await self._follow_ring()
        finally:
            asked.cancel()

    async def _follow_ring(self) -> None:
        """Take the ring of the node's cluster into the relay's own: new keys of nodes, and what was revoked."""
        credential, self._followed = self._keys.credential, self._followed + 1
        if credential is None or self._followed % FOLLOW != 1:
            return
        try:
            async with asyncio.timeout(LATE * self._beat):
                ring = read_ring(await self._calls.call("_cluster_ring", [0, []]))
            credential.ring.follow({}, ring.entries)
        except (EmergeError, TimeoutError) as error:
            log.debug("the ring of the node at %s is not followed: %s", self.endpoint, error)

    def _observe(self, frames: list[bytes]) -> None:
        event = int.from_bytes(frames[0][:2], "little")
        if event == zmq.Event.HANDSHAKE_SUCCEEDED and self._keys.needs_new_name:
            self._disconnect()
            self._open()
            return
        self._connected = event == zmq.Event.HANDSHAKE_SUCCEEDED
        if not self._connected:
            self._calls.lose(Unavailable("the node went away"))
            self._set(None)
        else:
            self._keys.fits()
        self._wake.set()
        if event & _FAILED and self._keys.credential is not None:
            self._refused(self._keys.refused() if event == zmq.Event.HANDSHAKE_FAILED_AUTH else self._keys.unproven())

    def _refused(self, error: EmergeError) -> None:
        """Try the next of the node's keys; after the last, all of them a beat later."""
        self._disconnect()
        if self._keys.again():
            self._connect()
            return
        if str(error) != self._told:
            self._told = str(error)
            log.warning("%s; trying again", error)
        self._open_later()

    def _set(self, node: LiveNode | None) -> None:
        if node is not None and not self._connected:
            return
        if node != self.node:
            self.node = node
            self._changed()

    def _send(self, payload: bytes) -> None:
        try:
            if self._socket is not None:
                self._socket.send([b"", payload])
                return
        except zmq.ZMQError:
            pass
        raise Unavailable(f"no node answers at {self.endpoint}")


class Uplink:
    """Choose the node to use (`node`) among endpoints: the first in order that answers, kept while it does.

    With a `credential` the nodes are called by key.
    """

    def __init__(self, endpoints: Iterable[str], beat: float, credential: Credential | None = None) -> None:
        self.node: LiveNode | None = None
        self._credential = credential
        self._endpoints = list(endpoints)
        self._beat = beat
        self._probes: dict[str, Probe] = {}
        self._listeners: set[Callable[[], None]] = set()
        self._closing: set[asyncio.Future[None]] = set()

    def start(self) -> None:
        """Begin to watch, in the running loop."""
        self.look_at(self._endpoints)

    async def close(self) -> None:
        self.look_at([])
        await asyncio.gather(*self._closing)

    def look_at(self, endpoints: Iterable[str]) -> None:
        """Choose among these from now on, in this order: the cluster's members, for example."""
        self._endpoints = list(dict.fromkeys(endpoints))
        for endpoint in self._endpoints:
            if endpoint not in self._probes:
                self._probes[endpoint] = Probe(endpoint, self._beat, self._choose, self._credential)
        for endpoint in [endpoint for endpoint in self._probes if endpoint not in self._endpoints]:
            closing = asyncio.ensure_future(self._probes.pop(endpoint).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._choose()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever `node` changes. Calling the result ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def open_dealer(self, node: LiveNode) -> zmq.Socket[bytes]:
        """Connect a socket to a node that answers."""
        socket = make_dealer()
        if self._credential is not None:
            self._credential.protect(socket, node.key)
        choice = KeyChoice(self._credential, node.endpoint)
        if choice.local is not None:
            choice.local.show(socket)
        socket.connect(endpoint_here(choice.address))
        return socket

    def missing(self) -> str:
        """Say which node is out of reach."""
        return f"no node answers at {' or '.join(self._endpoints) or 'any known address'}"

    def _choose(self) -> None:
        here = [probe.node for name in self._endpoints if (probe := self._probes.get(name)) and probe.node]
        node = self.node if self.node in here else next(iter(here), None)
        if node != self.node:
            if node is not None:
                log.info("the relay uses node %s at %s", node.name, node.endpoint)
            elif self._endpoints:  # none are left when the relay stops
                log.warning("%s; trying again", self.missing())
            self.node = node
            for listener in list(self._listeners):
                listener()


def make_dealer() -> zmq.Socket[bytes]:
    """Make a DEALER for a node. The limit of requests under way bounds its queues."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    options = {zmq.SNDHWM: 0, zmq.LINGER: 0, zmq.RECONNECT_IVL: RECONNECT, zmq.IPV6: 1}
    for option, value in options.items():
        socket.setsockopt(option, value)
    return socket
