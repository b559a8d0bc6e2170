"""Made-up wheels, and an index of them on a port of its own, whose faults a test chooses."""

from __future__ import annotations

import hashlib
import json
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

PURE = "py3-none-any"
NATIVE = "cp314-cp314-pyemscripten_2026_0_wasm32"


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    tag: str = PURE,
    modules: Mapping[str, str] | None = None,
    requires: Iterable[str] = (),
) -> Path:
    """Write a wheel; `modules` are its files by their paths (else one module of its name)."""
    plain = name.replace("-", "_")
    info = f"{plain}-{version}.dist-info"
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    files = {
        **(modules if modules is not None else {f"{plain}.py": f"version = {version!r}\n"}),
        f"{info}/METADATA": "\n".join([*lines, *(f"Requires-Dist: {text}" for text in requires)]) + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    path = folder / f"{plain}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)  # the same bytes each time
        archive.writestr(
            zipfile.ZipInfo(f"{info}/RECORD"), "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
        )
    return path


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass
class Upstream:
    """A package index over a folder: `/simple/NAME/`, `/files/NAME`, and a lock file at `/pyodide-lock.json`.

    `html`: as PEP 503 has it. `hashes` are wrong ones by file name, `moved` where a file is instead, `yanked` reasons,
    `larger` by how many bytes a file is sent longer; `down`: every answer is a 503. `asked` counts by path.
    """

    folder: Path
    html: bool = False
    down: bool = False
    hashes: dict[str, str] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    yanked: dict[str, str] = field(default_factory=dict)
    larger: dict[str, int] = field(default_factory=dict)
    lock: dict[str, object] = field(default_factory=dict)
    files_at: str = ""  # another origin that the index names for its files
    asked: Counter[str] = field(default_factory=Counter)
    cookies: list[str] = field(default_factory=list)

    def app(self) -> Starlette:
        routes = [
            Route("/simple/{name}/", self._page),
            Route("/files/{name}", self._file),
            Route("/pyodide-lock.json", self._lock),
        ]
        return Starlette(routes=routes)

    def _begin(self, request: Request) -> Response | None:
        self.asked[request.url.path] += 1
        self.cookies += [value for name in ("cookie", "authorization") if (value := request.headers.get(name))]
        return Response(status_code=503) if self.down else None

    async def _page(self, request: Request) -> Response:
        failed = self._begin(request)
        if failed is not None:
            return failed
        plain = request.path_params["name"].replace("-", "_")
        if plain in self.moved:
            return RedirectResponse(self.moved[plain])
        paths = sorted(path for path in self.folder.iterdir() if path.name.lower().startswith(f"{plain}-"))
        if not paths:
            return Response(status_code=404)
        rows = [self._row(path, "metadata" in request.query_params) for path in paths]
        if self.html:
            links = "".join(
                f'<a href="{escape(str(row["url"]))}#sha256={row["hashes"]["sha256"]}"'  # type: ignore[index]  # a map
                + (f' data-yanked="{escape(str(row["yanked"]))}"' if row["yanked"] else "")
                + f">{row['filename']}</a>"
                for row in rows
            )
            return HTMLResponse(f"<!doctype html><title>x</title>{links}")
        body = {"meta": {"api-version": "1.0"}, "name": plain, "files": rows}
        return Response(json.dumps(body), media_type="application/vnd.pypi.simple.v1+json")

    def _row(self, path: Path, metadata: bool) -> dict[str, object]:
        digest = self.hashes.get(path.name) or sha256(path.read_bytes())
        url = f"{self.files_at}/files/{path.name}" if self.files_at else f"../../files/{path.name}"
        return {
            "filename": path.name,
            "url": url,
            "hashes": {"sha256": digest},
            "yanked": self.yanked.get(path.name, False),
        }

    async def _file(self, request: Request) -> Response:
        failed = self._begin(request)
        if failed is not None:
            return failed
        name = request.path_params["name"]
        if name in self.moved:
            return RedirectResponse(self.moved[name])
        return Response((self.folder / name).read_bytes() + bytes(self.larger.get(name, 0)))

    async def _lock(self, request: Request) -> Response:
        return self._begin(request) or Response(json.dumps(self.lock), media_type="application/json")


@contextmanager
def serve_index(upstream: Upstream) -> Iterator[str]:
    """Serve an index in a thread, for a test that has no event loop; its origin."""
    config = uvicorn.Config(upstream.app(), port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
