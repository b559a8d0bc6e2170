"""What a node and a relay keep in files is nobody's on the machine but the user's."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from emerge_wasm import connect
from emerge_wasm.objects import EmergeFile
from emerge_wasm.stores.sqlite.file import open_file
from tests.command import run_here
from tests.conftest import start_server


def mode_of(path: Path) -> list[int]:
    """Its rights; none of what is gone meanwhile, such as a file that took another's place."""
    try:
        return [path.stat().st_mode & 0o777]
    except FileNotFoundError:
        return []


def test_every_file_of_a_node_and_a_relay_is_the_users_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    server = start_server("up", "--no-open", "--port", "0", "--node-port", "0", "--dir", str(folder), sandbox=False)
    try:
        with connect(server.found["node"]) as fs:
            fs.store(EmergeFile(name="secret", data=1))
            (tmp_path / "large").write_bytes(bytes(range(256)) * 20_000)
            fs.put(tmp_path / "large", "/large")
            assert run_here(["token", "add", "ann", "--dir", str(folder)], tmp_path, {}).returncode == 0
            found = {path.relative_to(folder): mode for path in [folder, *folder.rglob("*")] for mode in mode_of(path)}
    finally:
        assert server.stop() == 0
    assert {"emerge.db", "relay.secret", "program-token", "tokens.json"} <= {*map(str, found)}
    assert {str(path): oct(mode) for path, mode in found.items() if mode & 0o077} == {}


def test_a_store_is_made_private_by_any_program(tmp_path: Path) -> None:
    file = open_file(str(tmp_path / "store.db"), "FULL", 1.0)
    try:
        made = {path.name: path.stat().st_mode & 0o077 for path in tmp_path.iterdir()}
    finally:
        file.close()
    assert "store.db" in made and set(made.values()) == {0}
    sqlite3.connect(tmp_path / "store.db").close()
