"""Fetches from a server that the operator named, and from those that it names: nothing else, and no more than fits.

Redirects lead only to hosts that the caller allows, and not from https to http. Credentials in an address are sent to
its own host alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from ...errors import LimitExceeded, NotFound, PermissionDenied, Unavailable
from .cache import FileCache
from .settings import PackageLimits

REDIRECTS = 5
MOVED = frozenset({301, 302, 303, 307, 308})


class Upstream:
    """The connection to the server of one source."""

    def __init__(self, url: str, limits: PackageLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.url = httpx.URL(url)
        self.shown = self.url.netloc.decode()
        self.mark = hashlib.sha256(str(self.url).encode()).hexdigest()[:16]
        self._limits = limits
        self._clock = clock
        self._away = 0.0  # until then it is not asked again
        self._client: httpx.AsyncClient | None = None
        self._turn = asyncio.Semaphore(limits.at_once)

    async def read(self, url: str, accept: str = "*/*") -> tuple[bytes, str]:
        """Fetch a small document from the server itself, and its media type.

        Raises:
            NotFound: it has none.
            Unavailable: it does not answer, or answers nonsense.
        """
        data = bytearray()
        async with self._open(url, frozenset(), self._limits.page, accept) as (response, pieces):
            async for piece in pieces:
                data += piece
            return bytes(data), response.headers.get("content-type", "").partition(";")[0].strip().lower()

    async def keep(self, url: str, sha256: str, files: FileCache) -> None:
        """Fetch a file of that hash, which an index names, into the cache.

        Raises:
            NotFound: it is not there any more.
            Unavailable: the server does not answer, or sends a file of another hash.
            LimitExceeded: it is too large.
            PermissionDenied: it leads elsewhere.
        """
        written = files.begin()
        try:
            digest = await self._download(url, written)
            if digest == sha256:
                await asyncio.to_thread(files.keep, sha256, written)
        except OSError as error:
            raise Unavailable(f"{url.rpartition('/')[2]} cannot be kept: {error}", remedy="free some space") from None
        finally:
            written.unlink(missing_ok=True)
        if digest != sha256:
            raise Unavailable(
                f"{url.rpartition('/')[2]} as {self.shown} sends it is not the file that its index names",
                remedy="try again later; if it stays so, the index or the way to it is broken",
            )

    async def _download(self, url: str, target: Path) -> str:
        digest = hashlib.sha256()
        async with self._open(url, frozenset({host_of(httpx.URL(url))}), self._limits.file) as (_, pieces):
            with await asyncio.to_thread(target.open, "wb") as file:
                async for piece in pieces:
                    digest.update(piece)
                    await asyncio.to_thread(file.write, piece)
        return digest.hexdigest()

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    @asynccontextmanager
    async def _open(
        self, url: str, hosts: frozenset[str], most: int, accept: str = "*/*"
    ) -> AsyncIterator[tuple[httpx.Response, AsyncIterator[bytes]]]:
        if self._clock() < self._away:
            raise self._silent("did not answer just now")
        async with self._turn:
            try:
                async with asyncio.timeout(10 * self._limits.patience):
                    response = await self._follow(httpx.URL(url), hosts, accept)
                    try:
                        yield response, self._pieces(response, most)
                    finally:
                        await response.aclose()
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
                self._away = self._clock() + self._limits.pause
                raise self._silent(f"{type(error).__name__}: {error}".rstrip(": ")) from None

    async def _follow(self, url: httpx.URL, hosts: frozenset[str], accept: str) -> httpx.Response:
        for _ in range(REDIRECTS + 1):
            self._check(url, hosts)
            response = await self._send(url, accept)
            if response.status_code not in MOVED:
                break
            await response.aclose()
            url = url.join(response.headers.get("location", ""))
        else:
            raise self._silent("redirects without end")
        if response.status_code == 200:
            return response
        await response.aclose()
        if response.status_code in (404, 410):
            raise NotFound(f"{self.shown} has no {url.path}")
        raise self._silent(f"answers {response.status_code}")

    async def _send(self, url: httpx.URL, accept: str) -> httpx.Response:
        if self._client is None:
            self._client = httpx.AsyncClient(timeout=self._limits.patience, follow_redirects=False)
        own = (url.scheme, host_of(url)) == (self.url.scheme, host_of(self.url))
        url = url.copy_with(userinfo=self.url.userinfo if own else b"")
        request = self._client.build_request("GET", url, headers={"accept": accept, "user-agent": "emerge-relay"})
        return await self._client.send(request, stream=True)

    def _check(self, url: httpx.URL, hosts: frozenset[str]) -> None:
        allowed = url.scheme in ("http", "https") and (host_of(url) == host_of(self.url) or host_of(url) in hosts)
        if not allowed or (self.url.scheme == "https" and url.scheme != "https"):
            raise PermissionDenied(
                f"{self.shown} leads to {url.scheme}://{url.netloc.decode()[:80]}, which its index does not name",
                remedy="nothing is fetched from there",
            )

    async def _pieces(self, response: httpx.Response, most: int) -> AsyncIterator[bytes]:
        count = 0
        announced = response.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > most:
            raise self._large(most)
        async for piece in response.aiter_bytes(1 << 18):
            count += len(piece)
            if count > most:
                raise self._large(most)
            yield piece

    def _large(self, most: int) -> LimitExceeded:
        return LimitExceeded(f"what {self.shown} sends is larger than {most >> 20} MiB", remedy="nothing of it is kept")

    def _silent(self, why: str) -> Unavailable:
        return Unavailable(f"{self.shown}: {why}"[:300], remedy="what was fetched before is served; try again later")


def host_of(url: httpx.URL) -> str:
    """The host and port of an address, without credentials."""
    return f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}".lower()
