"""The packages of cells over HTTP: an index as PEP 691 has it, its files, and the catalogue of what can be imported.

Only whoever is signed in at the relay may ask: others must not make it fetch anything.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from ...errors import EmergeError, NotFound
from ...rest.app import Admit
from ...rest.exchange import status_of
from ...rest.gate import HTTPRefused, own_origins
from .package_file import PackageFile, is_hash
from .repository import Repository
from .wheel import parse_wheel

PREFIX = "/packages"
JSON_TYPE = "application/vnd.pypi.simple.v1+json"
ASK_AGAIN = "private, no-cache"
FOR_EVER = "private, max-age=31536000, immutable"
CLOSED = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}

RouteAnswer = Callable[[Request], Awaitable[Response]]


class PackageRoutes:
    """Answers for the packages of a relay. `host` and `origins` are where browsers see it."""

    def __init__(self, repository: Repository, admit: Admit, host: str, origins: Iterable[str]) -> None:
        self._repository = repository
        self._admit = admit
        self._host = host
        self._origins = tuple(origins)

    def routes(self) -> list[Route]:
        return [
            Route(f"{PREFIX}/catalogue", self._guarded(self._catalogue)),
            Route(f"{PREFIX}/simple/{{name}}/", self._guarded(self._listing)),
            Route(f"{PREFIX}/file/{{sha256}}/{{filename}}", self._guarded(self._file)),
        ]

    def _guarded(self, answer: RouteAnswer) -> RouteAnswer:
        async def guarded(request: Request) -> Response:
            try:
                self._admit(request)
                return await answer(request)
            except HTTPRefused as refused:
                return _failure(refused.error, refused.status)
            except EmergeError as error:
                return _failure(error, status_of(error))

        return guarded

    async def _catalogue(self, request: Request) -> Response:
        """`/packages/catalogue`: `repository.PackageCatalogue`."""
        return JSONResponse(await self._repository.catalogue(), headers={**CLOSED, "Cache-Control": ASK_AGAIN})

    async def _listing(self, request: Request) -> Response:
        """`/packages/simple/NAME/`: the files of a package, newest first."""
        listing = await self._repository.listing(request.path_params["name"])
        base = f"{self._origin(request)}{PREFIX}/file"
        versions = {parsed.version for file in listing.files if (parsed := parse_wheel(file.filename))}
        body = {
            "meta": {"api-version": "1.1"},
            "name": listing.name,
            "versions": [str(version) for version in sorted(versions)],
            "files": [_row(file, f"{base}/{file.sha256}/{file.filename}") for file in listing.files],
        }
        headers = {**CLOSED, "Cache-Control": ASK_AGAIN}
        return Response(json.dumps(body), media_type=JSON_TYPE, headers=headers)

    async def _file(self, request: Request) -> Response:
        """`/packages/file/SHA256/NAME`: a file, whose hash was checked; with `.metadata`, what is said about it."""
        sha256, asked = request.path_params["sha256"], request.path_params["filename"]
        filename = asked.removesuffix(".metadata")
        if not is_hash(sha256):
            raise NotFound("a file's address has its SHA-256", remedy="take it from the index")
        found = await self._repository.locate(sha256, filename)
        data = await (found.data if filename == asked else found.metadata)()
        if data is None:
            raise NotFound(f"there is no {asked} any more", remedy="look at the index again")
        headers = {**CLOSED, "Cache-Control": FOR_EVER}
        media_type = "application/zip" if filename == asked else "text/plain"
        if isinstance(data, Path):
            return FileResponse(data, headers=headers, media_type=media_type)
        return Response(data, headers=headers, media_type=media_type)

    def _origin(self, request: Request) -> str:
        """The address of this relay as its caller wrote it, if that is one of its own; micropip wants whole URLs."""
        called = request.headers.get("host", "")
        own = own_origins(request, self._host, self._origins)
        for scheme in ("https", "http"):
            if f"{scheme}://{called}" in own:
                return f"{scheme}://{called}"
        return str(request.base_url).rstrip("/") if not self._origins else self._origins[0].rstrip("/")


def _row(file: PackageFile, url: str) -> dict[str, object]:
    row: dict[str, object] = {"filename": file.filename, "url": url, "hashes": {"sha256": file.sha256}}
    if file.size:
        row["size"] = file.size
    if file.requires_python:
        row["requires-python"] = file.requires_python
    if file.metadata:
        row["core-metadata"] = {"sha256": file.metadata}
    row["yanked"] = file.yanked or False
    return row


def _failure(error: EmergeError, status: int) -> Response:
    body = {"code": error.code, "message": error.message, "remedy": error.remedy}
    return JSONResponse(body, status, {**CLOSED, "Cache-Control": "no-store"})
