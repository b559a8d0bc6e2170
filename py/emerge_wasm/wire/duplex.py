"""Both ends of the protocol on one connection, for a host and an untrusted worker that call each other.

A host (a node, a page's kernel) calls a worker and answers the requests of its code. Only events that the protocol
allows are accepted from the worker; any other is Invalid, and the host ends the worker. Sans-I/O, without a clock:
neither side sends heartbeats, since a computing worker may be silent for any time.
"""

from __future__ import annotations

from typing import Self

from ..errors import EmergeError, Invalid
from . import event
from .client import ClientProtocol, Reply, ReplyKind
from .event import END, ERR, LARGEST, MORE, OK, STREAM, STREAM_DONE, Event, Header, Ids
from .server import ChannelEnded, CreditGranted, RequestRefused, ServerChannels, ServerRequest

PIECES = 100_000
"""Most items before the result of a host's call: pieces of output, whose credit is never renewed."""
LATE = 4
"""Late events allowed per answered request: grants and the end of a stream that has just ended."""
LEFT = 8192
"""Calls that were given up whose answers are known when they come: more than are under way at once."""
_ANSWERS = frozenset({OK, ERR, STREAM, STREAM_DONE})

DuplexAction = Reply | ServerRequest | CreditGranted | ChannelEnded


class Duplex:
    """The channels of both directions: `client` holds those that this side opened, `server` those of the other side."""

    def __init__(self, client: ClientProtocol, server: ServerChannels, *, believes: bool = False) -> None:
        self.client = client
        client.left = LEFT
        self.server = server
        self._cost = None if believes else server.cost
        self._requests = 0

    @classmethod
    def of_host(cls, *, requests: int, limit: int = LARGEST) -> Self:
        """Make the host's end. `requests` bounds the worker's requests under way, `limit` an event's bytes."""
        ids = Ids(fresh=True)  # what is left of a call cannot know the channel of the next one
        return cls(
            ClientProtocol(heartbeat=0, limit=limit, credit=PIECES, ids=ids),
            ServerChannels(heartbeat=0, limit=limit, each=requests, total=2 * requests, ids=ids),  # it is one account
        )

    @classmethod
    def of_worker(cls, *, limit: int = LARGEST) -> Self:
        """Make the worker's end. It believes its host, which has checked what it encoded."""
        ids = Ids()
        return cls(
            ClientProtocol(heartbeat=0, limit=limit, ids=ids),
            ServerChannels(heartbeat=0, limit=limit, credit=PIECES, ids=ids),
            believes=True,
        )

    def receive(self, payload: bytes) -> DuplexAction | None:
        """Take an event and return the action that it asks for; None for one that comes late.

        Raises:
            Invalid: the other side must not send this: it is malformed, on no channel, or exceeds its credit.
        """
        try:
            found = event.decode(payload, self.client.limit, self._cost)
        except EmergeError as error:
            raise Invalid(f"it sent what cannot be read: {error.message}") from None
        key = found.header.get("response_to")
        if isinstance(key, bytes) and key in self.client:
            return self._reply(key, found)
        if found.name in _ANSWERS:
            if self.client.late(key, found):
                return None
            raise Invalid("it answered what it was not asked")
        return self._serve(found, len(payload)) if key is None else self._follow(found)

    def _reply(self, key: bytes, found: Event) -> Reply:
        if found.name not in _ANSWERS or (found.name == OK and not _holds_one(found.args)):
            raise Invalid(f"it answered with {found.name[:80]!r}")
        if found.name == ERR and not _is_error(found.header):
            raise Invalid("it sent an impossible error")
        reply = self.client.take(key, found, 0)
        if found.name == STREAM and reply.kind is ReplyKind.ERROR:
            raise Invalid("it sent more than it was granted")
        return reply

    def _serve(self, found: Event, size: int) -> ServerRequest:
        if found.header.get("message_id") in self.client:
            raise Invalid("it took a channel that is not its own")
        action = self.server.take("", found, 0, size)
        if isinstance(action, RequestRefused):
            raise Invalid(f"it asked for what it must not: {action.reason.message}")
        if not isinstance(action, ServerRequest):
            raise Invalid("it asked twice on one channel, or on none")
        self._requests += 1
        return action

    def _follow(self, found: Event) -> CreditGranted | ChannelEnded | None:
        action = self.server.take("", found, 0) if found.name in (END, MORE) else None
        if isinstance(action, (CreditGranted, ChannelEnded)):
            return action
        if found.name not in (END, MORE) or self.server.dropped > LATE * self._requests:
            raise Invalid("it sent what belongs to no request of its own")
        return None


def _holds_one(args: object) -> bool:
    return isinstance(args, list) and len(args) == 1


def _is_error(header: Header) -> bool:
    """Return whether a header has an error that `error_from_wire` can read."""
    match header.get("error"):
        case {
            "code": str(),
            "message": str(),
            "path": str() | None,
            "remedy": str() | None,
            "details": dict() as details,
        }:
            return all(isinstance(name, str) and name not in ("message", "path", "remedy", "self") for name in details)
    return False
