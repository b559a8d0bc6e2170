"""Name blocks by what they hold, and read which blocks a map of blocks keeps."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from ..codec import decode
from ..errors import Invalid

BLOCK_SIZE = 1 << 20
"""Bytes of a block of a file, unless its writer says otherwise. That of a large value in a field is the value."""

LARGEST_BLOCK = 4 << 20
"""Bytes of the largest block that a file may have."""

INLINE_SIZE = 16 << 10
"""Bytes up to which a file of raid 0 is kept within its object's state, without blocks."""

NAME_SIZE = 32


def block_name(data: bytes) -> bytes:
    """Return the name of a block: the SHA-256 of its bytes, which a browser can compute too."""
    return sha256(data).digest()


def short_name(name: bytes) -> str:
    """Return the beginning of a name, as messages show it."""
    return name.hex()[:16]


def split_names(joined: bytes) -> list[bytes]:
    """Return the names in their concatenation; raise Invalid if something is left over."""
    if len(joined) % NAME_SIZE:
        raise Invalid(f"{len(joined)} bytes are no names of blocks", remedy="send it again, whole")
    return [joined[begin : begin + NAME_SIZE] for begin in range(0, len(joined), NAME_SIZE)]


def join_names(names: Iterable[bytes]) -> bytes:
    return b"".join(names)


def names_in_map(data: bytes) -> list[bytes]:
    """Return the names of all blocks that a map of blocks keeps: its field `names`. The other fields are its reader's.

    Raises:
        Invalid: this is no map of blocks.
    """
    fields = decode(data)
    joined = fields.get("names") if isinstance(fields, dict) else None
    if type(joined) is not bytes:
        raise Invalid("this block is no map of blocks: it has no names", remedy="verify the file that it belongs to")
    return split_names(joined)
