"""Connections to a PostgreSQL database: where a URL says it is, a pool of them, and the meaning of their errors."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote, urlencode

import asyncpg

from ...errors import EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable
from ..check import check_options

T = TypeVar("T")

_OURS = ("schema", "pool", "durability", "timeout")
_LIBPQ = (
    "host",
    "port",
    "passfile",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "sslcrl",
    "ssl_min_protocol_version",
    "ssl_max_protocol_version",
    "target_session_attrs",
    "krbsrvname",
    "gsslib",
)
_FOREIGN = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
_ENDED = ("57P01", "57P02", "57P03", "57P05")  # the server ends the session
_AGAIN = 3  # attempts at a read whose connection is lost
_log = logging.getLogger("emerge.stores.postgresql")

# Every statement of ours looks rows up by their key. The plan is made once, perhaps while the tables are empty, and
# must do when they are large: so nothing but the index is considered.
_PLANS = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


@dataclass(frozen=True, slots=True)
class PostgreSQLLocation:
    """Where a store is, and how to talk to it."""

    name: str  # for messages: without the password
    dsn: str
    schema: str
    pool: int  # connections to read with; one more writes
    durability: str
    timeout: float  # seconds that a statement, or waiting for other writers, may take

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a session of ours."""
        wait = str(round(self.timeout * 1000))
        return {
            "application_name": "emerge",
            "search_path": f'"{self.schema}"',
            "default_transaction_isolation": "read committed",
            "statement_timeout": wait,
            "lock_timeout": str(round(self.timeout * 900)),  # the first of the two, for its error tells more
            **({"synchronous_commit": "off"} if self.durability == "relaxed" else {}),
            **_PLANS,
        }


def location_of(location: str, options: Mapping[str, str]) -> PostgreSQLLocation:
    """Read a URL's parts. Raises Invalid."""
    check_options("postgresql", options, (*_OURS, *_LIBPQ))
    auth, at, rest = location.rpartition("@")
    hosts, _, database = rest.partition("/")
    user, colon, password = auth.partition(":")
    schema = options.get("schema", "emerge")
    if not re.fullmatch(r"(?!pg_)[A-Za-z_][A-Za-z0-9_]{0,62}", schema):
        raise Invalid(
            f"schema={schema} cannot be the name of a schema",
            remedy="use up to 63 letters, digits and underscores, a letter first, and not pg_",
        )
    if not re.fullmatch(r"[A-Za-z0-9.:,_\[\]-]*", hosts):
        raise Invalid(
            f"postgresql: {hosts!r} is not a host", remedy="write postgresql://user:password@host:port/database"
        )
    if not re.fullmatch(r"(\d{1,5}(,\d{1,5})*)?", options.get("port", "")):
        raise Invalid(f"port={options['port']} is not a port", remedy="write a number, or one for each host")
    durability = options.get("durability", "disk")
    if durability not in ("disk", "relaxed"):
        raise Invalid(f"durability={durability} is unknown", remedy="use disk or relaxed")
    secret = quote(user, safe="") + (colon and ":" + quote(password, safe="")) + at
    query = urlencode({name: options[name] for name in _LIBPQ if name in options})
    return PostgreSQLLocation(
        name=f"postgresql://{hosts or options.get('host', '')}/{database}?schema={schema}",
        dsn=f"postgresql://{secret}{hosts}/{quote(database, safe='')}" + (query and f"?{query}"),
        schema=schema,
        pool=round(_number(options, "pool", r"[1-9]\d?|100", "4", "a number of connections from 1 to 100")),
        durability=durability,
        timeout=max(0.01, _number(options, "timeout", r"\d{1,4}(\.\d*)?", "30", "a number of seconds, as 2.5")),
    )


def _number(options: Mapping[str, str], name: str, pattern: str, default: str, meant: str) -> float:
    text = options.get(name, default)
    if not re.fullmatch(pattern, text):
        raise Invalid(f"{name}={text} is not {meant}", remedy="correct it, or leave it out")
    return float(text)


class ConnectionLost(Exception):
    """The connection broke, or fell silent, while a statement was under way: its outcome is unknown."""

    def __init__(self, meaning: EmergeError) -> None:
        super().__init__(str(meaning))
        self.meaning = meaning


class TransactionUndone(ConnectionLost):
    """The server rolled the statement back in favour of another: it can be made again."""


