"""Who may use the relay: by a one-time link and the signed cookie it turns into, or by a token.

No web framework: text in, callers out. The secret is kept in a file, so that sessions outlive a restart.
"""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

from ..context import Context
from ..errors import Invalid, Unavailable
from ..operations import Wire
from ..private_file import replace_private
from .session_record import SESSION_SECONDS, SessionRecords, SessionRow, session_id, session_rows
from .token import Token, Tokens

SECRET_FILE = "relay.secret"  # a file's name
INVITATIONS = 64


@dataclass(frozen=True, slots=True)
class RelayCaller:
    """The user of a session: a principal by their token, or (`token` None) the operator. `session` is the id of that of
    a browser; programs have none."""

    token: Token | None = None
    session: str = ""

    @property
    def name(self) -> str:
        """Who that is, as it is shown."""
        return "the operator, who may do everything" if self.token is None else self.token.principal

    @property
    def context(self) -> Context:
        """The context of this caller's requests at the relay."""
        if self.token is None:
            return Context(superuser=True, via="relay")
        return Context(self.token.principal, self.token.groups, via="relay")

    def stamp(self, wanted: object) -> Wire | None:
        """Make the context of this caller's call for the node, which takes the relay for its operator.

        The operator's stays as it is; of a principal's what any caller may ask does.

        Raises:
            PermissionDenied: a principal asks to be somebody else.
            Invalid: it is malformed.
        """
        if wanted is not None and not isinstance(wanted, dict):
            raise Invalid("the call's context is not a map")
        if self.token is None:
            return wanted
        who = self.context.narrowed(wanted)
        return {**who.asked(), "as": who.principal, "groups": list(who.groups)}


OPERATOR = RelayCaller()


class Sessions:
    """Who may use one relay. `lifetime` is that of a browser's session, in seconds."""

    def __init__(self, data: Path, token: str = "", lifetime: float = SESSION_SECONDS) -> None:
        self._signer = URLSafeTimedSerializer(_secret(data), salt="emerge.session")
        self._token = token.encode()
        self._lifetime = lifetime
        self.records = SessionRecords(data, lifetime)
        self._tokens = Tokens(data)
        self._invitations: dict[str, None] = {}

    def invite(self) -> str:
        """Make a one-time token; of many unused ones the oldest is forgotten."""
        while len(self._invitations) >= INVITATIONS:
            del self._invitations[next(iter(self._invitations))]
        token = secrets.token_urlsafe(24)
        self._invitations[token] = None
        return token

    def whose(self, token: str) -> RelayCaller | None:
        """Whom a token lets in; it is not used up by this."""
        return OPERATOR if token in self._invitations else _caller(self._tokens.linked(token))

    def redeem(self, token: str, browser: str = "") -> str | None:
        """Return the value of a new session's cookie for a token, None for an unknown one.

        It is used up by this: a link opens one browser.
        """
        if token in self._invitations:
            del self._invitations[token]
            return self._begin("", browser)
        found = self._tokens.use_link(token)
        return None if found is None else self._begin(found.id, browser)

    def by_cookie(self, value: str | None) -> RelayCaller | None:
        """Whose session it is; None for a cookie that this relay (in this or an earlier life) did not sign, whose
        session is over, or whose token is no more."""
        if not value:
            return None
        try:
            text = self._signer.loads(value, max_age=int(self._lifetime))
        except BadSignature:
            return None
        return self._in_session(session_id(text)) if isinstance(text, str) else None

    def by_bearer(self, header: str | None) -> RelayCaller | None:
        """Who shows this Authorization header: a program of the operator's, or a principal."""
        scheme, _, shown = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        shown = shown.strip()
        if self._token and hmac.compare_digest(shown.encode("utf-8", "replace"), self._token):
            return OPERATOR
        return _caller(self._tokens.shown(shown))

    def renew(self, caller: RelayCaller) -> RelayCaller | None:
        """Look the caller up again; None when their token was removed or has expired, or their session was ended."""
        if caller.session:
            return self._in_session(caller.session)
        return caller if caller.token is None else _caller(self._tokens.known(caller.token.id))

    def rows(self, of: RelayCaller) -> list[SessionRow]:
        """List the sessions of a caller; for the operator, those of all: the newest first.

        Raises:
            Unavailable: the files are no such files.
        """
        return session_rows(self.records, self._tokens, None if of.token is None else of.token.id, of.session)

    def stamp(self) -> object:
        """What is another when somebody's session was ended."""
        return self.records.stamp(), self._tokens.stamp()

    def _begin(self, token: str, browser: str) -> str:
        return str(self._signer.dumps(self.records.begin(token, browser)))

    def _in_session(self, id: str) -> RelayCaller | None:
        found = self.records.known(id)
        if found is None:
            return None
        return _caller(self._tokens.known(found.token), id) if found.token else RelayCaller(None, id)


def _caller(token: Token | None, session: str = "") -> RelayCaller | None:
    return None if token is None else RelayCaller(token, session)


def _secret(data: Path) -> bytes:
    """Read the secret in the data directory, or make it; only its owner may read it."""
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
    replace_private(path, secret)
    return secret
