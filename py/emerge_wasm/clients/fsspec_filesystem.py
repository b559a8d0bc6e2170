"""`emerge://HOST:PORT/path` for fsspec, and so for pandas, Dask, DuckDB and zarr: a filesystem's files by their paths.

Needs the package fsspec (`emerge-wasm[fsspec]`), which nothing else here imports. It shows what fsspec knows: names,
sizes, dates, and the bytes of files. Errors are those of Python's own files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import IO, TypedDict, cast

from fsspec.spec import AbstractFileSystem

from ..blocks.block import BLOCK_SIZE
from ..blocks.chunker import Chunking
from ..errors import EmergeError, Invalid, NotFound, PermissionDenied, Unavailable
from ..objects import Pointer
from ..paths import join_path, split_path
from .connection import opener
from .sync import SyncClient
from .transfer import OnProgress
from .transports.address import find_address, find_key

PROTOCOL = "emerge"

FileInfo = TypedDict(
    "FileInfo",
    {
        "name": str,
        "size": int,
        "type": str,
        "created": str,
        "uuid": str,
        "version": int,
        "class": str,
        "islink": bool,
    },
)


class EmergeFileSystem(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no types
    """The filesystem of a node or relay, as fsspec sees it. `host`, `token` and `key` are those of `connect`.

    `raid`, `chunking` and `block_size` are those of what is written, as in `put`. `client` is one to use instead, as in
    a transaction.
    """

    protocol = PROTOCOL
    root_marker = "/"

    def __init__(
        self,
        host: str | None = None,
        token: str | None = None,
        key: str | None = None,
        raid: int = 0,
        chunking: Chunking = "fixed",
        block_size: int = BLOCK_SIZE,
        client: SyncClient | None = None,
        **options: object,
    ) -> None:
        if self._cached:
            return
        super().__init__(**options)
        self.raid, self.chunking, self.block_size = raid, chunking, block_size
        if client is None:
            address = find_address(host)
            key = find_key(key) if address.startswith("tcp://") else None
            client = SyncClient(opener(address, token, key), f"fs on {address}")
        self.client = client

    # --- addresses
    @classmethod
    def _strip_protocol(cls, path: object) -> object:
        if isinstance(path, list):
            return [cls._strip_protocol(each) for each in path]
        text = os.fspath(path) if isinstance(path, os.PathLike) else str(path)
        if text.startswith(f"{PROTOCOL}://"):
            text = "/" + text.removeprefix(f"{PROTOCOL}://").partition("/")[2]
        elif text.startswith(f"{PROTOCOL}:"):
            text = text.removeprefix(f"{PROTOCOL}:")
        return "/" + text.strip("/")

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, str]:
        host = path.removeprefix(f"{PROTOCOL}://").partition("/")[0] if path.startswith(f"{PROTOCOL}://") else ""
        return {"host": host} if host else {}

    def unstrip_protocol(self, name: str) -> str:
        host = self.storage_options.get("host") or ""
        return f"{PROTOCOL}://{host}{self._strip_protocol(name)}"

    # --- what is there
    def info(self, path: str, **_: object) -> FileInfo:
        with python_errors(path):
            return _info(self.client.get(_path(path)))

    def ls(self, path: str, detail: bool = True, **_: object) -> list[FileInfo] | list[str]:
        with python_errors(path):
            there = self.client.get(_path(path))
            found = self.client.list(_path(path)) if there.is_directory else [there]
        rows = [_info(pointer) for pointer in found]
        return rows if detail else [row["name"] for row in rows]

    def created(self, path: str) -> datetime:
        return self.modified(path)

    def modified(self, path: str) -> datetime:
        return datetime.fromisoformat(self.info(path)["created"])

    def ukey(self, path: str) -> str:
        info = self.info(path)
        return f"{info['uuid']}@{info['version']}"

    # --- directories
    def mkdir(self, path: str, create_parents: bool = True, **_: object) -> None:
        if self.exists(path):
            raise FileExistsError(path)
        if not create_parents and not self.exists(self._parent(path)):
            raise FileNotFoundError(self._parent(path))
        self.makedirs(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        if not exist_ok and self.exists(path):
            raise FileExistsError(path)
        with python_errors(path):
            self.client.mkdir(_path(path))

    def rmdir(self, path: str) -> None:
        if not self.isdir(path):
            raise FileNotFoundError(path) if not self.exists(path) else NotADirectoryError(path)
        if self.ls(path, detail=False):
            raise OSError(f"{path} is not empty")
        self.rm_file(path)

    # --- files
    def _open(
        self, path: str, mode: str = "rb", block_size: object = None, autocommit: bool = True, **options: object
    ) -> IO[bytes]:
        with python_errors(path):
            if mode == "rb":
                return cast("IO[bytes]", self.client.open(_path(path), "rb"))
            if not autocommit:
                raise NotImplementedError("files are written one by one; use a transaction of Emerge's")
            if mode == "xb" and self.exists(path):
                raise FileExistsError(path)
            opened = self.client.open(
                _path(path), mode, raid=self.raid, chunking=self.chunking, block_size=self.block_size
            )
            return cast("IO[bytes]", opened)

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: object) -> bytes:
        with self._open(path) as file, python_errors(path):
            size = file.seek(0, os.SEEK_END)
            first, last = slice(start, end).indices(size)[:2]
            file.seek(first)
            return file.read(max(last - first, 0))

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: object) -> None:
        with self._open(path, "xb" if mode == "create" else "wb") as file, python_errors(path):
            file.write(value)

    def put_file(self, lpath: str, rpath: str, callback: object = None, mode: str = "overwrite", **_: object) -> None:
        if os.path.isdir(lpath):
            return self.makedirs(rpath, exist_ok=True)
        if mode == "create" and self.exists(rpath):
            raise FileExistsError(rpath)
        with python_errors(rpath):
            self.client.put(
                lpath,
                _path(rpath),
                raid=self.raid,
                chunking=self.chunking,
                block_size=self.block_size,
                progress=_progress(callback, os.path.getsize(lpath)),
            )
        return None

    def get_file(self, rpath: str, lpath: str, callback: object = None, outfile: object = None, **_: object) -> None:
        info = self.info(rpath)
        if info["type"] == "directory":
            os.makedirs(lpath, exist_ok=True)
            return
        os.makedirs(os.path.dirname(os.path.abspath(lpath)), exist_ok=True)
        with python_errors(rpath):
            self.client.fetch(_path(rpath), lpath, progress=_progress(callback, info["size"]))

    def cp_file(self, path1: str, path2: str, **_: object) -> None:
        if self.isdir(path1):
            return self.makedirs(path2, exist_ok=True)
        if self.isdir(path2):
            raise IsADirectoryError(path2)
        with python_errors(path1):
            self.client.cp(_path(path1), _path(path2))
        return None

    def mv_file(self, path1: str, path2: str, **_: object) -> None:
        with python_errors(path1):
            self.client.mv(_path(path1), _path(path2))

    def rm_file(self, path: str) -> None:
        with python_errors(path):
            self.client.rm(_path(path))

    def _rm(self, path: str) -> None:
        self.rm_file(path)

    def touch(self, path: str, truncate: bool = True, **_: object) -> None:
        if truncate or not self.exists(path):
            self.pipe_file(path, b"")
        else:
            raise NotImplementedError("the date of a file is that of its newest version")


def _path(path: str) -> str:
    return join_path(*split_path(str(EmergeFileSystem._strip_protocol(path))))


def _info(pointer: Pointer) -> FileInfo:
    return {
        "name": pointer.full_path,
        "size": 0 if pointer.is_directory else pointer.size,
        "type": "directory" if pointer.is_directory else "file",
        "created": pointer.date,
        "uuid": pointer.uuid,
        "version": pointer.version,
        "class": pointer.class_name,
        "islink": False,
    }


def _progress(callback: object, size: int) -> OnProgress | None:
    """Return what tells a callback of fsspec's."""
    if callback is None:
        return None
    told: Mapping[str, Callable[[int], object]] = {
        name: getattr(callback, name) for name in ("set_size", "absolute_update")
    }
    told["set_size"](size)
    return told["absolute_update"]


@contextmanager
def python_errors(path: str) -> Iterator[None]:
    """Turn errors of Emerge's into those that programs expect of files."""
    try:
        yield
    except NotFound as error:
        raise FileNotFoundError(str(error)) from error
    except PermissionDenied as error:
        raise PermissionError(str(error)) from error
    except Invalid as error:
        if "is a directory" in error.message:
            raise IsADirectoryError(str(error)) from error
        raise ValueError(str(error)) from error
    except Unavailable as error:
        raise ConnectionError(str(error)) from error
    except EmergeError as error:
        raise OSError(str(error)) from error
