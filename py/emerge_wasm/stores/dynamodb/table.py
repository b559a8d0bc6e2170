"""Requests to one DynamoDB table, repeated with backoff while a failure may pass.

The client's own retries are off: only here is it known which requests may be repeated, and how. Must not know what the
items are for.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import random
from collections.abc import Sequence
from functools import cache

from aiobotocore.client import AioBaseClient
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.awsrequest import AWSRequest
from botocore.loaders import Loader, create_loader

from ...errors import Invalid, Unavailable
from .error import FAILURES, ConditionFailed, certain, passing, reasons_of, to_emerge_error
from .row import Item

_GET, _WRITE = 100, 25  # items of one batch
_log = logging.getLogger("emerge.stores.dynamodb")


class TransactionCancelled(Exception):
    """A transaction was not done, because a condition did not hold; `reasons` has one of each of its items."""

    def __init__(self, reasons: Sequence[Item]) -> None:
        super().__init__("a condition of the transaction did not hold")
        self.reasons = reasons

    def failed(self, number: int) -> bool:
        return number < len(self.reasons) and self.reasons[number].get("Code") == "ConditionalCheckFailed"


class Backoff:
    """Pauses between attempts: they double, with jitter, up to `wait` seconds in all."""

    def __init__(self, wait: float) -> None:
        self.paused = False
        self._end = asyncio.get_running_loop().time() + wait
        self._pause = 0.005

    async def pause(self) -> bool:
        """Wait a while; returns False, at once, when the time is over."""
        left = self._end - asyncio.get_running_loop().time()
        if left <= 0:
            return False
        self.paused = True
        await asyncio.sleep(min(left, random.uniform(self._pause / 2, self._pause)))
        self._pause = min(self._pause * 2, 0.5)
        return True


class DynamoDBTable:
    """One table. Every method raises EmergeError, after `wait` seconds of attempts when the failure may pass."""

    def __init__(self, client: AioBaseClient, name: str, wait: float) -> None:
        self.name = name
        self.wait = wait
        self._client = client
        self._wanted: dict[tuple[str, bytes], asyncio.Future[Item | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def backoff(self) -> Backoff:
        return Backoff(self.wait)

    async def ask(self, operation: str, request: Item) -> Item:
        """Return the answer to a request that may be repeated."""
        backoff = self.backoff()
        while True:
            try:
                return await self._call(operation, request)
            except FAILURES as error:
                if passing(error) and not backoff.paused:
                    _log.warning("%s: %s failed and is tried again: %s", self.name, operation, error)
                if not (passing(error) and await backoff.pause()):
                    raise to_emerge_error(error, self.name) from error

    async def attempt(self, operation: str, request: Item) -> bool:
        """Do a request that may be repeated; return whether its condition held."""
        try:
            await self.ask(operation, request)
        except ConditionFailed:
            return False
        return True

    async def get(self, key: Item) -> Item | None:
        """Return one item, as it is now. All that is asked for in one turn of the loop shares a request."""
        loop = asyncio.get_running_loop()
        if not self._wanted:
            loop.call_soon(self._get_wanted)
        future = self._wanted.setdefault((key["pk"]["S"], key["sk"]["B"]), loop.create_future())
        return await asyncio.shield(future)

    async def get_at_once(self, keys: Sequence[Item]) -> list[Item | None]:
        """Return up to 100 different items as of one moment. Raises LimitExceeded when they have more than 4 MB."""
        gets = [{"Get": {"TableName": self.name, "Key": key}} for key in keys]
        answer = await self.ask("transact_get_items", {"TransactItems": gets})
        return [each.get("Item") for each in answer["Responses"]]

    async def get_each(self, keys: Sequence[Item]) -> list[Item]:
        """Return those of many different items that exist, in no order, each as of a moment of its own."""
        parts = [keys[first : first + _GET] for first in range(0, len(keys), _GET)]
        return [item for part in await asyncio.gather(*map(self._get_part, parts)) for item in part]

    async def query(self, request: Item) -> Item:
        """Return one page of a query."""
        return await self.ask("query", request)

    async def put_each(self, items: Sequence[Item]) -> None:
        await self._write_each([{"PutRequest": {"Item": item}} for item in items])

    async def delete_each(self, keys: Sequence[Item]) -> None:
        await self._write_each([{"DeleteRequest": {"Key": key}} for key in keys])

    async def transact(self, items: Sequence[Item]) -> None:
        """Do all of it or nothing, once.

        A request whose answer is lost is repeated to the letter: by its token DynamoDB recognises it for ten minutes,
        and answers as it did, or would have done. While that may still come, no other request takes its place.

        Raises:
            TransactionCancelled: a condition did not hold.
            Unavailable: with `details["unknown"]`, nobody can tell whether it was done.
        """
        request = {"TransactItems": items, "ClientRequestToken": os.urandom(16).hex()}
        backoff, unknown = self.backoff(), False
        while True:
            try:
                await self._call("transact_write_items", request)
                return
            except FAILURES as error:
                reasons = reasons_of(error)
                if any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
                    raise TransactionCancelled(reasons) from error
                may_pass = passing(error)
                if may_pass and not certain(error):
                    if not unknown:
                        _log.warning("%s: the answer to a commit is lost, it is repeated: %s", self.name, error)
                    unknown = True
                if may_pass and await backoff.pause():
                    continue
                raise (self._unknown() if unknown else to_emerge_error(error, self.name)) from error

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
        backoff = self.backoff()
        found: list[Item] = []
        while keys:
            wanted = {self.name: {"Keys": keys, "ConsistentRead": True}}
            answer = await self.ask("batch_get_item", {"RequestItems": wanted})
            found += answer["Responses"].get(self.name, [])
            left = answer.get("UnprocessedKeys", {}).get(self.name, {}).get("Keys", [])
            if left and len(left) == len(keys) and not await backoff.pause():
                raise self._busy()
            keys = left
        return found

    async def _write_each(self, requests: Sequence[Item]) -> None:
        parts = [requests[first : first + _WRITE] for first in range(0, len(requests), _WRITE)]
        for part in parts:
            await self._write_part(part)

    async def _write_part(self, requests: Sequence[Item]) -> None:
        backoff = self.backoff()
        while requests:
            answer = await self.ask("batch_write_item", {"RequestItems": {self.name: requests}})
            left = answer.get("UnprocessedItems", {}).get(self.name, [])
            if left and len(left) == len(requests) and not await backoff.pause():
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


async def connect(name: str, region: str | None, endpoint: str | None, wait: float) -> DynamoDBTable:
    """Make a table's client, without a request yet. Credentials come from where AWS tools look for them."""
    config = AioConfig(
        connect_timeout=min(5, max(wait / 2, 0.1)),
        read_timeout=min(5, max(wait / 2, 0.1)),
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=64,
        parameter_validation=False,
        tcp_keepalive=True,
        user_agent="emerge",  # its own is put together from dozens of parts, twice for each request
    )
    try:
        session = get_session()
        session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
        context = session.create_client("dynamodb", region_name=region, endpoint_url=endpoint, config=config)
        client = await context.__aenter__()
    except FAILURES as error:
        raise to_emerge_error(error, name) from error
    except ValueError as error:
        raise Invalid(f"{error} (of the DynamoDB table {name})", remedy="write endpoint=http://host:port") from error
    client.meta.events.register_first("request-created.dynamodb", _stream)
    return DynamoDBTable(client, name, wait)


@cache
def _loader(path: str | None) -> Loader:
    """Return the loader of the descriptions of Amazon's services, which are megabytes of JSON: read once."""
    return create_loader(path)


def _stream(request: AWSRequest, **_: object) -> None:
    """Send a long body bit by bit: aiohttp warns of bytes that it must write in one go."""
    if isinstance(request.data, bytes) and len(request.data) > 1 << 20:
        request.data = io.BytesIO(request.data)
