"""What `test_pyodide` runs in Pyodide, where the transport goes by fetch. `main` is awaited."""

import asyncio
import sys

from emerge_wasm import EmergeFile, NotFound, PermissionDenied, Unavailable
from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.rest import RESTTransport, rest_url
from emerge_wasm.clients.transports.rest_http import make_http

assert sys.platform == "emscripten"
assert not {"httpx", "starlette", "zmq"} & set(sys.modules)
URL: str = globals()["URL"]
TOKEN: str = globals()["TOKEN"]


async def refused(work: object, kind: type[Exception], word: str) -> None:
    try:
        await work  # type: ignore[misc]
    except kind as error:
        assert word in str(error), error
    else:
        raise AssertionError(f"no {kind.__name__}")


async def main() -> None:
    async with Client(RESTTransport(URL, TOKEN)) as client:
        await client.store(EmergeFile(name="a", path="/d", data=b"x" * 300_000))
        assert (await client.getobject("/d/a")).data == b"x" * 300_000
        assert [pointer.name async for pointer in client.tree("/")] == ["d", "a"]
        await refused(client.get("/nowhere"), NotFound, "/nowhere")
        watch = client.watch("/", 0)
        assert [(await anext(watch))["operation"] for _ in range(2)] == ["mkdir", "store"]
        coming = asyncio.ensure_future(anext(watch))
        await asyncio.sleep(0.05)
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
    async with Client(RESTTransport(URL, TOKEN, heartbeat=0.2)) as impatient:
        await refused(anext(impatient.watch("/d")), Unavailable, "nothing came for 0.6 s")
    assert await make_http(1.0).get_status(f"{rest_url(URL)}/healthz") == 200
    async with RESTTransport(URL, "wrong") as stranger:
        await refused(stranger.call("hello", []), PermissionDenied, "not known")
    async with RESTTransport("http://127.0.0.1:9") as nobody:
        await refused(nobody.call("hello", []), Unavailable, "127.0.0.1:9")
