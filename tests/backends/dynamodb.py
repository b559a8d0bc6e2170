"""ministack's DynamoDB in a process of its own; all stores are in one table. And a proxy that makes trouble."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from emerge_wasm.stores.dynamodb import write as dynamodb_write
from emerge_wasm.stores.dynamodb.row import Item, StoreHead
from emerge_wasm.stores.dynamodb.table import DynamoDBTable
from emerge_wasm.stores.dynamodb.write import TransactionPlan

from . import Urls
from .ministack import environment, ministack

CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


@contextmanager
def serve_dynamodb(folder: Path) -> Iterator[Urls]:
    with ministack(folder, "dynamodb") as endpoint, environment(CREDENTIALS):
        yield lambda name: f"dynamodb://stores?endpoint={endpoint}&region=us-east-1&prefix={name}"


Fault = str | float | tuple[int, str] | Callable[[Any], Any]
"""What a proxy does to a request: "cut" (the connection, nothing passed on), "lose" (pass it on, cut, no answer),
seconds (pass it on so late), (status, code) (answer with this error), or a function that changes the answer."""


class Proxy:
    """Stands between a store and the server: `fault(operation)` says what to do to each request."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self.fault: Callable[[str], Fault | None] = lambda operation: None
        self.asked: Counter[str] = Counter()
        self._target = target
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """From now on connections are refused, and those there are are cut."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head, body = await _message(reader)
        found = re.search(rb"DynamoDB_20120810\.(\w+)", head)
        assert found is not None
        operation = found[1].decode()
        self.asked[operation] += 1
        fault = self.fault(operation)
        if fault == "cut":
            return False
        if isinstance(fault, tuple):
            writer.write(_error(*fault))
            return True
        if isinstance(fault, float):
            await asyncio.sleep(fault)
        answer_head, answer = await self._pass_on(head + body)
        if fault == "lose":
            return False
        if callable(fault):
            changed = json.dumps(fault(json.loads(answer))).encode()
            answer_head, answer = _head(200, len(changed)), changed
        writer.write(answer_head + answer)
        return True

    async def _pass_on(self, request: bytes) -> tuple[bytes, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            writer.write(request)
            return await _message(reader)
        finally:
            writer.close()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
    return head, await reader.readexactly(int(found[1]) if found else 0)


def _head(status: int, length: int) -> bytes:
    kind = "content-type: application/x-amz-json-1.0"
    return f"HTTP/1.1 {status} Because\r\n{kind}\r\ncontent-length: {length}\r\n\r\n".encode()


def _error(status: int, code: str) -> bytes:
    """An answer of DynamoDB: `code`, or of a cancelled transaction "code:reason,reason"."""
    code, _, reasons = code.partition(":")
    body: dict[str, Any] = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "as the test says"}
    if reasons:
        body["CancellationReasons"] = [{"Code": reason, "Message": reason} for reason in reasons.split(",")]
    content = json.dumps(body).encode()
    return _head(status, len(content)) + content


def kill_at(point: str, count: int) -> None:
    """End this process at a point of its commit of that number, or of the next that gets there (see `crash.POINTS`).

    Every value is moved out of its row, so that `between` the pieces have reached DynamoDB, but not the transaction.
    On a busy machine a node renews its leases as often as it commits changes: only commits that are logged count.
    """
    make, transact = TransactionPlan.make, DynamoDBTable.transact
    dynamodb_write.SMALL = dynamodb_write.LARGE = 100
    done = 0
    logged = False

    def die(here: str) -> None:
        if here == point and done >= count and logged:
            os.kill(os.getpid(), signal.SIGKILL)

    async def made(self: TransactionPlan, head: StoreHead) -> tuple[StoreHead, list[Item]]:
        nonlocal done, logged
        logged = any(batch.appends for batch in self._batches)  # private: what the commit at hand is of
        done += logged
        die("before")
        return await make(self, head)

    async def transacted(self: DynamoDBTable, items: Sequence[Item]) -> None:
        die("between")
        await transact(self, items)
        die("after")

    TransactionPlan.make = made  # type: ignore[method-assign]
    DynamoDBTable.transact = transacted  # type: ignore[method-assign]
