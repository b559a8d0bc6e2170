"""The peer of a node: a bare pyzmq ROUTER that sends back what it gets. `python -m bench.echo` prints its endpoint."""

from __future__ import annotations

import zmq


def main() -> None:
    socket = zmq.Context.instance().socket(zmq.ROUTER)
    socket.bind("tcp://127.0.0.1:*")
    print(socket.getsockopt_string(zmq.LAST_ENDPOINT), flush=True)
    while True:
        socket.send_multipart(socket.recv_multipart())


if __name__ == "__main__":
    main()
