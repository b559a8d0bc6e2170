"""The load on a node or relay: ready-made events, sent as fast as answers come, by a client that does just that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import msgpack
import zmq
from websockets.sync.client import connect

from emerge_wasm.clients.keys.local_key import LocalAddress

Exchange = Callable[[bytes], None]


def make_event(name: str, args: list[Any]) -> bytes:
    packed: bytes = msgpack.packb([{"message_id": uuid4().hex, "v": 3}, name, args])
    return packed


def check_answer(payload: bytes) -> None:
    """Raise unless the event is an answer with a result: figures of failing calls are no figures."""
    _, name, args = msgpack.unpackb(payload, raw=False, strict_map_key=False)
    if name == "ERR":
        raise RuntimeError(f"the call failed: {args[:2]}")


def zeromq_rate(endpoint: str, events: list[bytes], in_flight: int, *, checked: bool = True) -> float:
    """Events a second through a bare DEALER, with so many under way."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        LocalAddress(endpoint).show(socket)
        socket.connect(endpoint)
        return measure_rate(
            events,
            in_flight,
            lambda payload: socket.send_multipart([b"", payload]),
            lambda: socket.recv_multipart()[-1],
            checked,
        )


def asyncio_rate(endpoint: str, events: list[bytes], in_flight: int, *, checked: bool = True) -> float:
    """The same from an asyncio program that watches the socket's descriptor and opens every answer."""
    return asyncio.run(_asyncio_rate(endpoint, events, in_flight, checked))


async def _asyncio_rate(endpoint: str, events: list[bytes], in_flight: int, checked: bool) -> float:
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        LocalAddress(endpoint).show(socket)
        socket.connect(endpoint)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        pending = iter(events)
        left = len(events)

        def send() -> None:
            event = next(pending, None)
            if event is not None:
                socket.send_multipart([b"", event])

        def drain() -> None:
            nonlocal left
            try:
                while socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
                    payload = socket.recv_multipart(zmq.NOBLOCK)[-1]
                    if checked:
                        check_answer(payload)
                    else:
                        msgpack.unpackb(payload)
                    left -= 1
                    send()
                if not left and not done.done():
                    done.set_result(None)
            except Exception as error:
                done.set_exception(error)

        loop.add_reader(socket.getsockopt(zmq.FD), drain)
        start = time.perf_counter()
        for _ in range(in_flight):
            send()
        drain()
        await done
        loop.remove_reader(socket.getsockopt(zmq.FD))
        return len(events) / (time.perf_counter() - start)


def websocket_rate(url: str, token: str, events: list[bytes], in_flight: int) -> float:
    """Events a second through the relay, with so many under way."""
    headers = {"Authorization": f"Bearer {token}"}
    with connect(url, subprotocols=["emerge.v1"], additional_headers=headers, compression=None) as socket:  # type: ignore[list-item]

        def receive() -> bytes:
            while True:
                payload = socket.recv()
                assert isinstance(payload, bytes)
                if msgpack.unpackb(payload, raw=False, strict_map_key=False)[1] in ("OK", "ERR"):
                    return payload

        return measure_rate(events, in_flight, socket.send, receive, True)


def measure_rate(
    events: list[bytes], in_flight: int, send: Exchange, receive: Callable[[], bytes], checked: bool
) -> float:
    pending: Iterator[bytes] = iter(events)
    for _ in range(min(in_flight, len(events))):
        send(next(pending))
    start = time.perf_counter()
    for _ in events:
        payload = receive()
        event = next(pending, None)
        if event is not None:
            send(event)
        if checked:
            check_answer(payload)
    return len(events) / (time.perf_counter() - start)