class PostgreSQLPool:
    """Up to `size` connections, made when needed and kept. Its methods raise EmergeError, or ConnectionLost."""

    def __init__(self, location: PostgreSQLLocation, size: int) -> None:
        self.location = location
        self.free = size  # less the callers that have one or wait for one
        self._size = size
        self._slots = asyncio.Semaphore(size)
        self.idle: list[asyncpg.Connection] = []  # made, and lent to nobody now

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection for one statement after the other; those who wait get theirs in turn."""
        self.free -= 1
        try:
            async with self._slots, self._held() as connection:
                yield connection
        finally:
            self.free += 1

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[asyncpg.Connection]:
        connection = self._pop() or await connect(self.location)
        try:
            yield connection
        except _FOREIGN as error:
            raise self._trouble(connection, error) from error
        except asyncio.CancelledError:  # its answer may never come, and would be in the way of the next one's
            connection.terminate()
            raise
        finally:
            if not connection.is_closed():
                self.idle.append(connection)

    async def read(self, work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
        """Return the result of `work` on a connection; when that is lost, on another: it must change nothing."""
        for _ in range(_AGAIN):
            try:
                async with self.connection() as connection:
                    return await work(connection)
            except ConnectionLost as error:
                lost = error
        raise lost.meaning from lost

    async def close(self) -> None:
        """Wait for what is under way and close all connections; the pool cannot be used afterwards."""
        for _ in range(self._size):
            await self._slots.acquire()
        for connection in self.idle:
            try:
                await connection.close(timeout=1)
            except _FOREIGN:
                connection.terminate()
        self.idle.clear()

    def _trouble(self, connection: asyncpg.Connection, error: BaseException) -> Exception:
        """Return the error to raise for the driver's; close the connections that may be broken."""
        state = str(getattr(error, "sqlstate", None))
        if state in ("40001", "40P01"):  # a conflict of isolation, a deadlock
            return TransactionUndone(to_emerge_error(error, self.location))
        if isinstance(error, asyncpg.PostgresError) and state[:2] != "08" and state not in _ENDED:
            return to_emerge_error(error, self.location)
        _log.warning(
            "%s: a connection is lost, and %d idle ones with it: %r", self.location.name, len(self.idle), error
        )
        for each in (connection, *self.idle):  # the others are likely as lost
            each.terminate()
        self.idle.clear()
        return ConnectionLost(to_emerge_error(error, self.location))

    def _pop(self) -> asyncpg.Connection | None:
        while self.idle:
            connection = self.idle.pop()
            if not connection.is_closed():
                return connection
        return None


async def connect(location: PostgreSQLLocation) -> asyncpg.Connection:
    """Open a connection, set up for the store. Raises EmergeError."""
    try:
        connection = await asyncpg.connect(
            location.dsn,
            timeout=location.timeout,
            command_timeout=1.5 * location.timeout + 0.1,  # the server's own limit comes first, and tells more
            server_settings=location.settings,
            max_cached_statement_lifetime=0,
        )
        try:
            if location.durability == "disk":  # whatever the database is set to; stricter levels are left alone
                await connection.execute(
                    "SELECT set_config('synchronous_commit', 'on', false)"
                    " WHERE current_setting('synchronous_commit') = 'off'"
                )
        except BaseException:
            connection.terminate()
            raise
    except (*_FOREIGN, ValueError) as error:
        raise to_emerge_error(error, location) from error
    return connection


_LATER = "see that the server runs and can be reached, then try again"

_MEANINGS: list[tuple[str, type[EmergeError], str, str]] = [
    (
        "28",
        PermissionDenied,
        "the server does not let this user in",
        "check the user and password: in the URL, PGUSER and PGPASSWORD, or ~/.pgpass",
    ),
    ("42501", PermissionDenied, "this user lacks a right", "grant it the rights on the schema, or use its owner"),
    ("3D000", Invalid, "there is no such database", "make it with createdb, or name another"),
    ("25006", Unavailable, "the server takes no writes", "name the primary server, or target_session_attrs=read-write"),
    ("53100", LimitExceeded, "no room is left on the server's disk", "free some disk space, then try again"),
    ("54", LimitExceeded, "too large for the server", "split it into smaller values or commits"),
    ("53300", Unavailable, "the server has no connection left", "raise max_connections, or lower pool="),
    ("53", Unavailable, "the server is short of resources", "try again later"),
    ("55P03", Unavailable, "other writers were waited for in vain", "try again, or raise timeout="),
    ("57014", Unavailable, "the server took too long", "try again, or raise timeout="),
    ("57", Unavailable, "the server is not running", _LATER),
    ("3F", Invalid, "the schema is gone", "restore it from a backup"),
    ("42P01", Invalid, "the schema is no Emerge store any more", "restore it from a backup"),
    ("42883", Invalid, "the schema is no Emerge store any more", "restore it from a backup"),
    ("XX001", Invalid, "the database is damaged", "restore it from a backup"),
    ("XX002", Invalid, "an index of the database is damaged", "REINDEX it, or restore it from a backup"),
]


def to_emerge_error(error: BaseException, location: PostgreSQLLocation) -> EmergeError:
    """Return the EmergeError for an error of the driver, or of the operating system."""
    state = getattr(error, "sqlstate", None) or ""
    said = next(iter(str(error).splitlines()), type(error).__name__)
    for start, kind, what, remedy in _MEANINGS:
        if state.startswith(start):
            details = {"limit": "disk space" if state == "53100" else "server"} if kind is LimitExceeded else {}
            return kind(f"{location.name}: {what}: {said}", remedy=remedy, **details)
    if isinstance(error, TimeoutError):
        return Unavailable(f"{location.name} did not answer within {location.timeout:g} s", remedy=_LATER)
    if isinstance(error, ValueError) and not state:
        return Invalid(f"{location.name}: {said}", remedy="correct the store's URL")
    return Unavailable(f"{location.name}: {said}", remedy=_LATER)
