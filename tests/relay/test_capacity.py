"""How many browsers a relay takes, and that the process then has what they need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from emerge_wasm.clients.transports.websocket import STATUS, SUBPROTOCOL
from emerge_wasm.relay import app, capacity
from emerge_wasm.relay.server import RelayServer
from emerge_wasm.wire.event import decode
from tests.conftest import start_server

from .conftest import connected, until

ROOM = """
import resource, zmq
resource.setrlimit(resource.RLIMIT_NOFILE, (512, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
from emerge_wasm.relay.capacity import make_room
assert make_room(1100) == 1100
sockets = [zmq.Context.instance().socket(zmq.DEALER) for _ in range(1100)]
print(len(sockets))
"""


@given(memory=st.integers(0, 1 << 44), more=st.integers(0, 1 << 40), descriptors=st.integers(0, 1 << 20))
def test_the_number_grows_with_memory_and_descriptors(memory: int, more: int, descriptors: int) -> None:
    with pytest.MonkeyPatch.context() as patch:  # patched: this machine has what it has

        def browsers(memory: int, descriptors: int) -> int:
            patch.setattr(capacity, "_memory", lambda: memory)
            patch.setattr(capacity, "_descriptors", lambda: descriptors)
            return capacity.default_browsers()

        found = browsers(memory, descriptors)
        assert capacity.LEAST <= found <= browsers(memory + more, descriptors) <= capacity.MOST
        assert found == capacity.LEAST or 2 * found * capacity.EACH <= memory
        assert found == capacity.LEAST or not descriptors or capacity.DESCRIPTORS * found <= descriptors
        assert found <= browsers(memory, 0)


def test_a_process_has_as_many_sockets_as_it_made_room_for() -> None:
    """ZeroMQ alone stops at 1,023, and many systems at 1,024 descriptors."""
    done = subprocess.run([sys.executable, "-c", ROOM], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "1100\n"), done.stderr


async def test_each_browser_has_its_turn_in_a_beat(relay: RelayServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "BEAT", 0.2)  # patched: five seconds
    async with connected(relay) as one, connected(relay) as two:
        await until(lambda: len(relay.relay.browsers) == 2)
        assert len(set(relay.relay.browsers.values())) == 2
        for wire in (one, two):
            for _ in range(4):
                assert decode(bytes(await wire.connection.recv())).name == STATUS


async def test_the_command_line_says_how_many(tmp_path: Path) -> None:
    words = ("--no-open", "--port", "0", "--node-port", "0", "--dir", str(tmp_path / "data"), "--browsers", "1")
    server = start_server("up", *words, sandbox=False)
    try:
        url = server.found["url"].replace("http", "ws") + "/ws"
        given: Any = {
            "additional_headers": {"Authorization": f"Bearer {server.found['token']}"},
            "subprotocols": [SUBPROTOCOL],
        }
        async with connect(url, **given):
            with pytest.raises(InvalidStatus) as caught:
                async with connect(url, **given):
                    pass
        assert caught.value.response.status_code == 503
    finally:
        server.stop()
