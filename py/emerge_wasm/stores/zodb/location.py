"""Where a ZODB is: the parts of a store's URL. Must not import ZODB, nor asyncio."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from ...errors import Invalid
from ..check import check_options

OPTIONS = ("wait", "relstorage")


@dataclass(frozen=True, slots=True)
class ZODBLocation:
    """What a URL names. `source` says which module of this folder opens it (see `source`)."""

    source: Literal["file", "zeo", "relstorage"]
    name: str  # fit for an error message: it has no secrets
    address: str
    wait: float  # seconds to wait for a server that is away

    @property
    def remote(self) -> bool:
        """Whether a server holds it, to which others may write too."""
        return self.source != "file"


def location_of(location: str, options: Mapping[str, str]) -> ZODBLocation:
    """Read a URL's parts. Raises Invalid."""
    check_options("zodb", options, OPTIONS)
    wait = options.get("wait", "5")
    if not re.fullmatch(r"\d{1,4}(\.\d*)?", wait):
        raise Invalid(f"wait={wait} is not a number of seconds", remedy="write for example wait=0.5")
    if address := options.get("relstorage"):
        if location.strip("/"):
            raise Invalid(f"a ZODB is at {location} or in an SQL database, not in both", remedy="leave one out")
        return ZODBLocation("relstorage", _sql_name(address), address, float(wait))
    if location and not location.startswith("/"):
        return ZODBLocation("zeo", f"the ZEO server {location}", location, float(wait))
    path = location[1:]
    if not path or "\0" in path:
        raise Invalid(
            f"zodb://{location} names no file",
            remedy="write zodb:///file.fs, zodb:////dir/file.fs, zodb://host:port/storage"
            " or zodb://?relstorage=postgresql%3A//user@host/database",
        )
    return ZODBLocation("file", path, path, float(wait))


def _sql_name(address: str) -> str:
    """Return a DSN without what may be a secret."""
    parts = urlsplit(address)
    if parts.scheme not in ("postgresql", "postgres") or (not parts.hostname and not parts.path.strip("/")):
        raise Invalid(
            "relstorage= names no database", remedy="write zodb://?relstorage=postgresql%3A//user@host/database"
        )
    return f"the ZODB in postgresql://{parts.hostname or ''}{parts.path}"
