"""The files of a tree as HTTP knows files: `GET`, `HEAD` and `PUT /files/PATH`, with ranges and entity tags.

They are read and written by the client, block by block: neither this process nor the node holds a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from secrets import token_hex
from typing import cast

from starlette.requests import Request

from ..clients.client import Client
from ..clients.file_reader import FileReader
from ..errors import Conflict, Invalid, NotFound, PermissionDenied, Unavailable
from ..operations import Context, Dispatch, Values, Wire
from .byte_range import ByteRange, names_tag, read_ranges
from .exchange import Exchange
from .gate import HTTPRefused
from .media import SANDBOX, disposition, media_type

METHODS = frozenset({"GET", "HEAD", "PUT"})
READ_OPTIONS = ("version", "as_of", "download")
WRITE_OPTIONS = ("raid", "version", "perms")
LEAST_PIECE = 16 << 10


class ContextTransport:
    """Calls a dispatch in this process, on behalf of one caller."""

    def __init__(self, dispatch: Dispatch, context: Context) -> None:
        self._dispatch = dispatch
        self._context = context

    async def call(self, name: str, args: Values, context: Wire | None = None) -> object:
        return await cast("Awaitable[object]", self._dispatch(name, args, self._context.narrowed(context)))

    def stream(self, name: str, args: Values, context: Wire | None = None) -> AsyncIterator[object]:
        return cast("AsyncIterator[object]", self._dispatch(name, args, self._context.narrowed(context)))

    async def close(self) -> None: ...


async def answer_file(
    request: Request, exchange: Exchange, dispatch: Dispatch, context: Context, patience: float
) -> None:
    """Answer a request for a file. `patience`: how long the next piece of a body may take, in seconds."""
    client = Client(ContextTransport(dispatch, context))
    path = "/" + request.path_params["path"]
    if request.method == "PUT":
        await _put(request, exchange, client, path, patience)
    else:
        await _get(request, exchange, client, path)


async def _get(request: Request, exchange: Exchange, client: Client, path: str) -> None:
    given = _options(request, READ_OPTIONS)
    opened = client.open(path, version=_number(given, "version"), as_of=given.get("as_of"))
    async with await exchange.attended(opened) as reader:
        tag = f'"{reader.root.hex()}"'
        common = {
            "etag": tag,
            "accept-ranges": "bytes",
            "cache-control": "private, no-cache",
            "content-security-policy": SANDBOX,
        }
        if not names_tag(request.headers.get("if-match", "*"), tag, weakly=False):
            raise HTTPRefused(412, Conflict(f"{path} is not what If-Match names", path=path, remedy="read it again"))
        if names_tag(request.headers.get("if-none-match", ""), tag, weakly=True):
            await exchange.begin(304, common)
            await exchange.finish(b"")
            return
        kind = media_type(reader.pointer.name)
        if not reader.seekable:
            await _stream(request, exchange, reader, kind, given)
            return
        common["content-disposition"] = disposition(reader.pointer.name, "download" not in given)
        ranges = _ranges(request, reader.size, tag)
        if ranges is not None and not ranges:
            error = Invalid(f"{path} has {reader.size} bytes, none of which is asked for", path=path)
            raise HTTPRefused(416, error, **{"content-range": f"bytes */{reader.size}", "accept-ranges": "bytes"})
        status = 200 if ranges is None else 206
        headers, frames = _body(kind, ranges, reader.size)
        length = sum(len(head) + part.end - part.begin for head, part in frames)
        await exchange.begin(status, {**common, **headers, "content-length": str(length)})
        parts = _pieces(reader, [] if request.method == "HEAD" else frames)
        await exchange.pour(parts)


async def _stream(request: Request, exchange: Exchange, reader: FileReader, kind: str, given: dict[str, str]) -> None:
    """Answer with bytes that come once: their number is not known, so a body that is cut off has no end."""
    headers = {"content-type": kind, "content-security-policy": SANDBOX, "accept-ranges": "none"}
    headers["content-disposition"] = disposition(reader.pointer.name, "download" not in given)
    await exchange.begin(200, headers)
    await exchange.pour(_pieces(reader, []) if request.method == "HEAD" else aiter(reader))


def _ranges(request: Request, size: int, tag: str) -> list[ByteRange] | None:
    """Return the parts to send; None for the whole file. If-Range holds only for the very bytes that it names."""
    asked = request.headers.get("range")
    if asked is None or request.method != "GET" or request.headers.get("if-range", tag).strip() != tag:
        return None
    return read_ranges(asked, size)


Frames = list[tuple[bytes, ByteRange]]
"""What is sent: bytes of the envelope, each followed by a part of the file."""


def _body(kind: str, ranges: list[ByteRange] | None, size: int) -> tuple[dict[str, str], Frames]:
    if ranges is None:
        return {"content-type": kind}, [(b"", ByteRange(0, size))]
    if len(ranges) == 1:
        return {"content-type": kind, "content-range": ranges[0].content_range(size)}, [(b"", ranges[0])]
    line = token_hex(16)
    frames: Frames = []
    for number, part in enumerate(ranges):
        begin = "" if number == 0 else "\r\n"
        head = f"{begin}--{line}\r\nContent-Type: {kind}\r\nContent-Range: {part.content_range(size)}\r\n\r\n"
        frames.append((head.encode(), part))
    frames.append((f"\r\n--{line}--\r\n".encode(), ByteRange(0, 0)))
    return {"content-type": f"multipart/byteranges; boundary={line}"}, frames


async def _pieces(reader: FileReader, frames: Frames) -> AsyncIterator[bytes]:
    for head, part in frames:
        if head:
            yield head
        reader.seek(part.begin)
        while reader.tell() < part.end:
            yield await reader.read_some(part.end - reader.tell())


async def _put(request: Request, exchange: Exchange, client: Client, path: str, patience: float) -> None:
    given = _options(request, WRITE_OPTIONS)
    if path.endswith("/"):
        raise Invalid(f"{path} is a directory", path=path, remedy="end the URL with the file's name")
    version, fresh = await _condition(request, client, path)
    version, perms = _number(given, "version") or version, given.get("perms", "")
    writer = await client.open(path, "wb", raid=_number(given, "raid"), version=version, perms=perms)
    try:
        async with writer:
            async for piece in _received(request, patience):
                await writer.write(piece)
    except Conflict as error:
        raise (HTTPRefused(412, error) if "if-match" in request.headers else error) from None
    assert writer.pointer is not None
    await exchange.give(201 if fresh else 200, writer.pointer.to_wire())


async def _condition(request: Request, client: Client, path: str) -> tuple[int, bool]:
    """Return the version that If-Match wants to replace (0: any), and whether nothing is there yet.

    Raises:
        HTTPRefused: If-Match or If-None-Match does not hold.
    """
    match, none_match = request.headers.get("if-match"), request.headers.get("if-none-match")
    try:
        pointer = await client.get(path)
    except NotFound:
        tag, version, fresh = "", 0, True
    except PermissionDenied:  # one may write what one may not read
        if match or none_match:
            raise
        return 0, False
    else:
        version, fresh, tag = pointer.version, False, ""
        if match or none_match:
            with suppress(NotFound, Invalid):  # an object that is no file has no tag
                async with await client.open(path, version=version) as reader:
                    tag = f'"{reader.root.hex()}"'
    if match is not None and (fresh or not names_tag(match, tag, weakly=False)):
        raise HTTPRefused(412, Conflict(f"{path} is not what If-Match names", path=path, remedy="read it again"))
    if none_match is not None and not fresh and names_tag(none_match, tag, weakly=True):
        raise HTTPRefused(412, Conflict(f"{path} is there already", path=path, remedy="leave If-None-Match out"))
    return (version if match is not None else 0), fresh


async def _received(request: Request, patience: float) -> AsyncIterator[bytes]:
    """Yield the body as it comes, in pieces that are worth a step.

    Raises:
        HTTPRefused: it does not come.
    """
    stream = aiter(request.stream())
    waiting = bytearray()
    while True:
        try:
            async with asyncio.timeout(patience):
                piece = await anext(stream, None)
        except TimeoutError:
            raise HTTPRefused(408, Unavailable("the request's body did not come", remedy="send it again")) from None
        waiting += piece or b""
        if len(waiting) >= LEAST_PIECE or piece is None:
            yield bytes(waiting)
            waiting.clear()
        if piece is None:
            return


def _options(request: Request, known: tuple[str, ...]) -> dict[str, str]:
    """Read the query. Raises Invalid for what is not known, or given twice."""
    query = request.query_params
    for name in query:
        if name not in known:
            raise Invalid(f"{request.method} of a file has no {name[:80]!r}", remedy=f"it has {', '.join(known)}")
        if len(query.getlist(name)) > 1:
            raise Invalid(f"{name} is given twice", remedy="give it once")
    return dict(query)


def _number(given: dict[str, str], name: str) -> int:
    text = given.get(name, "0")
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise Invalid(f"{name} cannot be {text[:40]!r}", remedy="give a number")
    return int(text)
