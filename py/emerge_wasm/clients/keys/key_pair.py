"""CURVE key pairs: how a public key is written, and the file of a secret one. Needs zmq only to make and check pairs.

Public keys are written in base32: it survives shells, addresses and being read aloud, which ZeroMQ's own Z85 does not.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from ...errors import EmergeError, Invalid, NotFound, Unavailable
from ...private_file import replace_private
from ..package import missing_package

SUFFIX = ".key"
LENGTH = 52
NAME = re.compile(r"\w[\w.@-]{0,99}")
_HEAD = "# A secret key of Emerge. Whoever has this file is who it names: give it to nobody.\n"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key: `name` is whose it is, `public` its text, `secret` 32 bytes."""

    name: str
    public: str
    secret: bytes

    def __repr__(self) -> str:
        return f"KeyPair({self.name!r}, {self.public!r})"  # a log is no place for secrets


def key_text(raw: bytes) -> str:
    """Write the 32 bytes of a key as text."""
    return base64.b32encode(raw).decode().rstrip("=").lower()


def key_bytes(text: str) -> bytes:
    """Read the text of a key.

    Raises:
        Invalid: it is none.
    """
    try:
        raw = base64.b32decode(text.upper() + "====") if len(text) == LENGTH else b""
    except (binascii.Error, ValueError):
        raw = b""
    if len(raw) != 32:
        raise Invalid(f"{text[:60]!r} is no key", remedy="a key has 52 letters and digits; emerge keys list shows them")
    return raw


def is_key(text: str) -> bool:
    """Tell whether a text is a key rather than a name."""
    return len(text) == LENGTH and re.fullmatch("[a-zA-Z2-7]+", text) is not None


def check_name(name: str) -> str:
    """Return the name of a key's owner.

    Raises:
        Invalid: it cannot be one.
    """
    if not NAME.fullmatch(name) or is_key(name):
        raise Invalid(
            f"{name[:60]!r} cannot be the name of a key", remedy="use letters, digits and . _ @ - (at most 100)"
        )
    return name


def make_pair(name: str) -> KeyPair:
    """Make a new key.

    Raises:
        Invalid: the name cannot be one.
        Unavailable: zmq is not installed, or cannot encrypt.
    """
    check_name(name)
    secret = secrets.token_bytes(32)
    return KeyPair(name, _public_of(secret), secret)


def read_pair(path: Path) -> KeyPair:
    """Read a secret key's file.

    Raises:
        NotFound: there is none.
        Invalid: it is malformed, or others can read it.
        Unavailable: zmq is not installed, or cannot encrypt.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"there is no key at {path}", remedy="make one: emerge keys new NAME") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"the key at {path} cannot be read: {error}", remedy="see who may read the file") from None
    if os.name == "posix" and mode & 0o077:
        raise Invalid(f"others can read the secret key at {path}", remedy=f"chmod 600 {path}; if they did, replace it")
    found = _fields(text)
    try:
        name, secret = check_name(found["name"]), key_bytes(found["secret"])
    except (KeyError, Invalid):
        raise Invalid(f"{path} is no secret key", remedy="name a file that emerge keys new has made") from None
    public = _public_of(secret)
    if found.get("public", public) != public:
        raise Invalid(f"the two halves of the key at {path} do not belong together", remedy="make a new one")
    return KeyPair(name, public, secret)


def write_pair(path: Path, pair: KeyPair) -> None:
    """Write a secret key's file, for its owner only, in place of what is there.

    The secret of a key that it takes the place of stays in it: see `read_former`.

    Raises:
        Unavailable: it cannot be written.
    """
    text = f"{_HEAD}name = {pair.name}\npublic = {pair.public}\nsecret = {key_text(pair.secret)}\n"
    try:
        before = read_pair(path)
    except EmergeError:
        before = pair
    if before.public != pair.public:
        text += f"former = {key_text(before.secret)}\n"
    write_private(path, text)


def read_former(path: Path) -> KeyPair | None:
    """Read the key that a file had before, by which those know its owner who were away when it was replaced."""
    try:
        found = _fields(path.read_text(encoding="utf-8"))
        secret = key_bytes(found["former"])
    except (OSError, UnicodeDecodeError, KeyError, Invalid):
        return None
    return KeyPair(found.get("name", ""), _public_of(secret), secret)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        Unavailable: it cannot be written.
    """
    try:
        replace_private(path, text.encode())
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error}", remedy="name a folder that is yours") from None


def _fields(text: str) -> dict[str, str]:
    lines = (line.partition("=") for line in text.splitlines() if not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in lines}


def _public_of(secret: bytes) -> str:
    try:
        import zmq
        from zmq.utils import z85
    except ImportError as error:
        raise missing_package(error, "node") from None
    if not zmq.has("curve"):
        raise Unavailable("this ZeroMQ cannot encrypt", remedy="install pyzmq from its wheel, which has libsodium")
    return key_text(z85.decode(zmq.curve_public(z85.encode(secret))))
