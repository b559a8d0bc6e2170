"""A ZODB in an SQL database: RelStorage on PostgreSQL. Must not import asyncio."""

from __future__ import annotations

import math
import random
import time

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn
from relstorage.adapters.interfaces import ReplicaClosedException
from relstorage.adapters.postgresql import PostgreSQLAdapter
from relstorage.options import Options
from relstorage.storage import RelStorage
from relstorage.storage.interfaces import StorageDisconnectedDuringCommit

from ...errors import EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable
from .location import ZODBLocation

FAILURES: tuple[type[Exception], ...] = (psycopg2.Error, ReplicaClosedException, OSError)
_CACHE = 64  # MiB of records in memory, shared by the connections of a process
_TRIES = 20
_RACES = ("23505", "42P07", "42710", "40P01", "XX000")  # of others who make the tables at the same moment


def open_storage(location: ZODBLocation) -> RelStorage:
    """Connect to a database, making the tables it needs."""
    options = Options(
        keep_history=False,
        driver="psycopg2",
        cache_local_mb=_CACHE,
        cache_local_object_max=1 << 20,
        commit_lock_timeout=10,
    )
    dsn = _dsn(location)
    for attempt in range(_TRIES):
        try:
            return RelStorage(PostgreSQLAdapter(dsn=dsn, options=options), options=options)
        except psycopg2.Error as error:
            if error.pgcode not in _RACES or attempt == _TRIES - 1:
                raise
        time.sleep(random.random() * 0.1)


def to_emerge_error(error: Exception, location: ZODBLocation) -> EmergeError | None:
    """Return the EmergeError for an error of PostgreSQL, without its own text, which may show a secret."""
    if isinstance(error, StorageDisconnectedDuringCommit | ReplicaClosedException | psycopg2.InterfaceError):
        return _away(location)
    if not isinstance(error, psycopg2.Error):
        return None
    state, text = error.pgcode or "", str(error)
    if state.startswith("28") or "authentication failed" in text or "no password supplied" in text:
        return PermissionDenied(f"{location.name} refuses these credentials", remedy="check user and password")
    if state == "42501" or "permission denied" in text:
        return PermissionDenied(f"{location.name}: the user has no right to do that", remedy="grant it, or use another")
    if state == "3D000" or ("database" in text and "does not exist" in text):
        return Invalid(f"{location.name} does not exist", remedy="create the database")
    if state == "25006":
        return Unavailable(f"{location.name} takes no writes", remedy="name the primary server")
    if state.startswith("53") and state != "53300":
        return LimitExceeded(
            f"no room is left for {location.name}",
            remedy="free some disk space there, then try again",
            limit="disk space",
        )
    if isinstance(error, psycopg2.OperationalError) or state.startswith(("57", "08", "53")):
        return _away(location)
    return Unavailable(f"{location.name}: error {state} of PostgreSQL", remedy="look into its log")


def refused(error: Exception) -> bool:
    """Return whether PostgreSQL answered a commit with this, and so has not made it."""
    state = error.pgcode or "" if isinstance(error, psycopg2.Error) else ""
    return bool(state) and not state.startswith(("08", "57P", "40003"))


def _away(location: ZODBLocation) -> EmergeError:
    return Unavailable(f"{location.name} does not answer", remedy="see that PostgreSQL runs there, then try again")


def _dsn(location: ZODBLocation) -> str:
    """Return the address as `key=value` words, as RelStorage takes it."""
    try:
        words = parse_dsn(location.address)
    except psycopg2.ProgrammingError:  # its text may show the address
        raise Invalid(
            f"{location.name}: not an address that PostgreSQL knows", remedy="see libpq's connection URIs"
        ) from None
    words.setdefault("connect_timeout", max(2, math.ceil(location.wait)))
    dsn: str = make_dsn(**words)
    return dsn
