"""A package index that the operator named (PEP 503 in HTML, PEP 691 in JSON), of which what browsers can use is kept.

Its answers are asked for again after a while, and the last one holds while it is away.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import asdict
from html.parser import HTMLParser
from typing import NamedTuple
from urllib.parse import unquote, urldefrag, urljoin

from ...errors import EmergeError, NotFound, Unavailable
from .cache import FileCache
from .package_file import PackageFile, is_hash
from .settings import PackageLimits
from .upstream import Upstream
from .wheel import BrowserPython, parse_wheel

JSON_TYPES = ("application/vnd.pypi.simple.v1+json", "application/json")
ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
AnchorRow = dict[str, object]


class ProjectPage(NamedTuple):
    """What an index has of one package: files for browsers, the number of all its files, and of its wheels."""

    files: list[PackageFile]
    total: int = 0
    wheels: int = 0


class PackageIndex:
    """One index. `now` gives the seconds since 1970."""

    def __init__(
        self,
        url: str,
        python: BrowserPython,
        pages: FileCache,
        limits: PackageLimits,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.upstream = Upstream(url.rstrip("/") + "/", limits)
        self._tags = python.tags()
        self._pages = pages
        self._fresh = limits.fresh
        self._now = now
        self._turns: dict[str, asyncio.Lock] = {}

    @property
    def shown(self) -> str:
        return self.upstream.shown

    async def find(self, name: str) -> ProjectPage | None:
        """What it has of a package; None when it has none of that name.

        Raises:
            Unavailable: it is away, and was not asked before.
        """
        turn = self._turns.setdefault(name, asyncio.Lock())
        try:
            async with turn:
                return await self._find(name)
        finally:
            if not turn.locked() and self._turns.get(name) is turn:
                del self._turns[name]

    async def _find(self, name: str) -> ProjectPage | None:
        key = f"{self.upstream.mark}-{name}.json"
        kept = await asyncio.to_thread(self._kept, key)
        if kept is not None and 0 <= self._now() - kept[0] < self._fresh:
            return kept[1]
        try:
            page = await self._ask(name)
        except NotFound:
            page = None
        except EmergeError:
            if kept is None:
                raise
            return kept[1]
        await asyncio.to_thread(self._keep, key, page)
        return page

    async def download(self, file: PackageFile, files: FileCache) -> None:
        """Put a file of this index into the cache."""
        await self.upstream.keep(file.url, file.sha256, files)

    async def download_metadata(self, file: PackageFile, files: FileCache) -> None:
        await self.upstream.keep(f"{file.url}.metadata", file.metadata, files)

    async def _ask(self, name: str) -> ProjectPage:
        url = f"{self.upstream.url}{name}/"
        data, media_type = await self.upstream.read(url, ACCEPT)
        try:
            rows = _json_rows(data) if media_type in JSON_TYPES else _html_rows(data.decode("utf-8", "replace"))
            return self._page(url, rows)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise Unavailable(f"{self.shown} answers no index page of {name}: {error}"[:300]) from None

    def _page(self, url: str, rows: list[AnchorRow]) -> ProjectPage:
        files = []
        for row in rows:
            parsed = parse_wheel(str(row["filename"]))
            hashes = row.get("hashes")
            sha256 = str(hashes.get("sha256", "")).lower() if isinstance(hashes, dict) else ""
            if parsed is None or not parsed.tags & self._tags or not is_hash(sha256):
                continue
            files.append(_package_file(row, sha256, urljoin(url, str(row["url"]))))
        wheels = sum(str(row["filename"]).endswith(".whl") for row in rows)
        return ProjectPage(files, len(rows), wheels)

    def _kept(self, key: str) -> tuple[float, ProjectPage | None] | None:
        path = self._pages.find(key)
        if path is None:
            return None
        try:
            row = json.loads(path.read_text("utf-8"))
            page = row["page"]
            files = [PackageFile(**file) for file in page["files"]] if page else []
            return float(row["asked"]), ProjectPage(files, page["total"], page["wheels"]) if page else None
        except (OSError, ValueError, LookupError, TypeError):
            return None  # of another version of this program

    def _keep(self, key: str, page: ProjectPage | None) -> None:
        row = page and {"files": [asdict(file) for file in page.files], "total": page.total, "wheels": page.wheels}
        self._pages.write(key, json.dumps({"asked": self._now(), "page": row}).encode())


def _package_file(row: AnchorRow, sha256: str, url: str) -> PackageFile:
    metadata = row.get("core-metadata") or row.get("dist-info-metadata")
    given = str(metadata.get("sha256", "")).lower() if isinstance(metadata, dict) else ""
    yanked, size = row.get("yanked", False), row.get("size")
    return PackageFile(
        filename=str(row["filename"]),
        sha256=sha256,
        size=size if isinstance(size, int) else 0,
        url=url,
        yanked=(yanked if isinstance(yanked, str) and yanked else "yes") if yanked is not False else "",
        requires_python=str(row.get("requires-python") or ""),
        metadata=given if is_hash(given) else "",
    )


def _json_rows(data: bytes) -> list[AnchorRow]:
    rows = json.loads(data)["files"]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("its files are no list of maps")
    return rows


def _html_rows(text: str) -> list[AnchorRow]:
    parser = _Anchors()
    parser.feed(text)
    return parser.rows


class _Anchors(HTMLParser):
    """The links of an index page in HTML, as rows of one in JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[AnchorRow] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag != "a" or "href" not in given:
            return
        url, fragment = urldefrag(given["href"])
        kind, _, digest = fragment.partition("=")
        metadata = given.get("data-core-metadata", given.get("data-dist-info-metadata", ""))
        self.rows.append(
            {
                "filename": unquote(url.rpartition("/")[2]),
                "url": url,
                "hashes": {kind: digest} if digest else {},
                "yanked": given.get("data-yanked", False),
                "requires-python": given.get("data-requires-python", ""),
                "core-metadata": {"sha256": metadata.partition("=")[2]},
            }
        )
