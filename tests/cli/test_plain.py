"""Commands made from the table, for operations that have none of their own."""

from __future__ import annotations

import json

from click import Context
from click.testing import CliRunner

from emerge_wasm.cli.main import MODULES, main
from emerge_wasm.cli.plain import plain_commands
from emerge_wasm.cli.session import Session
from emerge_wasm.clients import Client, SyncClient
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.stores.memory import MemoryStore


async def open_client() -> Client:
    return Client(LocalTransport(await Filesystem.open(MemoryStore())))


def test_every_operation_has_a_command_already() -> None:
    known = main.list_commands(Context(main))
    assert list(plain_commands(known)) == [] and {*known} > {*MODULES}
    assert all(main.get_command(Context(main), name) for name in known)


def test_arguments_options_and_streams() -> None:
    known = set(main.list_commands(Context(main)))
    commands = {command.name: command for command in plain_commands(known - {"retain", "mkdir", "tree"})}
    assert set(commands) == {"retain", "mkdir", "tree"}
    session = Session(None, json=True, debug=False)
    with SyncClient(open_client) as fs:
        vars(session)["fs"] = fs

        def run(name: str, *words: str) -> list[object]:
            done = CliRunner().invoke(commands[name], words, obj=session, catch_exceptions=False)
            assert done.exit_code == 0, done.output
            return [json.loads(line) for line in done.output.splitlines()]

        fs.mkdir("/a/b")
        assert run("retain", "/a", "--keep", "10") == ["10"]
        assert run("retain", "/a") == ["10"]
        assert len(run("tree", "/")) == 2
        assert CliRunner().invoke(commands["retain"], [], obj=session).exit_code == 2
