"""The registry of transports by address scheme. Must not import a transport before an address asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from ...errors import Invalid, Unavailable
from ...operations import Transport


@dataclass(frozen=True, slots=True)
class TransportEntry:
    """Where a transport lives: `name` in `module` is its class.

    It is called with the address (and `token=`, if it takes one), and connects at the first call.
    """

    module: str
    name: str
    example: str
    takes_token: bool = True


NODE = TransportEntry("emerge_wasm.clients.transports.zeromq", "ZeroMQTransport", "tcp://host:5558", takes_token=False)
RELAY = TransportEntry("emerge_wasm.clients.transports.websocket", "WebSocketTransport", "ws://host:8080")
HTTP = TransportEntry("emerge_wasm.clients.transports.rest", "RESTTransport", "http://host:8080")

TRANSPORTS: dict[str, TransportEntry] = {"tcp": NODE, "ws": RELAY, "wss": RELAY, "http": HTTP, "https": HTTP}


def open_transport(address: str, token: str | None = None) -> Transport:
    """Make the transport that an address names by its scheme; of several nodes' addresses, one that fails over.

    Raises:
        Invalid: no transport has that scheme, or it takes no token.
    """
    if "," in address:
        return _open_failover(address.split(","), token)
    entry = TRANSPORTS.get(address.partition("://")[0].lower())
    if entry is None:
        examples = ", ".join(dict.fromkeys(each.example for each in TRANSPORTS.values()))
        raise Invalid(f"{address!r} is no address to connect to", remedy=f"use one of {examples}")
    if token and not entry.takes_token:
        raise Invalid(f"{address} takes no token", remedy="leave it out, or call a relay")
    kind: Any = getattr(import_module(entry.module), entry.name)
    transport: Transport = kind(address, token=token) if token else kind(address)
    return transport


def missing_package(error: ImportError, extra: str) -> Unavailable:
    """Return the error for a missing package that a transport needs and that `extra` installs."""
    return Unavailable(f"the package {error.name} is not installed", remedy=f"pip install 'emerge-wasm[{extra}]'")


def _open_failover(addresses: list[str], token: str | None) -> Transport:
    from .failover import FailoverTransport, NodeLink

    for address in addresses:
        if not address.startswith("tcp://"):
            raise Invalid(
                f"{address!r} is not the address of a node", remedy="list nodes, tcp://one:5558,tcp://two:5558"
            )
    return FailoverTransport(addresses, lambda each: cast(NodeLink, open_transport(each, token)))
