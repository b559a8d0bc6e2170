"""The objects of an S3 store that are not slatedb's, its format and owner among them, and the meaning of S3's errors.

obstore is called in threads, never awaited: its own tasks can outlive the interpreter and abort its exit.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Concatenate, ParamSpec, TypedDict, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store as Client

from ...errors import EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable
from ..check import closed
from .location import KEYS, S3Location, make_client

FORMAT = 1
_PROBE, _PROBED = "probe", 64 << 10  # an object that is written to see whether that can be done, and its bytes
_FULL = re.compile("status code: 507|StorageFull|Quota ?Exceeded|InsufficientStorage|storage cap", re.IGNORECASE)

T = TypeVar("T")
P = ParamSpec("P")
_log = logging.getLogger("emerge.stores.s3")


class StoreOwner(TypedDict):
    """Who opened a store last: the object `owner`."""

    token: str
    host: str
    process: int


class S3Bucket:
    """The objects under a location's prefix that are not slatedb's: format, owner, large values."""

    def __init__(self, location: S3Location) -> None:
        self.location = location
        self._threads = ThreadPoolExecutor(8, "emerge-s3")
        self._client = make_client(location, retries=10)
        self._closed = False
        self.token = os.urandom(16).hex()

    async def call(self, function: Callable[Concatenate[Client, P], T], *args: P.args, **options: P.kwargs) -> T:
        """Return `function(client, *args)`, called in a thread. Raises FileNotFoundError or an EmergeError."""
        if self._closed:
            raise closed(self.location.name)
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _mapped, self.location, partial(function, self._client, *args, **options)
        )

    async def claim(self) -> None:
        """Check that we can read the format, writing it when nothing is here yet; write down that we are the owner."""
        await self.call(self._claim)

    async def is_ours(self) -> bool:
        """Return whether nobody opened the store after us."""
        return (await self.call(_owner))["token"] == self.token

    async def fenced(self) -> Unavailable:
        """Return the error of a store that another process has opened after us."""
        who = "another process"
        try:
            owner = await self.call(_owner)
            if owner["token"] != self.token:
                who = f"process {owner['process']} on {owner['host']}"
        except (EmergeError, FileNotFoundError) as error:
            _log.info("%s: who opened it cannot be read: %s", self.location.name, error)
        _log.warning("%s was opened by %s: this process can no longer use it", self.location.name, who)
        return Unavailable(
            f"{self.location.name} was opened by {who}, which has it to itself since",
            remedy="one process at a time can have an S3 store: end the other one, then open it again here",
        )

    async def silent(self, outcome: str, *, writing: bool) -> EmergeError:
        """Return the error of an S3 that did not do its work in time, with what it says when asked once more."""
        failure: EmergeError = Unavailable(
            f"S3 has not answered for {self.location.wait:g} s",
            remedy="see that S3 is up and reachable; the store goes on when it is",
        )
        try:
            probe = make_client(replace(self.location, wait=min(self.location.wait, 2.0)), retries=0)
            await asyncio.get_running_loop().run_in_executor(
                self._threads, _mapped, self.location, partial(_try_to_write if writing else _try_to_read, probe)
            )
        except (LimitExceeded, PermissionDenied) as error:
            failure = error
        except EmergeError as error:
            failure.message = error.message
        except FileNotFoundError:
            failure.message = f"the store {self.location.name} was deleted"
        failure.message += f"; {outcome}"
        _log.warning("%s", failure.message)
        return failure

    def close(self) -> None:
        self._closed = True
        self._threads.shutdown(wait=False)

    def _claim(self, client: Client) -> None:
        try:
            found = bytes(obstore.get(client, "format").bytes())
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise
            if any(obstore.list(client, chunk_size=1)):
                raise Invalid(
                    f"{self.location.name} holds other things than an Emerge store", remedy="use another prefix"
                ) from None
            found = _make(client)
        _check_format(self.location.name, found)
        owner = StoreOwner(token=self.token, host=socket.gethostname(), process=os.getpid())
        obstore.put(client, "owner", json.dumps(owner).encode(), use_multipart=False)


def _try_to_read(bucket: Client) -> None:
    obstore.head(bucket, "format")


def _try_to_write(bucket: Client) -> None:
    _try_to_read(bucket)
    obstore.put(bucket, _PROBE, bytes(_PROBED), use_multipart=False)
    obstore.delete(bucket, _PROBE)


def _make(bucket: Client) -> bytes:
    content = json.dumps({"emerge": "store", "format": FORMAT}).encode()
    try:
        obstore.put(bucket, "format", content, mode="create", use_multipart=False)
    except AlreadyExistsError:  # by another opener, or by a put whose answer was lost
        return bytes(obstore.get(bucket, "format").bytes())
    return content


def _check_format(name: str, content: bytes) -> None:
    try:
        version = int(json.loads(content)["format"])
    except (ValueError, LookupError, TypeError):
        raise Invalid(f"{name} is not an Emerge store", remedy="use another prefix") from None
    if version > FORMAT:
        raise Invalid(f"{name} has format {version}, this Emerge reads up to {FORMAT}", remedy="upgrade Emerge")


def _owner(bucket: Client) -> StoreOwner:
    owner: StoreOwner = json.loads(bytes(obstore.get(bucket, "owner").bytes()))
    return owner


def _mapped(location: S3Location, function: Callable[[], T]) -> T:
    with mapped_errors(location):
        return function()


@contextmanager
def mapped_errors(location: S3Location) -> Iterator[None]:
    """Raise what obstore says as an EmergeError, or as FileNotFoundError when an object of the bucket is not there."""
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" not in str(error):
            raise
        raise to_emerge_error(str(error), location) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        if _FULL.search(str(error)):
            raise to_emerge_error(str(error), location) from error
        raise PermissionDenied(f"S3 refuses these credentials for {location.name}", remedy=KEYS) from error
    except BaseError as error:
        raise to_emerge_error(str(error), location) from error


def to_emerge_error(text: str, location: S3Location) -> EmergeError:
    """Return the EmergeError for what obstore or slatedb says about a request."""
    if _FULL.search(text):
        return LimitExceeded(
            f"no room is left in the bucket {location.bucket}, says {location.endpoint or 'Amazon S3'}",
            remedy="free some room there or raise its quota, then try again",
            limit="disk space",
        )
    if "NoSuchBucket" in text:
        return Invalid(f"there is no bucket {location.bucket}", remedy="make it, or correct the URL")
    if "169.254.16" in text or "latest/api/token" in text:  # where credentials of a machine in Amazon's cloud come from
        return PermissionDenied(f"there are no credentials for {location.name}", remedy=KEYS)
    if "edirect" in text or "AuthorizationHeaderMalformed" in text:
        return Invalid(f"the bucket {location.bucket} is not in region {location.region}", remedy="write region=…")
    status = re.search(r"status code: (\d{3}[^:\n]*)", text)
    where = location.endpoint or "Amazon S3"
    return Unavailable(
        f"{where} answers {status[1]}" if status else f"{where} cannot be reached",
        remedy="see that S3 is up and reachable, then try again",
    )
