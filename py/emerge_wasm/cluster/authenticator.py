"""Who may connect to a node's sockets, by key: answers ZeroMQ's questions (ZAP, RFC 27) in the node's own loop.

A socket with keys and nobody to answer these questions would let every key in. So the sockets are made in a ZeroMQ
context that belongs to this, where the answers are bound before any of them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Literal

import zmq

from ..clients.keys.credential import Credential
from ..clients.keys.key_pair import key_bytes, key_text
from ..clients.keys.known_keys import CLIENT, MEMBER, REVOKED, RingEntry
from ..clients.transports.zeromq import DrainedSocket
from .refusal import ALLOWED, Refusals

log = logging.getLogger("emerge.keys")

MEMBERS, ALL = b"members", b"all"
HANDSHAKE = 3000
"""Milliseconds for which a connection may stay without showing a key."""

LOOK_SECONDS = 0.25
"""How often the ring and the own key are looked at, so that what a revoked key still receives ends."""

KeyChange = Literal["ring", "member lost", "key"]

NAMED = 1000  # strangers that the log names, each once

WAIT_SECONDS = 1.0
"""How long a stranger waits for the refusal when too many came from its address."""

WAITING = 1000  # strangers that wait at once; more are hung up on without


class KeyedSocket(DrainedSocket):
    """A socket that tells by whose key each message came: `key` is that of the one being received."""

    def _take(self, first: zmq.Frame) -> None:
        self.key = str(first.get("User-Id"))  # the first frame of a ROUTER has the connection's properties


class Authenticator:
    """Lets the keys of a ring in, to the sockets that it protects; shows that of a credential."""

    def __init__(self, credential: Credential) -> None:
        self.credential = credential
        self.ring = credential.ring
        self.closed = ""
        """Why only members are let in, while that is so."""
        self.is_ready: Callable[[], bool] = lambda: True
        """Whether others know what the ring here says, so that a new key of one's own can be shown."""
        self._context: zmq.Context[zmq.Socket[bytes]] | None = None
        self._answers: DrainedSocket | None = None
        self._watch: asyncio.Task[None] | None = None
        self._shown = ""
        self._known: list[RingEntry] = []
        self._callbacks: list[Callable[[KeyChange], None]] = []
        self._named: set[tuple[str, str]] = set()
        self._refusals = Refusals()
        self.waiting = 0
        """Strangers that wait for their refusal."""

    @property
    def name(self) -> str:
        """The name of the node: whose key it shows."""
        return self.credential.pair.name

    def start(self) -> None:
        """Begin to answer; a second call does nothing.

        Raises:
            Invalid: the own key's file is malformed, or others can read it.
            NotFound: it is not there.
        """
        if self._context is not None:
            return
        self._shown = self.credential.renew().public
        self.credential.pinned = True
        self._known = self.ring.entries()
        self._context = zmq.Context()
        answers: zmq.Socket[bytes] = self._context.socket(zmq.ROUTER)
        answers.bind("inproc://zeromq.zap.01")
        self._answers = DrainedSocket(answers, self._answer)
        self._watch = asyncio.get_running_loop().create_task(self._look())

    def close(self) -> None:
        """Let nobody in any more; call it when the protected sockets are closed."""
        if self._context is None or self._answers is None or self._watch is None:
            return
        self._watch.cancel()
        self._answers.close(0)
        self._context.destroy(200)
        self._context = None
        self.credential.pinned = False

    def socket(self, kind: int, *, members: bool) -> zmq.Socket[bytes]:
        """Make a socket to bind, for members of the cluster alone or for all keys of the ring."""
        assert self._context is not None, "it is not started"
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.setsockopt(zmq.ZAP_DOMAIN, MEMBERS if members else ALL)
        socket.setsockopt(zmq.HANDSHAKE_IVL, HANDSHAKE)
        socket.setsockopt(zmq.CURVE_SERVER, 1)
        self.show(socket)
        return socket

    def show(self, socket: zmq.Socket[bytes]) -> None:
        """Show the key as it is now to who connects from the next `bind` on."""
        pair = self.credential.pair
        socket.setsockopt(zmq.CURVE_PUBLICKEY, key_bytes(pair.public))
        socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)

    def find(self, key: str) -> RingEntry | None:
        """The ring's entry of a key as it is now; None when it is not let in."""
        return self.ring.find(key)

    def on_change(self, callback: Callable[[KeyChange], None]) -> None:
        """Call it with what changed: the ring, that a member is let in no longer, or the own key."""
        self._callbacks.append(callback)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.look()
            except Exception:
                log.exception("what changed with the keys was not acted on")

    def look(self) -> None:
        """Tell what has changed since the last look."""
        before, now = self._known, self.ring.entries()
        if now != before:
            self._known = now
            self._tell("ring")
            clients = _keys(before, CLIENT)  # a key may have come and gone between two looks
            if _keys(before, MEMBER) - _keys(now, MEMBER) or _keys(now, REVOKED) - _keys(before, REVOKED) - clients:
                self._tell("member lost")
        shown = self.credential.renew().public if self.is_ready() else self._shown
        if shown != self._shown:
            self._shown = shown
            self._tell("key")

    def _tell(self, change: KeyChange) -> None:
        for callback in self._callbacks:
            callback(change)

    def _answer(self, frames: list[bytes]) -> None:
        asker, _, version, request, domain, address, _, mechanism, *shown = frames
        key = key_text(shown[0]) if mechanism == b"CURVE" and shown and len(shown[0]) == 32 else ""
        entry = self.ring.find(key)
        known = entry is not None and (domain == ALL or entry.role == MEMBER)
        to = [asker, b"", version, request]
        if known:
            self._say(to, b"200", key)
        else:
            self._refuse(to, key, address.decode("ascii", "replace"))

    def _refuse(self, to: list[bytes], key: str, address: str) -> None:
        loop = asyncio.get_running_loop()
        if self._refusals.add(address, loop.time()) <= ALLOWED:
            self._name(key, address)
            self._say(to, b"400")
        elif self.waiting < WAITING:
            self.waiting += 1
            loop.call_later(WAIT_SECONDS, self._hang_up, to)
        else:
            self._say(to, b"300")

    def _hang_up(self, to: list[bytes]) -> None:
        self.waiting -= 1
        self._say(to, b"300")

    def _say(self, to: list[bytes], status: bytes, key: str = "") -> None:
        """Answer: 200 lets in, 400 refuses for good, 300 for now (the connection ends without a word)."""
        if self._answers is not None and not self._answers.closed:
            self._answers.send([*to, status, b"", key.encode(), b""])

    def _name(self, key: str, address: str) -> None:
        if (key, address) not in self._named and len(self._named) < NAMED:
            self._named.add((key, address))
            log.warning("%s was refused: the ring does not let its key in: %s", address, key or "it has none")


def _keys(entries: list[RingEntry], role: str) -> set[str]:
    return {entry.public for entry in entries if entry.role == role}
