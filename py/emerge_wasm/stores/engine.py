"""Which engine a store's URL names: the registry. Must not import an engine before a URL asks for it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from typing import Any
from urllib.parse import parse_qsl, unquote

from ..errors import Invalid, Unavailable
from ..store import Store


@dataclass(frozen=True, slots=True)
class Engine:
    """Where an engine lives. `await getattr(import_module(module), name).open(location, options)` gives a Store."""

    module: str
    name: str
    example: str
    hint: str  # what to do when the module, or what it needs, cannot be imported


ENGINES: dict[str, Engine] = {
    "memory": Engine("emerge_wasm.stores.memory", "MemoryStore", "memory:", ""),
    "sqlite": Engine(
        "emerge_wasm.stores.sqlite.store", "SQLiteStore", "sqlite:///file.db", "use a Python built with sqlite3"
    ),
    "postgresql": Engine(
        "emerge_wasm.stores.postgresql.store",
        "PostgreSQLStore",
        "postgresql://user@host/database",
        "pip install 'emerge-wasm[postgresql]'",
    ),
    "zodb": Engine("emerge_wasm.stores.zodb.store", "ZODBStore", "zodb:///file.fs", "pip install 'emerge-wasm[zodb]'"),
    "s3": Engine("emerge_wasm.stores.s3.store", "S3Store", "s3://bucket/prefix", "pip install 'emerge-wasm[s3]'"),
    "dynamodb": Engine(
        "emerge_wasm.stores.dynamodb.store", "DynamoDBStore", "dynamodb://table", "pip install 'emerge-wasm[dynamodb]'"
    ),
    "indexeddb": Engine(
        "emerge_wasm.stores.indexeddb", "IndexedDBStore", "indexeddb://name", "IndexedDB is there in a browser only"
    ),
}


async def open_store(url: str) -> Store:
    """Open the store that a URL names, making it where it is not yet.

    `memory:` · `sqlite:///relative.db` · `sqlite:////absolute.db` · `indexeddb://name`, then `?option=value&…`.
    Raises Invalid for a URL or option that no engine knows, Unavailable for an engine that cannot be had here.
    """
    scheme, location, options = _split(url)
    engine = ENGINES.get(scheme)
    if engine is None:
        raise Invalid(
            f"no store engine is called {scheme!r} (in {url!r})",
            remedy="use one of " + ", ".join(each.example for each in ENGINES.values()),
        )
    try:
        kind: Any = getattr(import_module(engine.module), engine.name)
        store: Store = await kind.open(location, options)
    except ImportError as error:
        raise Unavailable(f"{scheme}: stores need {error.name or error}", remedy=engine.hint) from error
    return store


def public_url(url: str) -> str:
    """The URL without its password, to be shown."""
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1:***@", url)


def _split(url: str) -> tuple[str, str, dict[str, str]]:
    """(scheme, location, options): `sqlite:///a%20b.db?x=1` is ("sqlite", "/a b.db", {"x": "1"})."""
    scheme, colon, rest = url.partition(":")
    if not colon:
        raise Invalid(
            f"{url!r} is not the URL of a store",
            remedy="use one of " + ", ".join(each.example for each in ENGINES.values()),
        )
    location, _, query = rest.partition("?")
    return scheme.lower(), unquote(location.removeprefix("//")), dict(parse_qsl(query, keep_blank_values=True))
