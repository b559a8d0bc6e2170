"""Something between a store and its S3 that can be slow, refuse, or lose what passes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

SLOW_DOWN = "503 Slow Down", "SlowDown"
FULL = "507 Insufficient Storage", "XMinioStorageFull"  # as MinIO says it
QUOTA = "403 Forbidden", "QuotaExceeded"  # as Ceph does
DENIED = "403 Forbidden", "AccessDenied"


def refusal(status: str, code: str) -> bytes:
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>no</Message></Error>'
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\nConnection: close"
    return f"{head}\r\n\r\n{body}".encode()


class Proxy:
    """What becomes of a request is decided by `mode` as it comes:

    ok; refuse (with `refusal`); cut (the connection, before S3 has the request); lose (the connection, when S3 has
    answered); hang (nothing goes on until the mode is another). `only`: requests that hold this text, the others are
    ok. `delay` (s) holds up each. `lost` counts the answers that were lost.
    """

    def __init__(self, upstream: str) -> None:
        self._upstream = int(upstream.rsplit(":", 1)[1])
        self.port = 0
        self.delay = 0.0
        self.refusal = SLOW_DOWN
        self.lost = 0
        self.mode, self.only, self._changed = "ok", b"", asyncio.Event()
        self._losing: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    def set(self, mode: str, only: bytes = b"") -> None:
        self._changed.set()
        self.mode, self.only, self._changed = mode, only, asyncio.Event()

    async def start(self) -> None:
        """Listen: again on the same port, after a stop."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """As if the server were gone: nobody listens, what was open is cut."""
        self._server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._upstream)
        both = [asyncio.ensure_future(each) for each in (self._up(reader, back, writer), self._down(there, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            back.close()
            writer.close()
            await asyncio.gather(*both, return_exceptions=True)

    async def _up(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1 << 16):
            mode, changed = self.mode if self.only in piece else "ok", self._changed
            await asyncio.sleep(self.delay)
            if mode == "refuse":
                writer.write(refusal(*self.refusal))
                await writer.drain()
            if mode in ("refuse", "cut"):
                return
            if mode == "hang":
                await changed.wait()
            if mode == "lose":
                self._losing.add(writer)
            back.write(piece)
            await back.drain()

    async def _down(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await there.read(1 << 16):
            if writer in self._losing:
                self._losing.discard(writer)
                self.lost += 1
                return
            writer.write(piece)
            await writer.drain()


@asynccontextmanager
async def proxied(upstream: str) -> AsyncIterator[Proxy]:
    """A proxy to this URL, listening."""
    proxy = Proxy(upstream)
    await proxy.start()
    try:
        yield proxy
    finally:
        with suppress(OSError):
            await proxy.stop()
