"""The registry of transports by address scheme. Must not import a transport before an address asks for it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ...errors import Invalid

if TYPE_CHECKING:
    from ...operations import Transport


class TransportEntry(NamedTuple):
    """Where a transport lives: `name` in `module` is its class.

    It is called with the address (and `token=` or `credential=`, whichever it takes), and connects at the first call.
    """

    module: str
    name: str
    example: str
    takes: str = "token"


NODE = TransportEntry("emerge_wasm.clients.transports.zeromq", "ZeroMQTransport", "tcp://host:5558", "credential")
RELAY = TransportEntry("emerge_wasm.clients.transports.websocket", "WebSocketTransport", "ws://host:8080")
HTTP = TransportEntry("emerge_wasm.clients.transports.rest", "RESTTransport", "http://host:8080")

TRANSPORTS: dict[str, TransportEntry] = {"tcp": NODE, "ws": RELAY, "wss": RELAY, "http": HTTP, "https": HTTP}


def open_transport(address: str, token: str | None = None, key: str | None = None) -> Transport:
    """Make the transport that an address names by its scheme, to show a token (a relay) or a key (a node).

    Of several nodes' addresses, with commas between them, it is one that fails over.

    `key` is the name of a key or its file's path (see `find_credential`).

    Raises:
        Invalid: no transport has that scheme, or it takes no token.
        NotFound: there is no such key.
    """
    if "," in address:
        return _open_failover(address.split(","), token, key)
    entry = TRANSPORTS.get(address.partition("://")[0].lower())
    if entry is None:
        examples = ", ".join(dict.fromkeys(each.example for each in TRANSPORTS.values()))
        raise Invalid(f"{address!r} is no address to connect to", remedy=f"use one of {examples}")
    if token and entry.takes != "token":
        raise Invalid(f"{address} takes no token", remedy="leave it out, or call a relay")
    shown: dict[str, object] = {"token": token} if token else {}
    if key and entry.takes == "credential":
        from ..keys.credential import find_credential

        shown["credential"] = find_credential(key)
    kind: Any = getattr(import_module(entry.module), entry.name)
    transport: Transport = kind(address, **shown)
    return transport


def _open_failover(addresses: list[str], token: str | None, key: str | None) -> Transport:
    from .failover import FailoverTransport, NodeLink

    for address in addresses:
        if not address.startswith("tcp://"):
            raise Invalid(
                f"{address!r} is not the address of a node", remedy="list nodes, tcp://one:5558,tcp://two:5558"
            )
    return FailoverTransport(addresses, lambda each: cast(NodeLink, open_transport(each, token, key)))
