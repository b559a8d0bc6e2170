"""What a process shows of itself, and by what it knows nodes: a key pair, and the ring beside its file.

Without zmq only a name of a key can be looked for; nothing here opens a socket.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import Invalid, NotFound
from .key_pair import SUFFIX, KeyPair, key_bytes, read_former, read_pair
from .known_keys import FILE_NAME, Ring, which_key

if TYPE_CHECKING:
    import zmq

KEYS_FOLDER = Path("emerge-data") / "keys"
"""Where a node's keys are, and those of who works beside it."""


class Credential:
    """A key pair and a ring. Both files are read again when they change; once it is `pinned`, the pair is not."""

    def __init__(self, path: Path, ring: Ring | None = None) -> None:
        self.path = path
        self.ring = ring or Ring(path.with_name(FILE_NAME))
        self.pinned = False
        self._stamp: tuple[int, ...] | None = None
        self._pair: KeyPair | None = None

    @property
    def pair(self) -> KeyPair:
        """The key pair, as its file is now; while it is pinned, as it was.

        Raises:
            NotFound: the file is not there.
            Invalid: it is malformed, or others can read it.
        """
        if self._pair is not None and self.pinned:
            return self._pair
        return self.renew()

    def renew(self) -> KeyPair:
        """The key pair, as its file is now.

        Raises:
            NotFound: the file is not there.
            Invalid: it is malformed, or others can read it.
        """
        try:
            found = os.stat(self.path)
            stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        except OSError:
            stamp = None
        if self._pair is None or stamp is None or stamp != self._stamp:
            self._pair = read_pair(self.path)
            self._stamp = stamp
        return self._pair

    def former(self) -> Credential | None:
        """What showed the key that the file had before; None where it had no other."""
        pair = read_former(self.path)
        if pair is None:
            return None
        former = Credential(self.path, self.ring)
        former._pair, former.pinned = pair, True
        return former

    def servers(self, endpoint: str, node: str = "") -> list[str]:
        """The keys of which the node at an endpoint must show one: that in its address, else those of the ring.

        With `node`, the node of that name is meant and no other.

        Raises:
            Invalid: no key is known.
        """
        _, stated = split_key(endpoint)
        found = which_key(self.ring, stated) if stated else [entry.public for entry in self.ring.members(node)]
        if not found:
            raise Invalid(
                f"{self.ring.path} has no key {f'of {node}' if node else 'of a node'}, so {endpoint} cannot be trusted",
                remedy="add the node's key: emerge keys add NODE KEY --member; or write it in the address: ?key=KEY",
            )
        return found

    def protect(self, socket: zmq.Socket[bytes], server: str) -> None:
        """Make a connecting socket show the pair's key, and accept only who has the server's."""
        import zmq

        pair = self.pair
        socket.setsockopt(zmq.CURVE_SERVERKEY, key_bytes(server))
        socket.setsockopt(zmq.CURVE_PUBLICKEY, key_bytes(pair.public))
        socket.setsockopt(zmq.CURVE_SECRETKEY, pair.secret)


def split_key(endpoint: str) -> tuple[str, str]:
    """Split tcp://host:port?key=KEY into the endpoint proper and the key ("" when it names none)."""
    bare, _, query = endpoint.partition("?")
    return bare, query.removeprefix("key=")


def find_credential(which: str) -> Credential:
    """Find a key by its file's path, or by name in ./emerge-data/keys and the user's config directory.

    Raises:
        NotFound: it is in none of these.
    """
    if os.sep in which or which.endswith(SUFFIX):
        paths = [Path(which).expanduser()]
    else:
        paths = [folder / f"{which}{SUFFIX}" for folder in key_folders()]
    for path in paths:
        if path.exists():
            return Credential(path)
    raise NotFound(
        f"there is no key {which}: looked for {' and '.join(map(str, paths))}", remedy="emerge keys new NAME makes one"
    )


def key_folders() -> list[Path]:
    """Where keys are looked for by name, nearest first."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return [KEYS_FOLDER, Path(config) / "emerge" / "keys"]


def own_pair(folder: Path, name: str) -> Path:
    """The file of the key of that name in a folder; the only one there, when the name is "".

    Raises:
        NotFound: there is none.
        Invalid: there are several, and no name tells which.
    """
    if name:
        path = folder / f"{name}{SUFFIX}"
        if path.exists():
            return path
        raise NotFound(f"there is no key {path}", remedy=f"make it: emerge keys new {name} --member --dir {folder}")
    found = sorted(folder.glob(f"*{SUFFIX}"))
    if not found:
        raise NotFound(f"there is no key in {folder}", remedy=f"make one: emerge keys new NAME --member --dir {folder}")
    if len(found) > 1:
        raise Invalid(
            f"{folder} has {len(found)} keys: {', '.join(path.stem for path in found)}", remedy="say which: --key NAME"
        )
    return found[0]
