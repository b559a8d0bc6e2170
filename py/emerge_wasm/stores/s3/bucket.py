"""The objects of an S3 store that are not slatedb's, its format and owner among them, and what S3's errors mean.

obstore is called in threads, never awaited: its own tasks can outlive the interpreter and abort its exit.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store as Client

from ...errors import EmergeError, Invalid, LimitExceeded, PermissionDenied, Unavailable
from ..check import closed
from .location import KEYS, Place, make_client

FORMAT = 1
_PROBE, _PROBED = "probe", 64 << 10  # an object that is written to see whether that can be done, and its bytes
_FULL = re.compile("status code: 507|StorageFull|Quota ?Exceeded|InsufficientStorage|storage cap", re.IGNORECASE)

Result = TypeVar("Result")


class Bucket:
    """The objects under a place's prefix that are not slatedb's: format, owner, large values."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._threads = ThreadPoolExecutor(8, "emerge-s3")
        self._client = make_client(place, retries=10)
        self._closed = False
        self.token = os.urandom(16).hex()

    async def call(self, function: Callable[..., Result], *args: Any) -> Result:
        """The result of `function(client, *args)`, called in a thread. Raises FileNotFoundError or an EmergeError."""
        if self._closed:
            raise closed(self.place.name)
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _mapped, self.place, function, self._client, *args
        )

    async def claim(self) -> None:
        """Check that we can read the format here, making it when nothing is here yet; write down who the owner is."""
        await self.call(self._claim)

    async def is_ours(self) -> bool:
        """Whether nobody opened the store after us."""
        return (await self.call(_owner)).get("token") == self.token

    async def fenced(self) -> Unavailable:
        """The error of a store that another process has opened after us."""
        try:
            owner = await self.call(_owner)
        except (EmergeError, FileNotFoundError):
            owner = {}
        who = (
            f"process {owner['process']} on {owner['host']}"
            if owner.get("token", self.token) != self.token
            else "another process"
        )
        return Unavailable(
            f"{self.place.name} was opened by {who}, which has it to itself since",
            remedy="one process at a time can have an S3 store: end the other one, then open it again here",
        )

    async def silent(self, outcome: str, *, writing: bool) -> EmergeError:
        """The error of an S3 that did not do its work in time, with what it says when asked to do some once more."""
        told: EmergeError = Unavailable(
            f"S3 has not answered for {self.place.wait:g} s",
            remedy="see that S3 is up and reachable; the store goes on when it is",
        )
        try:
            probe = make_client(replace(self.place, wait=min(self.place.wait, 2.0)), retries=0)
            await asyncio.get_running_loop().run_in_executor(
                self._threads, _mapped, self.place, _try_to_write if writing else _try_to_read, probe
            )
        except (LimitExceeded, PermissionDenied) as error:
            told = error
        except EmergeError as error:
            told.message = error.message
        except FileNotFoundError:
            told.message = f"the store {self.place.name} was deleted"
        told.message += f"; {outcome}"
        return told

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
                    f"{self.place.name} holds other things than an Emerge store", remedy="use another prefix"
                ) from None
            found = _make(client)
        _check_format(self.place.name, found)
        owner = {"token": self.token, "host": socket.gethostname(), "process": os.getpid()}
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


def _owner(bucket: Client) -> dict[str, Any]:
    owner: dict[str, Any] = json.loads(bytes(obstore.get(bucket, "owner").bytes()))
    return owner


def _mapped(place: Place, function: Callable[..., Result], client: Client, *args: Any) -> Result:
    with mapped(place):
        return function(client, *args)


@contextmanager
def mapped(place: Place) -> Iterator[None]:
    """Raise what obstore says as an EmergeError, or as FileNotFoundError when an object of the bucket is not there."""
    try:
        yield
    except FileNotFoundError as error:
        if "NoSuchBucket" not in str(error):
            raise
        raise meaning(str(error), place) from error
    except (PermissionDeniedError, UnauthenticatedError) as error:
        if _FULL.search(str(error)):
            raise meaning(str(error), place) from error
        raise PermissionDenied(f"S3 refuses these credentials for {place.name}", remedy=KEYS) from error
    except BaseError as error:
        raise meaning(str(error), place) from error


def meaning(text: str, place: Place) -> EmergeError:
    """The EmergeError for what obstore or slatedb says about a request."""
    if _FULL.search(text):
        return LimitExceeded(
            f"no room is left in the bucket {place.bucket}, says {place.endpoint or 'Amazon S3'}",
            remedy="free some room there or raise its quota, then try again",
            limit="disk space",
        )
    if "NoSuchBucket" in text:
        return Invalid(f"there is no bucket {place.bucket}", remedy="make it, or correct the URL")
    if "169.254.16" in text or "latest/api/token" in text:  # where credentials of a machine in Amazon's cloud come from
        return PermissionDenied(f"there are no credentials for {place.name}", remedy=KEYS)
    if "edirect" in text or "AuthorizationHeaderMalformed" in text:
        return Invalid(f"the bucket {place.bucket} is not in region {place.region}", remedy="write region=…")
    status = re.search(r"status code: (\d{3}[^:\n]*)", text)
    where = place.endpoint or "Amazon S3"
    return Unavailable(
        f"{where} answers {status[1]}" if status else f"{where} cannot be reached",
        remedy="see that S3 is up and reachable, then try again",
    )
