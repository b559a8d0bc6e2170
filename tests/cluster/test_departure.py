"""Nodes on hosts of their own: who is gone is known to all within 5 seconds, and nobody else is taken for gone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

from emerge_wasm.clients.keys.key_pair import make_pair, write_pair
from emerge_wasm.clients.keys.known_keys import FILE_NAME, MEMBER, Ring, RingEntry
from tests.network import Host, MakeNetwork
from tests.scale import examples

WITHIN = 5.0
"""Seconds until all know of a node that stands still."""

BUSY_SECONDS = examples(3)

NODE = """
import asyncio, json, signal, sys
from pathlib import Path
from emerge_wasm.clients.keys.credential import Credential
from emerge_wasm.clients.keys.known_keys import FILE_NAME, Ring
from emerge_wasm.cluster.authenticator import Authenticator
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.operations import Context
from emerge_wasm.stores.memory import MemoryStore

def tell(event, who):
    print(json.dumps([event, who]), flush=True)

async def main(name, address, folder, *join):
    folder = Path(folder)
    keys = Authenticator(Credential(folder / f"{name}.key", Ring(folder / FILE_NAME)))
    filesystem = await Filesystem.open(MemoryStore(), node=name)
    node = Node(filesystem, f"tcp://{address}:5558", join=join, keys=keys, context=Context(superuser=True))
    node.cluster.on_change(lambda event, who: tell(event, who.node))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with node:
        if not join:
            await node.volumes.found()
        tell("started", name)
        await stop.wait()
    await filesystem.close()

asyncio.run(main(*sys.argv[1:]))
"""


class Teller:
    """A node as a process on a host, and what it told of the others."""

    def __init__(self, host: Host, folder: Path, *join: str) -> None:
        self.name = host.name
        self.events: list[tuple[str, str]] = []
        self.process = host.start(sys.executable, "-c", NODE, host.name, host.address, str(folder), *join)
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event, who = json.loads(line)
            self.events.append((event, who))

    def news(self) -> list[tuple[str, str]]:
        """What it told since this was last asked."""
        events, self.events = self.events, []
        return events


def wait_for(condition: Callable[[], bool], seconds: float, tellers: list[Teller]) -> float:
    """Wait until it holds; how long that took."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < seconds, {teller.name: teller.events for teller in tellers}
        time.sleep(0.02)
    return time.monotonic() - start


@contextmanager
def all_cores_taken() -> Iterator[None]:
    """Children that do nothing but compute, one more than there are cores, before all that is not as urgent."""
    urgency = "import os; os.nice(-5)\n" if os.getuid() == 0 else ""
    script = f"{urgency}while True: pass"
    children = [subprocess.Popen([sys.executable, "-c", script]) for _ in range((os.cpu_count() or 1) + 1)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
            child.wait()


def test_departures(make_network: MakeNetwork, tmp_path: Path) -> None:
    """One gets no processor, is cut off from one other, stands still, goes on, and is stopped: each for what it is."""
    network = make_network(3)
    ring = Ring(tmp_path / FILE_NAME)
    for host in network.hosts:
        pair = make_pair(host.name)
        write_pair(tmp_path / f"{host.name}.key", pair)
        ring.add(RingEntry(MEMBER, host.name, pair.public))
    tellers = [Teller(network.hosts[0], tmp_path)]
    wait_for(lambda: ("started", "a") in tellers[0].events, 20, tellers)
    tellers += [Teller(host, tmp_path, f"tcp://{network.hosts[0].address}:5558") for host in network.hosts[1:]]
    a, b, c = tellers
    wait_for(lambda: all(len(each.events) == 3 for each in tellers), 20, tellers)
    assert sorted(a.news()) == [("joined", "b"), ("joined", "c"), ("started", "a")]
    b.news(), c.news()

    with all_cores_taken():
        time.sleep(BUSY_SECONDS)
    assert [each.events for each in tellers] == [[], [], []]

    network.cut(network.hosts[0], network.hosts[1])
    wait_for(lambda: bool(a.events and b.events), 2 * WITHIN, tellers)
    time.sleep(1.0)
    assert [each.news() for each in tellers] == [[("unreachable", "b")], [("unreachable", "a")], []]
    network.heal()
    wait_for(lambda: bool(a.events and b.events), 2 * WITHIN, tellers)
    assert [each.news() for each in tellers] == [[("reached", "b")], [("reached", "a")], []]

    c.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: all(("gone", "c") in each.events for each in (a, b)), WITHIN, tellers)
    assert [each.news() for each in (a, b)] == [[("gone", "c")]] * 2
    c.process.send_signal(signal.SIGCONT)
    wait_for(lambda: bool(a.events and b.events), 2 * WITHIN, tellers)
    assert [each.news() for each in (a, b)] == [[("joined", "c")]] * 2
    assert ("gone", "a") not in c.events and ("gone", "b") not in c.events

    c.process.send_signal(signal.SIGTERM)
    wait_for(lambda: bool(a.events and b.events), 2.0, tellers)
    assert [each.news() for each in (a, b)] == [[("left", "c")]] * 2
