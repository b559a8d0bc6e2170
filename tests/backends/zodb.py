"""ZODB in a file each; behind a ZEO server of its own; and by RelStorage in a PostgreSQL database each."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg2

from emerge_wasm.stores.zodb import relstorage as zodb_sql
from emerge_wasm.stores.zodb.connection import ZODBConnection
from emerge_wasm.stores.zodb.location import location_of
from emerge_wasm.stores.zodb.write import VoteObserver

from . import Urls
from .postgresql import Server, server

STORAGES = 60  # of one server: they are fixed when it starts
QUICK = {"fsync": "off", "full_page_writes": "off", "wal_level": "minimal", "max_wal_senders": "0"}
TABLES = "tables"  # the database that has RelStorage's tables and no store: to make them takes longer than to copy it


class ZEOServer:
    """A ZEO server on 127.0.0.1 with a FileStorage for each name: started and stopped as often as a test wants."""

    def __init__(self, folder: Path, names: list[str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._conf = folder / "zeo.conf"
        self._storages = [f"<filestorage {name}>\n path {folder}/{name}.fs\n</filestorage>\n" for name in names]
        self.log = folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, read_only: bool = False) -> None:
        head = f"<zeo>\n address 127.0.0.1:{self.port}\n read-only {str(read_only).lower()}\n</zeo>\n"
        self._conf.write_text(head + "".join(self._storages))
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "ZEO.runzeo", "-C", str(self._conf)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self._conf.parent)
        for _ in range(400):
            with socket.socket() as probe:
                if not probe.connect_ex(("127.0.0.1", self.port)):
                    return
            time.sleep(0.025)
        raise AssertionError(f"the ZEO server did not start: {self.log.read_text()[-1000:]}")

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:  # ZEO may lose a signal that comes while it starts or ends connections
                self.process.kill()
                self.process.wait()
            self.process = None

    def url(self, name: str, options: str = "") -> str:
        return f"zodb://127.0.0.1:{self.port}/{name}{options}"


@contextmanager
def zeo_server(folder: Path, *names: str) -> Iterator[ZEOServer]:
    """A running server with these storages."""
    zeo = ZEOServer(folder, list(names))
    zeo.start()
    try:
        yield zeo
    finally:
        zeo.stop(signal.SIGKILL)  # nobody opens its files again


@contextmanager
def serve_zodb(folder: Path) -> Iterator[Urls]:
    yield lambda name: f"zodb:///{folder}/{name}.fs"


@contextmanager
def serve_zeo(folder: Path) -> Iterator[Urls]:
    given: dict[str, str] = {}
    with ExitStack() as servers:

        def url(name: str) -> str:
            if not free:
                free.extend(_more_storages(servers, folder))
            if name not in given:
                given[name] = free.pop()
            return given[name]

        free = _more_storages(servers, folder)
        yield url


def _more_storages(servers: ExitStack, folder: Path) -> list[str]:
    """The URLs of a further server's storages."""
    folder = Path(tempfile.mkdtemp(dir=folder))
    names = [f"s{number}" for number in range(STORAGES)]
    zeo = servers.enter_context(zeo_server(folder, *names))
    return [zeo.url(name) for name in names]


@contextmanager
def serve_relstorage(folder: Path) -> Iterator[Urls]:
    with server(**QUICK) as postgresql:
        relstorage_url(postgresql, TABLES)
        zodb_sql.open_storage(location_of("", {"relstorage": _address(postgresql, TABLES)})).close()
        yield lambda name: relstorage_url(postgresql, name, TABLES)


def relstorage_url(postgresql: Server, name: str, like: str = "template1") -> str:
    """The URL of a store in a database of that name, made (like another) when it is not there."""
    connection = psycopg2.connect(_address(postgresql, "postgres"))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                cursor.execute(f"CREATE DATABASE {name} TEMPLATE {like}")
    finally:
        connection.close()
    return f"zodb://?relstorage={quote(_address(postgresql, name), safe='')}"


def _address(postgresql: Server, database: str) -> str:
    return postgresql.url("").partition("?")[0].removesuffix("postgres") + database


def kill_at(point: str, count: int) -> None:
    """End this process at a point of its commit of that number, or of the next that gets there (see `crash.POINTS`)."""
    commit, vote = ZODBConnection.commit, VoteObserver.tpc_vote
    done = 0

    def die(here: str) -> None:
        if here == point and done >= count:
            os.kill(os.getpid(), signal.SIGKILL)

    def committed(self: ZODBConnection, participant: object) -> None:
        nonlocal done
        done += 1
        die("before")
        commit(self, participant)
        die("after")

    def voted(self: VoteObserver, transaction: object) -> None:
        vote(self, transaction)
        die("between")

    ZODBConnection.commit = committed  # type: ignore[method-assign]
    VoteObserver.tpc_vote = voted  # type: ignore[method-assign]
