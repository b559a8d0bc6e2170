"""The built page: media types, caching for good of files named by their content, compressed files as they are."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

from starlette.datastructures import Headers
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain",
    ".py": "text/x-python",
    ".whl": "application/zip",
    ".zip": "application/zip",
}
OTHER = "application/octet-stream"
ENCODINGS = (("zstd", ".zst"), ("br", ".br"), ("gzip", ".gz"))
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
PACKED = ".gz"
"""The form that every file of an installed page has: all browsers accept it."""


class LargeFileResponse(FileResponse):
    """Send large files in few pieces."""

    chunk_size = 1 << 20


class StaticPage(StaticFiles):
    """The files of `dist`. `immutable`: the beginnings of paths that browsers may keep for good."""

    def __init__(self, dist: Path, immutable: tuple[str, ...]) -> None:
        super().__init__(directory=dist, html=True, check_dir=False)
        self.immutable = immutable

    async def check_config(self) -> None:
        """Accept a missing folder: a page that is not built is a 404, not a crash."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """Find a file that is there compressed only, too: an installed page leaves out the others."""
        found, result = super().lookup_path(path)
        if result is None and path:
            found, result = super().lookup_path(path + PACKED)
            found = found.removesuffix(PACKED)
        return found, result

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        request = Headers(scope=scope)
        path = os.fspath(full_path)
        headers = {"Cache-Control": FOR_EVER if scope["path"].startswith(self.immutable) else ASK_AGAIN}
        raw = stat_result if os.path.exists(path) else None
        stored = _stored(path, raw, request.get("accept-encoding", ""))
        headers["Vary"] = "Accept-Encoding"
        media_type = TYPES.get(os.path.splitext(path)[1].lower(), OTHER)
        if stored is None:
            return StreamingResponse(_unpacked(path + PACKED), status_code, headers, media_type)
        name, stat_result, encoding = stored
        if encoding:
            headers["Content-Encoding"] = encoding
        response = LargeFileResponse(name, status_code, headers, media_type, stat_result=stat_result)
        return NotModifiedResponse(response.headers) if self.is_not_modified(response.headers, request) else response


def _stored(path: str, raw: os.stat_result | None, accepted: str) -> tuple[str, os.stat_result, str] | None:
    """Choose the file to send: a compressed neighbour, if it is no older and the browser accepts it, or the file; None
    where that is there compressed only."""
    names = {
        part.partition(";")[0].strip() for part in accepted.lower().split(",") if ";q=0" not in part.replace(" ", "")
    }
    for name, ending in ENCODINGS:
        if name in names:
            try:
                found = os.stat(path + ending)
            except OSError:
                continue
            if raw is None or found.st_mtime >= raw.st_mtime:
                return path + ending, found, name
    return (path, raw, "") if raw else None


def _unpacked(path: str) -> Iterator[bytes]:
    with gzip.open(path) as file:
        while piece := file.read(LargeFileResponse.chunk_size):
            yield piece
