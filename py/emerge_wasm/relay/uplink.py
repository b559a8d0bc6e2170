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

from ..clients.transports.zeromq import DrainedSocket
from ..errors import EmergeError, Unavailable
from ..wire.call import Calls
from ..wire.client import ClientProtocol

log = logging.getLogger("emerge.relay")

LATE = 3  # beats without an answer after which a node counts as gone
RECONNECT = 100  # milliseconds between ZeroMQ's own attempts


class LiveNode(NamedTuple):
    """A node that answers: its name and its endpoint."""

    name: str
    endpoint: str


class Probe:
    """Watch one endpoint. `changed()` is called whenever `node` turns from None to a node or back."""

    def __init__(self, endpoint: str, beat: float, changed: Callable[[], None]) -> None:
        self.endpoint = endpoint
        self.node: LiveNode | None = None
        self._beat = beat
        self._changed = changed
        self._calls = Calls(self._send)
        self._calls.protocol = ClientProtocol(heartbeat=0)
        self._wake = asyncio.Event()
        self._connected = False
        self._open()
        self._task = asyncio.get_running_loop().create_task(self._watch())

    def _open(self) -> None:
        socket = open_dealer(self.endpoint, connect=False)
        monitor = socket.get_monitor_socket(zmq.Event.HANDSHAKE_SUCCEEDED | zmq.Event.DISCONNECTED)
        self._monitor = DrainedSocket(monitor, self._observe)
        socket.connect(self.endpoint)
        self._socket = DrainedSocket(socket, lambda frames: self._calls.receive(frames[-1]))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._socket.socket.disable_monitor()  # first, or a disconnection just then blocks ZeroMQ for good
        self._monitor.close(0)
        self._socket.close(0)

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
            self._set(LiveNode(str(name), self.endpoint))
        finally:
            asked.cancel()

    def _observe(self, frames: list[bytes]) -> None:
        event = int.from_bytes(frames[0][:2], "little")
        self._connected = event == zmq.Event.HANDSHAKE_SUCCEEDED
        if not self._connected:
            self._calls.lose(Unavailable("the node went away"))
            self._set(None)
        self._wake.set()

    def _set(self, node: LiveNode | None) -> None:
        if node is not None and not self._connected:
            return
        if node != self.node:
            self.node = node
            self._changed()

    def _send(self, payload: bytes) -> None:
        try:
            self._socket.send([b"", payload])
        except zmq.ZMQError:
            raise Unavailable(f"no node answers at {self.endpoint}") from None


class Uplink:
    """Choose the node to use (`node`) among endpoints: the first in order that answers, kept while it does."""

    def __init__(self, endpoints: Iterable[str], beat: float) -> None:
        self.node: LiveNode | None = None
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
                self._probes[endpoint] = Probe(endpoint, self._beat, self._choose)
        for endpoint in [endpoint for endpoint in self._probes if endpoint not in self._endpoints]:
            closing = asyncio.ensure_future(self._probes.pop(endpoint).close())
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
        self._choose()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` whenever `node` changes. Calling the result ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

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


def open_dealer(endpoint: str, *, connect: bool = True) -> zmq.Socket[bytes]:
    """Make a DEALER for this endpoint. The limit of requests under way bounds its queues."""
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    options = {zmq.SNDHWM: 0, zmq.LINGER: 0, zmq.RECONNECT_IVL: RECONNECT, zmq.IPV6: 1}
    for option, value in options.items():
        socket.setsockopt(option, value)
    if connect:
        socket.connect(endpoint)
    return socket
