"""Firefox for Playwright: `python -m tests.page.bidi FIREFOX ARGUMENTS` starts it, and stands between the two.

Playwright drives a stock Firefox by WebDriver BiDi, of which Firefox ESR lacks two things. It cannot set what media
queries find: that is answered here, and settings of the profile do the same (`ui.prefersReducedMotion`). And what it
tells of a download that is no navigation has no name: here it gets that of its address.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

LISTENS = re.compile(rb"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)")
UNKNOWN = "emulation.setMediaFeaturesOverride"
DOWNLOADS = ("browsingContext.downloadWillBegin", "browsingContext.downloadEnd")


async def pass_commands(playwright: ServerConnection, firefox: ClientConnection) -> None:
    async for text in playwright:
        command = json.loads(text)
        if command["method"] == UNKNOWN:
            await playwright.send(json.dumps({"type": "success", "id": command["id"], "result": {}}))
        else:
            await firefox.send(text)


async def pass_events(firefox: ClientConnection, playwright: ServerConnection) -> None:
    async for text in firefox:
        event = json.loads(text)
        if event.get("method") in DOWNLOADS:
            event["params"]["download"] = event["params"]["url"]
            text = json.dumps(event)
        await playwright.send(text)


@asynccontextmanager
async def announced(join: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[None]:
    """Take Playwright's connection, where Firefox would say that it does."""
    async with serve(join, "127.0.0.1", 0, max_size=None, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        sys.stderr.write(f"WebDriver BiDi listening on ws://127.0.0.1:{port}\n")
        sys.stderr.flush()
        yield


async def run(command: list[str]) -> int:
    browser = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    assert browser.stderr is not None
    async for line in browser.stderr:
        if found := LISTENS.search(line):
            break
    else:
        return await browser.wait()
    url = f"ws://127.0.0.1:{int(found[1])}/session"

    async def join(playwright: ServerConnection) -> None:
        async with connect(url, max_size=None, compression=None, proxy=None) as firefox:
            events = asyncio.create_task(pass_events(firefox, playwright))
            try:
                await pass_commands(playwright, firefox)
            except ConnectionClosed:
                pass
            finally:
                events.cancel()

    async with announced(join):
        async for _ in browser.stderr:  # nobody else empties it
            pass
        return await browser.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(run(sys.argv[1:])))
