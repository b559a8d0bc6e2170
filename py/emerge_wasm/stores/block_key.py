"""The file of the keys with which a store's blocks are encrypted: a key a line, in hexadecimal, the one in use first.

The others are those in use before, with which older blocks are read. A line that begins with # says something.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ..blocks.cipher import KEY_SIZE, BlockCipher, key_id
from ..errors import Invalid

OPTION = "block_key"
"""The option of a store's URL that names the file."""

_REMEDY = "make one: emerge keys blocks FILE"


def read_cipher(file: str) -> BlockCipher:
    """Read a file of keys.

    Raises:
        Invalid: it cannot be read, or is no such file.
        Unavailable: the package that encrypts is not here.
    """
    return BlockCipher(_read_keys(Path(file)))


def add_key(file: Path) -> str:
    """Make a key, which is the first of the file from now on; what it is known by. Only the file's owner may read it.

    Raises:
        Invalid: the file has other things in it, or cannot be written.
    """
    old = file.read_text() if file.exists() and _read_keys(file) else ""
    key = secrets.token_bytes(KEY_SIZE)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        part.touch(mode=0o600)
        part.write_text(f"{key.hex()}\n{old}")
        part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Invalid(f"{file} cannot be written: {error.strerror or error}", path=str(file)) from None
    return key_id(key).hex()


def _read_keys(file: Path) -> list[bytes]:
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
        keys = [bytes.fromhex(line) for line in lines if line and not line.startswith("#")]
    except OSError as error:
        raise Invalid(
            f"the keys of blocks cannot be read from {file}: {error.strerror or error}", path=str(file), remedy=_REMEDY
        ) from None
    except ValueError:
        keys = []
    if not keys or any(len(key) != KEY_SIZE for key in keys):
        raise Invalid(
            f"{file} has no keys of blocks: those are lines of {2 * KEY_SIZE} hexadecimal digits",
            path=str(file),
            remedy=_REMEDY,
        )
    return keys
