"""The peers of a node: a ROUTER that sends back what it gets, bare, or read from asyncio as a node reads its own.

`python -m bench.echo [asyncio]` prints its endpoint.
"""

from __future__ import annotations

import asyncio
import sys

import zmq


def bare(socket: zmq.Socket[bytes]) -> None:
    """Nothing but ZeroMQ, blocking: the limit of the library."""
    while True:
        socket.send_multipart(socket.recv_multipart())


async def from_asyncio(socket: zmq.Socket[bytes]) -> None:
    """The same from an event loop that watches the socket's descriptor: the limit of an asyncio service."""

    def drain() -> None:
        while socket.getsockopt(zmq.EVENTS) & zmq.POLLIN:
            socket.send_multipart(socket.recv_multipart(zmq.NOBLOCK))

    asyncio.get_running_loop().add_reader(socket.getsockopt(zmq.FD), drain)
    drain()
    await asyncio.Event().wait()


def main() -> None:
    socket = zmq.Context.instance().socket(zmq.ROUTER)
    socket.bind("tcp://127.0.0.1:*")
    print(socket.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
    if "asyncio" in sys.argv:
        import uvloop

        uvloop.run(from_asyncio(socket))
    bare(socket)


if __name__ == "__main__":
    main()
