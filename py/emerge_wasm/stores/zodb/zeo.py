"""A ZODB behind a ZEO server. Must not import asyncio (ZEO has a loop and a thread of its own)."""

from __future__ import annotations

import errno
import re
import time

from ZEO.ClientStorage import ClientStorage
from ZEO.Exceptions import ClientDisconnected, ServerException

from ...errors import EmergeError, Invalid, LimitExceeded, Unavailable
from .location import ZODBLocation

_ADDRESS = re.compile(r"(?P<host>\[[^]/]+\]|[^:/]+):(?P<port>\d{1,5})(/(?P<storage>[^/]+)?)?")
FAILURES: tuple[type[Exception], ...] = (OSError,)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_POLL = 0.0005  # seconds between looks whether an invalidation has come
_LATEST = 5.0  # seconds for it to come, after the server said what it has committed
_DOUBT = 0.05  # seconds for it to come before the server is asked whether there is such a transaction


class CurrentStorage(ClientStorage):  # type: ignore[misc]  # ZEO has no types
    """A client of a ZEO server whose transactions begin with all that the server had committed before.

    ZEO's own `server_sync` waits for a round trip, which the server can answer before it sends the invalidations of a
    commit that it has acknowledged already. So this asks for the server's last transaction and waits until it is known.

    A server that was killed between vote and commit cuts that transaction off its file when it starts, and names it as
    the last one all the same, until there is a next. Nobody ever sends it: waiting for it would end all work. So when
    nothing comes, this asks which transactions there are since the last one known; a server has them listed before it
    names them.
    """

    _cut_off: bytes | None = None  # a transaction that the server names and does not have

    def sync(self) -> None:
        """Wait until the server's last transaction is known here. ZODB calls this when a transaction begins.

        Raises:
            ClientDisconnected: the server does not answer, or does not say what has changed.
        """
        last = self._call("lastTransaction")
        began, doubt = time.monotonic(), _DOUBT
        while (known := self.lastTransaction()) < last != self._cut_off:
            waited = time.monotonic() - began
            if waited > _LATEST:
                raise ClientDisconnected("the server does not say what has changed")
            if waited > doubt:
                doubt *= 2
                if (news := self._call("getInvalidations", known)) and news[0] <= known:
                    self._cut_off = last
            time.sleep(_POLL)


def open_storage(location: ZODBLocation) -> ClientStorage:
    """Connect to a server, waiting for one that is away."""
    match = _ADDRESS.fullmatch(location.address)
    if match is None or int(match["port"]) > 65535:
        raise Invalid(f"zodb://{location.address} names no ZEO server", remedy="write zodb://host:port/storage")
    return CurrentStorage(
        (match["host"].strip("[]"), int(match["port"])),
        storage=match["storage"] or "1",
        wait_timeout=location.wait,
    )


def refused(error: Exception) -> bool:
    """Return False: a ZEO server does not tell at which step a commit failed."""
    return False


def to_emerge_error(error: Exception, location: ZODBLocation) -> EmergeError | None:
    """Return the EmergeError for an error of the connection, or of the server."""
    if isinstance(error, ServerException):
        return _error_there(error, location)
    if isinstance(error, ClientDisconnected | OSError):
        return Unavailable(
            f"{location.name} does not answer",
            remedy="start it, and see that it serves a storage of that name, for writing",
        )
    return None


def _error_there(error: ServerException, location: ZODBLocation) -> EmergeError | None:
    """Return the EmergeError for an error that the server met, of which it sends class name and arguments."""
    match error.args:
        case [str(kind), [int(number), *_]] if kind.endswith("OSError") and number in _NO_ROOM:
            return LimitExceeded(
                f"no room is left for {location.name}",
                remedy="free some disk space there, then try again",
                limit="disk space",
            )
    return None
