"""Which engine a store's URL names: the registry. Must not import an engine before a URL asks for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol
from urllib.parse import parse_qsl, unquote

from ..errors import Invalid, Unavailable
from ..store import Store
from . import block_key


@dataclass(frozen=True, slots=True)
class Engine:
    """Where an engine lives: the class `name` of `module`, which may be relative to this package."""

    module: str
    name: str
    example: str
    hint: str = ""  # what to do when the module, or a package that it needs, cannot be imported


class StoreOpener(Protocol):
    """What the registry needs of an engine's class."""

    async def open(self, location: str, options: Mapping[str, str]) -> Store:
        """Open the store at a location, making it if it does not exist yet. Both are percent-decoded parts of a URL.

        Raises:
            Invalid: the location or an option makes no sense to this engine.
            Unavailable: the engine cannot be reached.
            PermissionDenied: the engine refuses these credentials.
        """
        ...


def _pip(extra: str) -> str:
    return f"pip install 'emerge-wasm[{extra}]'"


ENGINES: dict[str, Engine] = {
    "memory": Engine(".memory", "MemoryStore", "memory:"),
    "sqlite": Engine(".sqlite.store", "SQLiteStore", "sqlite:///file.db", "use a Python built with sqlite3"),
    "postgresql": Engine(".postgresql.store", "PostgreSQLStore", "postgresql://user@host/database", _pip("postgresql")),
    "zodb": Engine(".zodb.store", "ZODBStore", "zodb:///file.fs", _pip("zodb")),
    "s3": Engine(".s3.store", "S3Store", "s3://bucket/prefix", _pip("s3")),
    "dynamodb": Engine(".dynamodb.store", "DynamoDBStore", "dynamodb://table", _pip("dynamodb")),
    "indexeddb": Engine(".indexeddb.store", "IndexedDBStore", "indexeddb://name", "IndexedDB exists in a browser only"),
}


async def open_store(url: str) -> Store:
    """Open the store that a URL names, making it if it does not exist yet.

    `memory:` · `sqlite:///relative.db` · `sqlite:////absolute.db` · `indexeddb://name`, then `?option=value&…`.
    `block_key=FILE`, on any of them, has the keys with which its blocks are encrypted.

    Raises:
        Invalid: no engine knows this URL or one of its options.
        Unavailable: the engine, or a package that it needs, is missing or does not answer.
    """
    scheme, location, options = split_url(url)
    key_file = options.pop(block_key.OPTION, "")
    cipher = block_key.read_cipher(key_file) if key_file else None
    engine = ENGINES.get(scheme)
    if engine is None:
        raise Invalid(
            f"no store engine is called {scheme!r} (in {url!r})",
            remedy="use one of " + ", ".join(each.example for each in ENGINES.values()),
        )
    try:
        opener: StoreOpener = getattr(import_module(engine.module, __package__), engine.name)
        store = await opener.open(location, options)
    except ImportError as error:
        raise Unavailable(f"{scheme}: stores need {error.name or error}", remedy=engine.hint) from error
    if cipher is not None:
        store.block_cipher = cipher  # type: ignore[attr-defined]  # as `block_files`: of concern to blocks only
    return store


def public_url(url: str) -> str:
    """Return the URL without its password, to be shown."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", url)


def split_url(url: str) -> tuple[str, str, dict[str, str]]:
    """Return (scheme, location, options): `sqlite:///a%20b.db?x=1` gives ("sqlite", "/a b.db", {"x": "1"})."""
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise Invalid(
            f"{url!r} is not the URL of a store",
            remedy="use one of " + ", ".join(each.example for each in ENGINES.values()),
        )
    location, _, query = rest.partition("?")
    return scheme.lower(), unquote(location.removeprefix("//")), dict(parse_qsl(query, keep_blank_values=True))
