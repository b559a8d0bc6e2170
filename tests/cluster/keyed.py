"""A cluster with keys, in one process: a folder with the ring and everybody's keys, and nodes that show them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

from emerge_wasm.clients.keys.credential import Credential
from emerge_wasm.clients.keys.key_pair import make_pair, write_pair
from emerge_wasm.clients.keys.known_keys import CLIENT, FILE_NAME, MEMBER, Ring, RingEntry
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.cluster.authenticator import Authenticator
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.stores.memory import MemoryStore
from tests.node.conftest import TIMES


class KeyedPlace:
    """One ring, whoever has a key in it, and the nodes; all ends with the stack."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.ring = Ring(folder / FILE_NAME)
        self._stack = stack

    def key(self, name: str, role: str = CLIENT, groups: tuple[str, ...] = (), superuser: bool = False) -> Credential:
        """Make a key, and let it in."""
        credential = self.stranger(name)
        self.ring.add(RingEntry(role, name, credential.pair.public, groups, superuser))
        return credential

    def stranger(self, name: str) -> Credential:
        """Make a key that the ring does not know."""
        write_pair(self.folder / f"{name}.key", make_pair(name))
        return self.credential(name)

    def credential(self, name: str) -> Credential:
        """The key of that name, as its owner has it."""
        return Credential(self.folder / f"{name}.key", self.ring)

    async def node(self, name: str, join: tuple[str, ...] = (), bind: str = "tcp://127.0.0.1:0") -> Node:
        credential = self.credential(name)
        if not credential.path.exists():
            credential = self.key(name, MEMBER)
        filesystem = await Filesystem.open(MemoryStore(), node=name)
        self._stack.push_async_callback(filesystem.close)
        node = Node(filesystem, bind, join=join, times=TIMES, keys=Authenticator(credential))
        await self._stack.enter_async_context(node)
        if not join:
            await node.volumes.found()
        return node

    def connect(self, endpoint: str, credential: Credential | None) -> ZeroMQTransport:
        transport = ZeroMQTransport(endpoint, credential=credential)
        self._stack.push_async_callback(transport.close)
        return transport
