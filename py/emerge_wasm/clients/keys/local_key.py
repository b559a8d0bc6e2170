"""The key by which programs of a node's user are known to it on their machine: a file that nobody else can read.

A node makes a new key whenever it starts, and keeps it under the address where it listens. A client shows that it can
read it by the name of its connection (ZeroMQ's routing id): some random bytes, and their hash with the key and the
address. So no call carries more than before, and whoever listens there after the node learns nothing of use. Over HTTP
the key itself is the token. What a short command needs is imported where it is used.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ...errors import Invalid, PermissionDenied
from ...private_file import replace_private

if TYPE_CHECKING:
    import zmq

FOLDER = "EMERGE_LOCAL_KEYS"
"""The environment variable that names another folder for these files."""

MARK, DICE, HASH = b"E1", 14, 16
"""What a proof begins with, how many random bytes follow, and how many of a hash."""

SEEN = 4096
"""How many names of connections are remembered as proofs."""


def folder() -> str:
    """Return the folder of the keys of this user's nodes."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.environ.get(FOLDER) or os.path.join(state, "emerge", "nodes")


class LocalAddress:
    """An address on this machine, as a client names it, and the key of the node there, if this user can read it."""

    def __init__(self, address: str) -> None:
        self._stated = address
        self.key = b""
        self.refresh()

    def refresh(self) -> bool:
        """Read the key anew; tell whether it is another one."""
        before = self.key
        found = [(key, form) for form in _forms(self._stated) if (key := _read(file_of(form)))]
        self.key, self.address = found[0] if found else (b"", self._stated)
        return self.key != before

    @property
    def token(self) -> str:
        """The key as it is now, as the token that HTTP shows; "" without one."""
        self.refresh()
        return self.key.decode("ascii", "replace")

    @property
    def proof(self) -> bytes:
        """A new name for a connection, which shows that its maker has the key; b"" without one."""
        if not self.key:
            return b""
        dice = os.urandom(DICE)
        return MARK + dice + _hash(self.key, self.address, dice)

    def show(self, socket: zmq.Socket[bytes]) -> None:
        """Name the connection that a socket is about to make."""
        if proof := self.proof:
            import zmq

            socket.setsockopt(zmq.ROUTING_ID, proof)

    def explain(self, error: PermissionDenied) -> PermissionDenied:
        """Add to an error what a guest can do about it."""
        if self.key or not _is_here(self._stated) or "local_key" in error.details:
            return error
        looked = file_of(_forms(self._stated)[0])
        remedy = (
            f"you are a guest there, as the node's key was not found in {looked}: run this as the user who started the"
            f" node, name the folder of its key in {FOLDER}, or show a key or token of your own"
        )
        more = {**error.details, "local_key": looked}
        return PermissionDenied(error.message, path=error.path, remedy=f"{error.remedy}; {remedy}", **more)


class LocalKey:
    """The key of a server that is about to listen: made, kept in its file while it runs, and asked of callers."""

    def __init__(self) -> None:
        import secrets

        self.text = secrets.token_urlsafe(32)
        self.file = ""
        self._address = ""
        self._seen: set[bytes] = set()

    def prepare(self, bind: str) -> None:
        """Keep the key before the server listens at a port that is known and free, so that nobody comes too early.

        Raises:
            Invalid: the file cannot be written.
        """
        if bind.rpartition(":")[2] not in ("*", "0") and _is_free(bind):
            self.keep(_forms(bind)[0])

    def keep(self, address: str) -> None:
        """Keep the key for the address where the server listens.

        Raises:
            Invalid: the file cannot be written.
        """
        if self._address != address:
            self._address, self.file = address, file_of(address)
            _write(self.file, self.text)

    def lets_in(self, name: object) -> bool:
        """Tell whether the name of a connection shows that its maker has the key."""
        if name in self._seen:
            return True
        if not isinstance(name, bytes) or len(name) != len(MARK) + DICE + HASH or not name.startswith(MARK):
            return False
        import hmac

        dice = name[len(MARK) : len(MARK) + DICE]
        known = hmac.compare_digest(_hash(self.text.encode(), self._address, dice), name[-HASH:])
        if known:
            if len(self._seen) >= SEEN:
                self._seen.clear()
            self._seen.add(name)
        return known

    def remove(self) -> None:
        """Remove the file, unless another server has taken its place."""
        if self.file and _read(self.file) == self.text.encode():
            os.unlink(self.file)
        self.file = self._address = ""


def file_of(address: str) -> str:
    """Return the file of the key of whoever listens at an address: tcp://HOST:PORT, or http://HOST:PORT."""
    host = address.partition("://")[2].partition("/")[0].partition("?")[0]
    return os.path.join(folder(), "-".join(part.strip("[]") for part in host.rsplit(":", 1)))


def _forms(address: str) -> list[str]:
    """Return what an address can be called where a server listens: it never listens at a name."""
    scheme, _, rest = address.partition("://")
    rest = rest.partition("/")[0].partition("?")[0]
    host, colon, port = rest.partition(":")
    hosts = ("127.0.0.1", "[::1]") if host == "localhost" else (host,)
    return [f"{scheme}://{each}{colon}{port}" for each in hosts]


def _is_here(address: str) -> bool:
    from ..transports.endpoint import host_of, is_loopback

    return is_loopback(host_of(f"tcp://{address.partition('://')[2].partition('/')[0]}"))


def _hash(key: bytes, address: str, dice: bytes) -> bytes:
    from hashlib import blake2b

    return blake2b(dice + address.encode(), key=key, digest_size=HASH).digest()


def _read(file: str) -> bytes:
    try:
        with open(file, "rb") as opened:
            return opened.read(64)
    except OSError:
        return b""


def _is_free(bind: str) -> bool:
    """Tell whether nobody listens at an address now."""
    import socket

    host, _, port = bind.partition("://")[2].rpartition(":")
    host = host.strip("[]")
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.replace("localhost", "127.0.0.1"), int(port)))
        except OSError:
            return False
    return True


def _write(file: str, text: str) -> None:
    try:
        replace_private(file, text.encode())
    except OSError as error:
        raise Invalid(
            f"the key of the programs of this machine cannot be kept: {error}",
            path=file,
            remedy=f"name a folder that you can write in {FOLDER}, or let every program of this machine in: --open",
        ) from None
