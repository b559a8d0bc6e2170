"""Who may come in: one-time links, the signed cookies they turn into, and the token of programs.

No web framework here: text in, verdicts out. The only file is the secret, so that sessions outlive a restart.
"""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

from ..errors import Unavailable

SECRET_FILE = "relay.secret"  # a file's name
INVITATIONS = 64


class Sessions:
    """The sessions of one relay. `lifetime` is in seconds."""

    def __init__(self, data: Path, token: str, lifetime: float) -> None:
        self._signer = URLSafeTimedSerializer(_secret(data), salt="emerge.session")
        self._token = token.encode()
        self._lifetime = lifetime
        self._invitations: dict[str, None] = {}

    def invite(self) -> str:
        """A new one-time token; the oldest unused ones are forgotten when there are many."""
        while len(self._invitations) >= INVITATIONS:
            del self._invitations[next(iter(self._invitations))]
        token = secrets.token_urlsafe(24)
        self._invitations[token] = None
        return token

    def redeem(self, token: str) -> str | None:
        """The cookie's value for an unused token, which is used then; None for any other."""
        if token not in self._invitations:
            return None
        del self._invitations[token]
        return str(self._signer.dumps(secrets.token_urlsafe(12)))

    def knows_cookie(self, value: str | None) -> bool:
        """Whether this relay (in this or an earlier life) signed that cookie, not too long ago."""
        if not value:
            return False
        try:
            self._signer.loads(value, max_age=int(self._lifetime))
        except BadSignature:
            return False
        return True

    def knows_bearer(self, header: str | None) -> bool:
        """Whether an Authorization header carries the programs' token."""
        scheme, _, shown = (header or "").partition(" ")
        if scheme.lower() != "bearer" or not self._token:
            return False
        return hmac.compare_digest(shown.strip().encode("utf-8", "replace"), self._token)


def _secret(data: Path) -> bytes:
    """The secret in the data directory, made when it is not there; only its owner may read it."""
    path = data / SECRET_FILE
    try:
        data.mkdir(parents=True, exist_ok=True)
        try:
            secret = path.read_bytes()
        except FileNotFoundError:
            secret = b""
        return secret if len(secret) >= 32 else _new_secret(path)
    except OSError as error:
        raise Unavailable(f"the relay's secret cannot be kept: {error}", remedy="give it a writable --dir") from None


def _new_secret(path: Path) -> bytes:
    secret = secrets.token_bytes(48)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(secret)
    fresh.replace(path)
    return secret
