"""What a call says of itself travels in its header, and only when it says anything."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest

from emerge_wasm.errors import Invalid
from emerge_wasm.wire import event
from emerge_wasm.wire.client import ClientProtocol
from emerge_wasm.wire.event import ENVELOPE, Ids
from emerge_wasm.wire.server import RequestRefused, ServerChannels, ServerRequest


def asked(context: dict[str, Any] | None) -> tuple[dict[str, Any], ServerRequest]:
    client, server = ClientProtocol(), ServerChannels()
    _, payload = client.request("get", ["/a"], 0.0, context)
    request = server.receive("peer", payload, 0.0)
    assert isinstance(request, ServerRequest)
    return event.decode(payload).header, request


def test_a_context_arrives_as_it_was_given() -> None:
    header, request = asked({"as": "ann", "groups": ["staff"], "umask": 0o77, "transaction": "t"})
    assert request.context == header["context"] == {"as": "ann", "groups": ["staff"], "umask": 0o77, "transaction": "t"}


@pytest.mark.parametrize("context", [None, {}])
def test_without_one_the_header_is_zerorpcs(context: dict[str, Any] | None) -> None:
    header, request = asked(context)
    assert set(header) == {"message_id", "v"} and request.context is None


@pytest.mark.parametrize("context", ["ann", ["as", "ann"], 1, b"x"])
def test_a_context_that_is_no_map_is_refused_on_its_channel(context: object) -> None:
    server = ServerChannels()
    payload = event.encode({"message_id": b"1", "v": 3, "context": context}, "get", ["/a"])
    refused = server.receive("peer", payload, 0.0)
    assert isinstance(refused, RequestRefused) and len(server) == 0
    answer = event.decode(refused.payload)
    assert answer.header["response_to"] == b"1" and isinstance(event.read_error(answer), Invalid)


@pytest.mark.parametrize("extra", [{}, {"more": "x" * 2 * ENVELOPE}])
def test_another_header_leaves_name_and_arguments_as_they_are(extra: dict[str, Any]) -> None:
    args = [{"a": (1, {2, 3})}, b"x" * 10_000]
    payload = event.encode({"message_id": b"1", "v": 3, **extra}, "store", args)
    changed = event.replace_header(payload, {"message_id": b"2"})
    assert event.decode(changed) == ({"message_id": b"2"}, "store", args)
    assert payload.endswith(changed[-10_000:])


def test_a_longer_kind_of_array_is_replaced_too() -> None:
    payload = b"\xdd\0\0\0\3" + msgpack.packb({"message_id": b"1"}) + msgpack.packb("get") + msgpack.packb(["/a"])
    changed = event.replace_header(payload, {"message_id": Ids()()})
    assert event.decode(changed)[1:] == ("get", ["/a"])
