"""A cluster with keys, in one process: a folder with the ring and everybody's keys, and nodes that show them."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from emerge_wasm.clients.keys.credential import Credential
from emerge_wasm.clients.keys.key_pair import make_pair, write_pair
from emerge_wasm.clients.keys.known_keys import CLIENT, FILE_NAME, MEMBER, Ring, RingEntry
from emerge_wasm.clients.transports.zeromq import ZeroMQTransport
from emerge_wasm.cluster.authenticator import Authenticator
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.node.node import Node
from emerge_wasm.stores import open_store
from emerge_wasm.stores.memory import MemoryStore
from tests.node.conftest import TIMES


class KeyedPlace:
    """One ring, whoever has a key in it, and the nodes; all ends with the stack."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.ring = Ring(folder / FILE_NAME)
        self.doors: dict[str, Authenticator] = {}
        """Who lets in to a node, by its name."""
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
        self.doors[name] = Authenticator(credential)
        node = Node(filesystem, bind, join=join, times=TIMES, keys=self.doors[name])
        await self._stack.enter_async_context(node)
        if not join:
            await node.volumes.found()
        return node

    def connect(self, endpoint: str, credential: Credential | None, patience: float = 2.0) -> ZeroMQTransport:
        transport = ZeroMQTransport(endpoint, credential=credential, patience=patience)
        self._stack.push_async_callback(transport.close)
        return transport


class Machine:
    """A machine with a folder of keys and a store of its own; its node may stop, and start again where it was."""

    def __init__(self, folder: Path, name: str, store: str = "") -> None:
        self.name = name
        self.store = store or f"sqlite:///{folder / 'store.db'}"
        self.credential = Credential(folder / f"{name}.key")
        write_pair(self.credential.path, make_pair(name))
        self.ring = self.credential.ring
        self.ring.add(RingEntry(MEMBER, name, self.credential.pair.public))
        self.endpoint = "tcp://127.0.0.1:0"
        self.node: Node | None = None
        self._stack = AsyncExitStack()

    def know(self, *others: Machine) -> None:
        for other in others:
            self.ring.add(RingEntry(MEMBER, other.name, other.credential.pair.public))

    async def start(self, *join: Machine) -> Node:
        filesystem = await Filesystem.open(await open_store(self.store), node=self.name)
        self._stack.push_async_callback(filesystem.close)
        endpoints = [other.endpoint for other in join]
        node = Node(filesystem, self.endpoint, join=endpoints, times=TIMES, keys=Authenticator(self.credential))
        await self._stack.enter_async_context(node)
        self.node, self.endpoint = node, node.endpoint
        return node

    async def stop(self) -> None:
        self.node = None
        await self._stack.aclose()


class Machines:
    """A cluster of machines; `root` is the key of a superuser. The first founds it and keeps the ring."""

    def __init__(self, folder: Path, stack: AsyncExitStack) -> None:
        self.folder = folder
        self.all: list[Machine] = []
        self._stack = stack

    async def add(self, name: str) -> Machine:
        """Start a node more. Its machine knows the first one; the ring of the cluster is told of it."""
        (folder := self.folder / name).mkdir()
        machine = Machine(folder, name)
        self._stack.push_async_callback(machine.stop)
        if not self.all:
            machine.ring.add(RingEntry(CLIENT, "root", self.key("root").pair.public, superuser=True))
            await (await machine.start()).volumes.found()
        else:
            first = self.all[0]
            machine.know(first)
            await self.call(first, "addkey", name, machine.credential.pair.public, True)
            await machine.start(first)
        self.all.append(machine)
        return machine

    def key(self, name: str) -> Credential:
        """Make somebody's key, who knows which node is which."""
        (folder := self.folder / "people").mkdir(exist_ok=True)
        path = folder / f"{name}.key"
        write_pair(path, make_pair(name))
        return Credential(path)

    async def call(self, machine: Machine, name: str, *args: object, by: Credential | None = None) -> Any:
        """Call a node, by default as `root`; the caller trusts whoever has the node's key as it is now."""
        credential = by or Credential(self.folder / "people" / "root.key")
        endpoint = f"{machine.endpoint}?key={machine.credential.pair.public}"
        async with ZeroMQTransport(endpoint, credential=credential) as transport:
            return await transport.call(name, list(args))
