"""Requests to one DynamoDB table, and patience with what passes.

The client's own retries are off: only here is it known which requests may be repeated, and how. Must not know what the
items are for.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.loaders import create_loader

from ...errors import Invalid, Unavailable
from .error import FAILURES, ConditionFailed, certain, meaning, passing, reasons_of
from .row import Item

_GET, _WRITE = 100, 25  # items of one batch


class Cancelled(Exception):
    """A transaction was not done, because a condition did not hold: what is said of each of its items."""

    def __init__(self, reasons: Sequence[Item]) -> None:
        super().__init__("a condition of the transaction did not hold")
        self.reasons = reasons

    def failed(self, number: int) -> bool:
        return number < len(self.reasons) and self.reasons[number].get("Code") == "ConditionalCheckFailed"


class Patience:
    """How long to go on trying: pauses that double, each cut at random, up to so many seconds in all."""

    def __init__(self, wait: float) -> None:
        self._end = asyncio.get_running_loop().time() + wait
        self._pause = 0.005

    async def pause(self) -> bool:
        """Wait a while; False, at once, when the time is over."""
        left = self._end - asyncio.get_running_loop().time()
        if left <= 0:
            return False
        await asyncio.sleep(min(left, random.uniform(self._pause / 2, self._pause)))
        self._pause = min(self._pause * 2, 0.5)
        return True


class Table:
    """One table. Every method raises EmergeError, after `wait` seconds of trying when the trouble may pass."""

    def __init__(self, client: Any, name: str, wait: float) -> None:
        self.name = name
        self.wait = wait
        self._client = client
        self._wanted: dict[tuple[str, bytes], asyncio.Future[Item | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def patience(self) -> Patience:
        return Patience(self.wait)

    async def ask(self, operation: str, request: Item) -> Item:
        """The answer to a request that may be repeated."""
        patience = self.patience()
        while True:
            try:
                return await self._call(operation, request)
            except FAILURES as error:
                if not (passing(error) and await patience.pause()):
                    raise meaning(error, self.name) from error

    async def attempt(self, operation: str, request: Item) -> bool:
        """Do a request that may be repeated; whether its condition held."""
        try:
            await self.ask(operation, request)
        except ConditionFailed:
            return False
        return True

    async def get(self, key: Item) -> Item | None:
        """One item, as it is now. What is asked for in the same turn of the loop is asked for in one request."""
        loop = asyncio.get_running_loop()
        if not self._wanted:
            loop.call_soon(self._get_wanted)
        future = self._wanted.setdefault((key["pk"]["S"], key["sk"]["B"]), loop.create_future())
        return await asyncio.shield(future)

    async def get_at_once(self, keys: Sequence[Item]) -> list[Item | None]:
        """Up to 100 different items, all as of one moment. Raises LimitExceeded when they have more than 4 MB."""
        gets = [{"Get": {"TableName": self.name, "Key": key}} for key in keys]
        answer = await self.ask("transact_get_items", {"TransactItems": gets})
        return [each.get("Item") for each in answer["Responses"]]

    async def get_each(self, keys: Sequence[Item]) -> list[Item]:
        """Those of many different items that are there, in no order, each as of a moment of its own."""
        parts = [keys[first : first + _GET] for first in range(0, len(keys), _GET)]
        return [item for part in await asyncio.gather(*map(self._get_part, parts)) for item in part]

    async def query(self, request: Item) -> Item:
        """One page."""
        return await self.ask("query", request)

    async def put_each(self, items: Sequence[Item]) -> None:
        await self._write_each([{"PutRequest": {"Item": item}} for item in items])

    async def delete_each(self, keys: Sequence[Item]) -> None:
        await self._write_each([{"DeleteRequest": {"Key": key}} for key in keys])

    async def transact(self, items: Sequence[Item]) -> None:
        """Do all of it or nothing, once. Raises Cancelled when a condition does not hold.

        A request whose answer is lost is repeated to the letter: by its token DynamoDB knows it again for ten minutes,
        and answers as it did, or would have done. While that may still come, no other request takes its place.
        """
        request = {"TransactItems": items, "ClientRequestToken": os.urandom(16).hex()}
        patience, unknown = self.patience(), False
        while True:
            try:
                await self._call("transact_write_items", request)
                return
            except FAILURES as error:
                reasons = reasons_of(error)
                if any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
                    raise Cancelled(reasons) from error
                may_pass = passing(error)
                unknown = unknown or (may_pass and not certain(error))
                if may_pass and await patience.pause():
                    continue
                raise (self._unknown() if unknown else meaning(error, self.name)) from error

    async def close(self) -> None:
        await self._client.__aexit__(None, None, None)

    async def _call(self, operation: str, request: Item) -> Item:
        answer: Item = await getattr(self._client, operation)(**request)
        return answer

    def _get_wanted(self) -> None:
        wanted, self._wanted = self._wanted, {}
        task = asyncio.get_running_loop().create_task(self._answer(wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, wanted: dict[tuple[str, bytes], asyncio.Future[Item | None]]) -> None:
        keys = [{"pk": {"S": partition}, "sk": {"B": sort}} for partition, sort in wanted]
        try:
            if len(keys) == 1:
                request = {"TableName": self.name, "Key": keys[0], "ConsistentRead": True}
                answer = await self.ask("get_item", request)
                items = [answer["Item"]] if "Item" in answer else []
            else:
                items = await self.get_each(keys)
        except Exception as error:
            for future in wanted.values():
                future.set_exception(error)
                future.exception()  # whoever asked may have been cancelled
            return
        found = {(item["pk"]["S"], bytes(item["sk"]["B"])): item for item in items}
        for place, future in wanted.items():
            future.set_result(found.get(place))

    async def _get_part(self, keys: Sequence[Item]) -> list[Item]:
        patience = self.patience()
        found: list[Item] = []
        while keys:
            wanted = {self.name: {"Keys": keys, "ConsistentRead": True}}
            answer = await self.ask("batch_get_item", {"RequestItems": wanted})
            found += answer["Responses"].get(self.name, [])
            left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if left and len(left) == len(keys) and not await patience.pause():
                raise self._busy()
            keys = left
        return found

    async def _write_each(self, requests: Sequence[Item]) -> None:
        parts = [requests[first : first + _WRITE] for first in range(0, len(requests), _WRITE)]
        for part in parts:
            await self._write_part(part)

    async def _write_part(self, requests: Sequence[Item]) -> None:
        patience = self.patience()
        while requests:
            answer = await self.ask("batch_write_item", {"RequestItems": {self.name: requests}})
            left = answer.get("UnprocessedItems", {}).get(self.name, [])
            if left and len(left) == len(requests) and not await patience.pause():
                raise self._busy()
            requests = left

    def _busy(self) -> Unavailable:
        return Unavailable(
            f"the DynamoDB table {self.name} takes no more for now",
            remedy="try again later; if it lasts, give the table more capacity, or bill it by request",
        )

    def _unknown(self) -> Unavailable:
        return Unavailable(
            f"the DynamoDB table {self.name} has not answered: whether the commit was done is not known",
            remedy="look whether it is there before you repeat it",
            unknown=True,
        )


async def connect(name: str, region: str | None, endpoint: str | None, wait: float) -> Table:
    """A table's client; nothing is asked yet. Credentials come from where AWS tools look for them."""
    config = AioConfig(
        connect_timeout=min(5, max(wait / 2, 0.1)),
        read_timeout=min(5, max(wait / 2, 0.1)),
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=64,
        parameter_validation=False,
        tcp_keepalive=True,
    )
    try:
        session = get_session()
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
        context = session.create_client("dynamodb", region_name=region, endpoint_url=endpoint, config=config)
        client = await context.__aenter__()
    except FAILURES as error:
        raise meaning(error, name) from error
    except ValueError as error:
        raise Invalid(f"{error} (of the DynamoDB table {name})", remedy="write endpoint=http://host:port") from error
    client.meta.events.register_first("request-created.dynamodb", _stream)
    return Table(client, name, wait)


@cache
def _loader(path: str | None) -> Any:
    """Of the descriptions of Amazon's services, read once: they are megabytes of JSON."""
    return create_loader(path)


def _stream(request: Any, **_: Any) -> None:
    """Let a long body be sent bit by bit: aiohttp warns of bytes that it must write in one go."""
    if isinstance(request.data, bytes) and len(request.data) > 1 << 20:
        request.data = io.BytesIO(request.data)
