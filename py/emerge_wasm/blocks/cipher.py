"""Encrypt the stored forms of blocks: AES-256-GCM, with a key of each block's own and its name authenticated.

It is against who gets the disk, the database or a backup of it, without the key. Names of blocks are hashes of what
they hold, and stay readable: who guesses a block whole can tell that it is there. The package cryptography is imported
when there is a key.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Sequence
from hashlib import sha256
from importlib import import_module
from typing import Protocol

from ..errors import Invalid, Unavailable
from .block import short_name

KEY_SIZE = 32
_ID_SIZE = 8
_NONCE_SIZE = 12


class _AEAD(Protocol):
    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...
    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes) -> bytes: ...


class BlockCipher:
    """Encrypts with the first of some keys, and decrypts with any of them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys or any(len(key) != KEY_SIZE for key in keys):
            raise Invalid(f"blocks are encrypted with keys of {KEY_SIZE} bytes", remedy="make one: emerge keys blocks")
        try:
            self._package = import_module("cryptography.hazmat.primitives.ciphers.aead")
        except ImportError:
            raise Unavailable(
                "encrypting blocks needs the package cryptography", remedy="pip install 'emerge-wasm[encryption]'"
            ) from None
        self._keys = {key_id(key): key for key in keys}
        self.current = key_id(keys[0])

    @property
    def ids(self) -> frozenset[bytes]:
        """What its keys are known by."""
        return frozenset(self._keys)

    def encrypt(self, name: bytes, data: bytes) -> bytes:
        """Return the encrypted form of what is kept of a block."""
        nonce = os.urandom(_NONCE_SIZE)
        return self.current + nonce + self._aead(self.current, name).encrypt(nonce, data, name)

    def decrypt(self, name: bytes, sealed: bytes) -> bytes | None:
        """Return what was encrypted under this name; None if it is damaged.

        Raises:
            Unavailable: it was encrypted with another key.
        """
        known, nonce, data = sealed[:_ID_SIZE], sealed[_ID_SIZE:][:_NONCE_SIZE], sealed[_ID_SIZE + _NONCE_SIZE :]
        if len(known) < _ID_SIZE or len(nonce) < _NONCE_SIZE:
            return None
        if known not in self._keys:
            raise without_key(name, known)
        try:
            return self._aead(known, name).decrypt(nonce, data, name)
        except Exception as error:
            if type(error).__name__ != "InvalidTag":
                raise
            return None

    def _aead(self, known: bytes, name: bytes) -> _AEAD:
        """A block's own key makes it harmless that random nonces might meet in a large store."""
        made: _AEAD = self._package.AESGCM(hmac.digest(self._keys[known], b"emerge block" + name, "sha256"))
        return made


def key_id(key: bytes) -> bytes:
    """Return what a key is known by; it tells nothing of it."""
    return sha256(b"emerge block key" + key).digest()[:_ID_SIZE]


def without_key(name: bytes, known: bytes = b"") -> Unavailable:
    which = f"the key {known.hex()}" if known else "a key"
    return Unavailable(
        f"the block {short_name(name)} is encrypted with {which}, which is not at hand",
        remedy="name the file that has it: STORE-URL?block_key=FILE",
        block=name.hex(),
    )
