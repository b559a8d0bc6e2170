"""The registry of transports: what each entry promises, and what is refused."""

from __future__ import annotations

import inspect

import pytest

from emerge_wasm import Invalid, connect
from emerge_wasm.clients.transports.address import find_address
from emerge_wasm.clients.transports.registry import TRANSPORTS, open_transport


@pytest.mark.parametrize("scheme", TRANSPORTS)
def test_each_transport_has_the_three_methods(scheme: str) -> None:
    transport = open_transport(f"{scheme}://127.0.0.1:9")
    assert inspect.iscoroutinefunction(transport.call) and inspect.iscoroutinefunction(transport.close)
    assert callable(transport.stream)
    assert scheme in TRANSPORTS[scheme].example or scheme in ("wss", "https")


def test_an_address_names_its_transport() -> None:
    assert find_address("a:1") == "tcp://a:1"
    assert find_address("http://a:1") == "http://a:1"
    assert repr(connect("ws://a:1", "token")) == "<fs on ws://a:1>"


def test_what_no_transport_takes_is_refused() -> None:
    with pytest.raises(Invalid, match="ws://host:8080"):
        open_transport("ftp://a")
    with pytest.raises(Invalid, match="takes no token"):
        open_transport("tcp://a:1", "token")
