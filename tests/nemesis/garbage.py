"""A peer that sends garbage to a node for a while: python -m tests.nemesis.garbage ENDPOINT SEED SECONDS."""

from __future__ import annotations

import socket
import sys
import time
from random import Random

import msgpack
import zmq


def main(endpoint: str, seed: str, seconds: str) -> None:
    dice, until = Random(seed), time.monotonic() + float(seconds)
    while time.monotonic() < until:
        try:
            dice.choice([send_bytes, send_frames])(endpoint, dice)
            print("sent", flush=True)  # noqa: T201
        except OSError:  # it hung up, or is not there
            time.sleep(0.05)


def send_bytes(endpoint: str, dice: Random) -> None:
    """Bytes that are no ZMTP, or only begin so."""
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + dice.choice([b"NULL", b"CURVE"]).ljust(20, b"\0") + bytes(32)
    with socket.create_connection((host, int(port)), timeout=1) as peer:
        peer.sendall(dice.choice([b"", greeting]) + dice.randbytes(dice.choice([1, 50, 5000])))
        time.sleep(0.02)


def send_frames(endpoint: str, dice: Random) -> None:
    """Messages of ZeroMQ that are no events, or odd ones."""
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        peer.setsockopt(zmq.LINGER, 0)
        peer.connect(endpoint)
        names = ["store", "_cluster_join", "_cluster_table", "_cluster_forward", "_zpc_hb", "_zpc_more", "", "rm", 7]
        for _ in range(20):
            header = {"message_id": dice.randbytes(8), "v": dice.choice([3, 2, None, "x"])}
            args = [dice.choice([None, [], {}, -1, "/", b"\x80", {"kind": "here"}, [None] * 9]) for _ in range(3)]
            event = msgpack.packb([header, dice.choice(names), args])
            cut = dice.randrange(len(event))
            odd = [[b"", event[:cut]], [b"", event], [dice.randbytes(9)], [b"", b"", event], [b"", dice.randbytes(99)]]
            peer.send_multipart(dice.choice(odd))
        time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
