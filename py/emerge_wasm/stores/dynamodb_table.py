"""Requests to one DynamoDB table: patience with what passes, and what its errors mean.

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
from aiohttp import ClientError as TransportError
from botocore import exceptions as boto
from botocore.loaders import create_loader

from ..errors import Conflict, EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable
from .dynamodb_row import Item

FAILURES = (boto.ClientError, boto.BotoCoreError, boto.HTTPClientError, TransportError, OSError, TimeoutError)
"""All that a request can fail with."""

_BUSY = frozenset({"ThrottlingError", "ProvisionedThroughputExceeded", "TransactionConflict"})  # as reasons
_REFUSED = frozenset(  # for now, and certainly not done
    {
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "ThrottlingException",
        "Throttling",
        "TransactionConflictException",
        "LimitExceededException",
        "ReplicatedWriteConflictException",
    }
)
_DENIED = frozenset(
    {
        "AccessDeniedException",
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_IN_PROGRESS = "TransactionInProgressException"
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

    def patience(self) -> Patience:
        return Patience(self.wait)

    async def ask(self, operation: str, request: Item) -> Item:
        """The answer to a request that may be repeated."""
        patience = self.patience()
        while True:
            try:
                return await self._call(operation, request)
            except FAILURES as error:
                if not (_passing(error) and await patience.pause()):
                    raise meaning(error, self.name) from error

    async def attempt(self, operation: str, request: Item) -> bool:
        """Do a request that may be repeated; whether its condition held."""
        try:
            await self.ask(operation, request)
        except _ConditionFailed:
            return False
        return True

    async def get(self, key: Item) -> Item | None:
        """One item, as it is now."""
        request = {"TableName": self.name, "Key": key, "ConsistentRead": True}
        return (await self.ask("get_item", request)).get("Item")

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
                reasons = _reasons(error)
                if any(reason.get("Code") == "ConditionalCheckFailed" for reason in reasons):
                    raise Cancelled(reasons) from error
                passing = _passing(error)
                unknown = unknown or (passing and not _certain(error))
                if passing and await patience.pause():
                    continue
                raise (self._unknown() if unknown else meaning(error, self.name)) from error

    async def close(self) -> None:
        await self._client.__aexit__(None, None, None)

    async def _call(self, operation: str, request: Item) -> Item:
        answer: Item = await getattr(self._client, operation)(**request)
        return answer

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
        return Unavailable(f"the DynamoDB table {self.name} takes no more for now", remedy="try again later")

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


class _ConditionFailed(Conflict):
    """A condition of a single write did not hold."""


class TableMissing(Unavailable):
    """There is no such table."""


def meaning(error: BaseException, name: str) -> EmergeError:
    """The EmergeError for what a request to the table `name` failed with."""
    if not isinstance(error, boto.ClientError):
        return _meaning_of_transport(error, name)
    code = _code(error)
    said = error.response.get("Error", {}).get("Message") or code
    said = " ".join([said, *(str(each["Message"]) for each in _reasons(error) if each.get("Message"))])
    if code in ("ConditionalCheckFailedException", "ResourceInUseException"):  # the latter: of a table to be made
        return _ConditionFailed(said)
    if code == "ResourceNotFoundException":
        return TableMissing(f"there is no DynamoDB table {name}", remedy="make it, or open the store again")
    if code in _DENIED or error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (401, 403):
        return PermissionDenied(
            f"DynamoDB refuses access to the table {name}: {code}",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to a user's who may read and write it",
        )
    if "size" in said.lower() and ("exceed" in said.lower() or "limit" in said.lower()):
        return LimitExceeded(f"DynamoDB: {said}", remedy="commit less at once", limit="transaction size")
    if code == "ValidationException" and ("key element" in said or "schema" in said):
        return Invalid(f"the DynamoDB table {name} is not of Emerge stores", remedy="name another table")
    if _passing(error):
        return Unavailable(f"the DynamoDB table {name} is not to be had: {code}", remedy="try again later")
    return Invalid(f"DynamoDB refuses a request to the table {name}: {code}: {said}", remedy="report this")


def _meaning_of_transport(error: BaseException, name: str) -> EmergeError:
    kind = type(error).__name__
    if isinstance(error, boto.NoRegionError | boto.InvalidRegionError):
        return Invalid(
            f"no region is known for the DynamoDB table {name}", remedy="add region=… or set AWS_DEFAULT_REGION"
        )
    credentials = (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
    if isinstance(error, (*credentials, boto.TokenRetrievalError)):
        return PermissionDenied(
            f"no credentials are found for the DynamoDB table {name} ({kind})",
            remedy="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        )
    if isinstance(error, boto.ProfileNotFound | boto.ConfigNotFound | boto.ConfigParseError):
        return Invalid(f"the AWS configuration cannot be used ({kind})", remedy="look at AWS_PROFILE and ~/.aws/config")
    return Unavailable(f"the DynamoDB table {name} is out of reach ({kind})", remedy="look at the network and endpoint")


def _code(error: BaseException) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, boto.ClientError) else ""


def _reasons(error: BaseException) -> Sequence[Item]:
    """What a cancelled transaction says of each of its items."""
    found: Sequence[Item] = error.response.get("CancellationReasons", ()) if isinstance(error, boto.ClientError) else ()
    return found


def _passing(error: BaseException) -> bool:
    """Whether the same request may succeed a little later."""
    if not isinstance(error, boto.ClientError):
        lasting = (boto.NoRegionError, boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound)
        return not isinstance(error, lasting)
    codes = {str(reason.get("Code")) for reason in _reasons(error)} - {"None"}
    if codes:
        return codes <= _BUSY
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return _code(error) in _REFUSED or _code(error) == _IN_PROGRESS or status >= 500 or status == 429


def _certain(error: BaseException) -> bool:
    """Whether a request that failed so has certainly not been done."""
    if isinstance(error, boto.EndpointConnectionError | boto.ConnectTimeoutError):
        return True
    return bool(_reasons(error)) or _code(error) in _REFUSED
