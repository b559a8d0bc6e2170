"""A ZODB in an SQL database: RelStorage on PostgreSQL. Must not import asyncio."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import psycopg2
from psycopg2.extensions import make_dsn, parse_dsn
from relstorage.adapters.interfaces import ReplicaClosedException
from relstorage.adapters.postgresql import PostgreSQLAdapter
from relstorage.options import Options
from relstorage.storage import RelStorage
from relstorage.storage.interfaces import StorageDisconnectedDuringCommit

from ...errors import EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable
from .location import Place

_CACHE = 64  # MiB of records in memory, shared by the connections of a process
_TRIES = 20
_RACES = ("23505", "42P07", "42710", "40P01", "XX000")  # of others who make the tables at the same moment


def open_storage(place: Place) -> Any:
    """Connect to a database, making the tables it needs."""
    options = Options(
        keep_history=False,
        driver="psycopg2",
        cache_local_mb=_CACHE,
        cache_local_object_max=1 << 20,
        commit_lock_timeout=10,
    )
    dsn = _dsn(place)
    for attempt in range(_TRIES):
        try:
            return RelStorage(PostgreSQLAdapter(dsn=dsn, options=options), options=options)
        except psycopg2.Error as error:
            if error.pgcode not in _RACES or attempt == _TRIES - 1:
                raise
        time.sleep(random.random() * 0.1)


def meaning(error: Exception, place: Place) -> EmergeError | None:
    """The EmergeError for what PostgreSQL says. Its own text is kept from where it may show a secret."""
    if isinstance(error, StorageDisconnectedDuringCommit | ReplicaClosedException | psycopg2.InterfaceError):
        return _away(place)
    if not isinstance(error, psycopg2.Error):
        return None
    state, text = error.pgcode or "", str(error)
    if state.startswith("28") or "authentication failed" in text or "no password supplied" in text:
        return PermissionDenied(f"{place.name} refuses these credentials", remedy="check user and password")
    if state == "42501" or "permission denied" in text:
        return PermissionDenied(f"{place.name}: the user has no right to do that", remedy="grant it, or use another")
    if state == "3D000" or ("database" in text and "does not exist" in text):
        return Invalid(f"{place.name} does not exist", remedy="create the database")
    if state == "25006":
        return Unavailable(f"{place.name} takes no writes", remedy="name the primary server")
    if state.startswith("53") and state != "53300":
        return LimitExceeded(
            f"no room is left for {place.name}",
            remedy="free some disk space there, then try again",
            limit="disk space",
        )
    if isinstance(error, psycopg2.OperationalError) or state.startswith(("57", "08", "53")):
        return _away(place)
    return Unavailable(f"{place.name}: error {state} of PostgreSQL", remedy="look into its log")


def refused(error: Exception) -> bool:
    """Whether PostgreSQL answered a commit with this, and so has not made it."""
    state = error.pgcode or "" if isinstance(error, psycopg2.Error) else ""
    return bool(state) and not state.startswith(("08", "57P", "40003"))


def _away(place: Place) -> EmergeError:
    return Unavailable(f"{place.name} does not answer", remedy="see that PostgreSQL runs there, then try again")


def _dsn(place: Place) -> str:
    """The address as `key=value` words, which RelStorage goes on with."""
    try:
        words = parse_dsn(place.address)
    except psycopg2.ProgrammingError:  # its text may show the address
        raise Invalid(
            f"{place.name}: not an address that PostgreSQL knows", remedy="see libpq's connection URIs"
        ) from None
    words.setdefault("connect_timeout", max(2, math.ceil(place.wait)))
    dsn: str = make_dsn(**words)
    return dsn
