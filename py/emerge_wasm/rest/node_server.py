"""A node's operations over HTTP, on this machine. The routes are in `app`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, Self

from starlette.applications import Starlette
from starlette.routing import Mount

from ..clients.keys.local_key import LocalKey
from ..clients.transports.endpoint import is_loopback
from ..errors import Invalid
from ..operations import Context, Dispatch
from .app import PREFIX, RequestLimits, RESTApp
from .gate import Gate
from .server import HttpServer

DEFAULT_PORT = 8081


class Served(Protocol):
    """A Filesystem, a Node: whatever dispatches operations."""

    @property
    def dispatch(self) -> Dispatch: ...


class RESTNodeServer:
    """Serve a filesystem, a node, or any dispatch at `http://host:port/api/v1`; the caller closes what is served.

    `token` is what callers must show ("": whoever reaches the address may call). `context` says who they are; a call
    may narrow it. With a `local_key` these are who shows it as their token, and who shows none is a guest. Beyond
    loopback it listens only with a token and with `origins`, the https:// addresses of the TLS proxy in front. Port 0
    takes a free one, see `url` after `start`.
    """

    def __init__(
        self,
        served: Served | Dispatch,
        host: str = "127.0.0.1",
        port: int = DEFAULT_PORT,
        *,
        token: str = "",
        context: Context | None = None,
        origins: Iterable[str] = (),
        limits: RequestLimits | None = None,
        local_key: LocalKey | None = None,
    ) -> None:
        proxies = tuple(origins)
        check_address(host, token, proxies)
        dispatch = served if callable(served) else served.dispatch
        self._local_key = local_key
        text = token if local_key is None else local_key.text
        gate = Gate(context or Context(via="rest"), text, host, proxies, guests=local_key is not None)
        self.rest = RESTApp(dispatch, gate.admit, limits or RequestLimits())
        self._server = HttpServer(Starlette(routes=[Mount(PREFIX, self.rest)]), host, port, ws="none", lifespan="off")

    @property
    def url(self) -> str:
        """Where clients connect, once started."""
        return self._server.url

    async def start(self) -> Self:
        """Serve.

        Raises:
            Invalid: the port is taken, or the key for this machine cannot be kept.
        """
        await self._server.start()
        if self._local_key is not None:
            self._local_key.keep(self.url)
        return self

    async def stop(self) -> None:
        """End the requests under way, and close; a second call does nothing."""
        await self._server.stop(self.rest.stop)
        if self._local_key is not None:
            self._local_key.remove()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()


def check_address(host: str, token: str, proxies: tuple[str, ...]) -> None:
    """Check that only this machine reaches the address, or a TLS proxy with a token.

    Raises:
        Invalid: other machines could reach it.
    """
    if is_loopback(host):
        return
    if not token or not proxies or not all(proxy.startswith("https://") for proxy in proxies):
        raise Invalid(
            f"{host} can be reached from other machines, and this server encrypts nothing",
            remedy="listen on 127.0.0.1, or give it a token and the https:// address of the TLS proxy in front",
        )
