"""A prefix each, in one bucket of ministack: an S3 that honours conditional puts."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.store import S3Store as Client
from slatedb.uniffi import Db, FlushOptions, WriteBatch, WriteHandle

from . import Urls
from .ministack import environment, ministack

KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "no secret", "AWS_REGION": "us-east-1"}
BUCKET = "emerge-tests"


@contextmanager
def serve_s3(folder: Path) -> Iterator[Urls]:
    with serve_bucket(folder) as endpoint, environment(KEYS):
        yield lambda name: f"s3://{BUCKET}/{name}?endpoint={endpoint}&wait=10"


@contextmanager
def serve_bucket(folder: Path, **settings: str) -> Iterator[str]:
    """An S3 with one empty bucket; its URL."""
    with ministack(folder, "s3", **KEYS, **settings) as endpoint:
        make = urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT")
        urllib.request.urlopen(make, timeout=10).close()
        yield endpoint


def client_of(url: str) -> Client:
    """The objects of the store of that URL, as any S3 client sees them."""
    parts = urlsplit(url)
    endpoint = parse_qs(parts.query)["endpoint"][0]
    return Client(
        BUCKET, prefix=parts.path.strip("/"), endpoint=endpoint, region="us-east-1", client_options={"allow_http": True}
    )


def paths(bucket: Client, under: str = "") -> list[str]:
    return [meta["path"] for page in obstore.list(bucket, under or None) for meta in page]


def kill_at(point: str, count: int) -> None:
    """End this process at a point of its commit of that number, or of the next that gets there (see `crash.POINTS`)."""
    write, flush = Db.write, Db.flush_with_options
    done = 0

    def die(here: str) -> None:
        if here == point and done >= count:
            os.kill(os.getpid(), signal.SIGKILL)

    async def written(self: Db, batch: WriteBatch) -> WriteHandle:
        nonlocal done
        done += 1
        die("before")
        return await write(self, batch)

    async def flushed(self: Db, options: FlushOptions) -> None:
        die("between")
        await flush(self, options)
        die("after")

    Db.write, Db.flush_with_options = written, flushed
