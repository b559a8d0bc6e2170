"""Endpoints to listen on: which are allowed, and binding a ZeroMQ socket to one.

For nodes, the cluster and the HTTP servers. Importable where zmq is not installed, like its neighbours.
"""

from __future__ import annotations

import ipaddress
import time
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


def check_endpoint(endpoint: str, *, keys: bool = False) -> str:
    """Return the endpoint in the form that ZeroMQ binds. With `keys` other machines may reach it.

    Raises:
        Invalid: it is malformed, or others could reach it and would show no keys.
    """
    remedy = "bind tcp://127.0.0.1:PORT (0 for a free port)"
    try:
        parts = urlsplit(endpoint)
        if parts.scheme in ("ipc", "inproc") and not keys:
            return endpoint
        port = endpoint.rpartition(":")[2]
        host = parts.hostname or ""
        if parts.scheme != "tcp" or not (port == "*" or 0 <= int(port) < 65536) or (keys and not host):
            raise ValueError
    except ValueError:
        raise Invalid(f"{endpoint!r} is no endpoint to bind", remedy=remedy) from None
    if not keys and not is_loopback(host):
        raise Invalid(
            f"{endpoint} can be reached from other machines, and there are no keys to tell who may",
            remedy=f"{remedy}, or make a key: emerge keys new NAME --member, and name it: --key NAME",
        )
    return f"tcp://{f'[{host}]' if ':' in host else host}:{'*' if port in ('*', '0') else port}"


def is_any(host: str) -> bool:
    """Tell whether an address to bind stands for all of a machine's, so that nobody can call it."""
    return host in ("*", "0.0.0.0", "::", "[::]")


def advertise(endpoint: str, host: str) -> str:
    """Return the endpoint under which others call what is bound at one: at another host, and perhaps another port.

    Raises:
        Invalid: `host` is no HOST or HOST:PORT, or others could not call it.
    """
    bound = urlsplit(endpoint)
    try:
        shown = urlsplit(f"tcp://{_bracketed(host)}") if host else bound
        name, port = shown.hostname or "", shown.port or bound.port
        if not name or shown.path or is_any(name):
            raise ValueError
    except ValueError:
        raise Invalid(
            f"{host or endpoint} is no address that other machines can call",
            remedy="say by which name or address they reach this one: --advertise HOST or HOST:PORT",
        ) from None
    return f"tcp://{f'[{name}]' if ':' in name else name}:{port}"


def without_port(host: str) -> str:
    """Return the HOST of HOST or HOST:PORT."""
    host = _bracketed(host)
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _bracketed(host: str) -> str:
    """Return a host as it stands before a port: an IPv6 address in brackets."""
    try:
        return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
    except ValueError:
        return host


def bind_socket(socket: zmq.Socket[bytes], endpoint: str) -> str:
    """Bind a socket and return the endpoint with its real port.

    Raises:
        Invalid: the endpoint is taken or cannot be bound; the socket is closed then.
    """
    import zmq

    try:
        _bind(socket, endpoint.replace("//localhost:", "//127.0.0.1:"), 0.1)
    except zmq.ZMQError as error:
        socket.close(0)
        if error.errno == zmq.EADDRINUSE:
            raise Invalid(
                f"{endpoint} is taken: another process listens there",
                remedy="stop it (a node, perhaps), or bind another port; 0 takes a free one",
            ) from None
        raise Invalid(f"{endpoint} cannot be bound: {error}", remedy="bind tcp://127.0.0.1:PORT") from None
    return socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")


_here: set[str] = set()


def bind_here(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """Let this process reach a socket that is bound to an endpoint without a connection, by `endpoint_here`.

    The socket must be of ZeroMQ's common context, and ask for no keys, of which no account is taken then.
    """
    socket.bind(_inproc(endpoint))
    _here.add(endpoint)


def leave_here(endpoint: str) -> None:
    """Have an endpoint reached by a connection: its socket is about to be closed."""
    _here.discard(endpoint)


def endpoint_here(endpoint: str) -> str:
    """Return where this process connects to reach an endpoint: in its own memory, where it bound that itself."""
    return _inproc(endpoint) if endpoint in _here else endpoint


def _inproc(endpoint: str) -> str:
    return f"inproc://emerge/{endpoint}"


def bind_again(socket: zmq.Socket[bytes], endpoint: str) -> None:
    """End all connections of a bound socket, and bind it anew with its options as they are now.

    A connection ends once the socket is read dry. Raises zmq.ZMQError when another process takes the port in between.
    """
    socket.unbind(endpoint)
    _bind(socket, endpoint, 1.0)


def _bind(socket: zmq.Socket[bytes], endpoint: str, patience: float) -> None:
    """Bind, also when ZeroMQ's thread lets a port go that was given up just now."""
    import zmq

    until = time.monotonic() + patience
    while True:
        try:
            socket.bind(endpoint)
            return
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE or time.monotonic() > until:
                raise
        time.sleep(0.005)
