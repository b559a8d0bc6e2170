"""Endpoints to listen on: which are allowed, and binding a ZeroMQ socket to one.

For nodes, the cluster and the HTTP servers. Importable where zmq is not installed, like its neighbours.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...errors import Invalid

if TYPE_CHECKING:
    import zmq


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(address: str) -> str:
    """Return the host of `tcp://host:port`."""
    return address.partition("?")[0].removeprefix("tcp://").rpartition(":")[0].strip("[]")


def check_endpoint(endpoint: str) -> str:
    """Return the endpoint in the form that ZeroMQ binds.

    Raises:
        Invalid: it is malformed, or other machines could reach it.
    """
    remedy = "bind tcp://127.0.0.1:PORT (0 for a free port)"
    try:
        parts = urlsplit(endpoint)
        if parts.scheme in ("ipc", "inproc"):
            return endpoint
        port = endpoint.rpartition(":")[2]
        host = parts.hostname or ""
        if parts.scheme != "tcp" or not (port == "*" or 0 <= int(port) < 65536):
            raise ValueError
    except ValueError:
        raise Invalid(f"{endpoint!r} is no endpoint to bind", remedy=remedy) from None
    if not is_loopback(host):
        raise Invalid(
            f"{endpoint} can be reached from other machines, and this version has no keys to tell who may",
            remedy=remedy,
        )
    return f"tcp://{'[::1]' if ':' in host else host}:{'*' if port in ('*', '0') else port}"


def bind_socket(socket: zmq.Socket[bytes], endpoint: str) -> str:
    """Bind a socket and return the endpoint with its real port.

    Raises:
        Invalid: the endpoint is taken or cannot be bound; the socket is closed then.
    """
    import zmq

    try:
        socket.bind(endpoint.replace("//localhost:", "//127.0.0.1:"))
    except zmq.ZMQError as error:
        socket.close(0)
        if error.errno == zmq.EADDRINUSE:
            raise Invalid(
                f"{endpoint} is taken: another process listens there",
                remedy="stop it (a node, perhaps), or bind another port; 0 takes a free one",
            ) from None
        raise Invalid(f"{endpoint} cannot be bound: {error}", remedy="bind tcp://127.0.0.1:PORT") from None
    return socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
