"""What the three sources of a ZODB have in common, and what the errors of ZODB and of a source mean.

A source is a module of this folder (`file`, `zeo`, `relstorage`), imported when a URL first names it, since each needs
packages of its own. Synchronous; must not import asyncio.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from transaction.interfaces import TransientError
from ZODB.interfaces import IStorage
from ZODB.POSException import POSError, POSKeyError, ReadOnlyError, StateLoadError, StorageError

from ...errors import EmergeError, Invalid, LimitExceeded, Unavailable
from .location import ZODBLocation
from .tree import ForeignClass

_EXTRA = {"file": "zodb", "zeo": "zodb", "relstorage": "relstorage"}


class ZODBSource(Protocol):
    """What a module offers that reaches a ZODB."""

    @property
    def FAILURES(self) -> tuple[type[Exception], ...]:
        """What its storage raises, besides ZODB's own errors, when it is away or broken."""
        ...

    def open_storage(self, location: ZODBLocation) -> IStorage:
        """Open the storage, making it if it does not exist yet. Raises EmergeError, or what `FAILURES` names."""
        ...

    def to_emerge_error(self, error: Exception, location: ZODBLocation) -> EmergeError | None:
        """Return the EmergeError for an error of this source, None for an error that is not its own."""
        ...

    def refused(self, error: Exception) -> bool:
        """Return whether a commit that failed with this has certainly not been made.

        Only a server with transactions of its own can tell.
        """
        ...


def source_of(location: ZODBLocation) -> ZODBSource:
    """Import the source of a location. Raises ImportError when a package of it is missing."""
    match location.source:
        case "file":
            from . import file

            return file
        case "zeo":
            from . import zeo

            return zeo
        case "relstorage":
            from . import relstorage

            return relstorage


def failures_of(location: ZODBLocation) -> tuple[type[Exception], ...]:
    """Return the errors of a storage that is away, broken or closed, and of what was just packed away in it."""
    return (POSError, TransientError, *source_of(location).FAILURES)


@contextmanager
def mapped_errors(location: ZODBLocation) -> Iterator[None]:
    """Raise every error of ZODB, and of what is below it, as an EmergeError that names the location."""
    try:
        yield
    except EmergeError as error:
        if location.name in error.message:
            raise
        raise type(error)(f"{location.name}: {error.message}", remedy=error.remedy, **error.details) from error
    except Exception as error:
        raise to_emerge_error(error, location) from error


def to_emerge_error(error: Exception, location: ZODBLocation) -> EmergeError:
    """Return the EmergeError for an error of ZODB, or of a storage below it."""
    if isinstance(error, ImportError):
        remedy = f"pip install 'emerge-wasm[{_EXTRA[location.source]}]'"
        return Unavailable(f"{location.name}: it needs {error.name or error}", remedy=remedy)
    if isinstance(error, StateLoadError) and isinstance(error.__context__, ForeignClass):
        error = error.__context__
    known = source_of(location).to_emerge_error(error, location)
    if known is not None:
        return known
    match error:
        case EmergeError():
            return error
        case ForeignClass():
            return Invalid(f"{location.name} is not an Emerge store: it holds {error}", remedy="name another one")
        case ReadOnlyError():
            return Unavailable(f"{location.name} cannot be written", remedy="open it for writing where it is served")
        case POSKeyError() | StateLoadError():
            return Invalid(f"{location.name} is damaged: {type(error).__name__}", remedy="restore it from a backup")
        case TransientError():
            return Unavailable(f"{location.name} has too many writers at once", remedy="try again")
        case MemoryError():
            return LimitExceeded(f"{location.name}: out of memory", remedy="commit less at once", limit="memory")
        case StorageError():
            return Unavailable(f"{location.name}: {error}", remedy="look at the storage, then try again")
    return Unavailable(
        f"{location.name}: {type(error).__name__}: {error}", remedy="look at the storage, then try again"
    )
