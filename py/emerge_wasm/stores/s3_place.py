"""Where an S3 store is: its URL's parts, the clients made from them, its format, its owner, and what S3's errors mean.

obstore is called in threads, never awaited: its own tasks can outlive the interpreter and abort its exit. slatedb takes
its endpoint from the environment only, so `object_store` shows it one of its own for the moment of the call.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store as Client
from slatedb.uniffi import ObjectStore

from ..errors import EmergeError, Invalid, PermissionDenied, Unavailable
from .check import check_options

FORMAT = 1

_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to credentials that may read, write, list and delete there"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"[\w.=+-]+(/[\w.=+-]+)*", re.ASCII)
_ENDPOINT = re.compile(r"https?://[\w.:\[\]-]+/?", re.ASCII)
_STYLES = {"path": "false", "virtual": "true"}

# What slatedb would read beside the AWS_ names: too common to mean S3, or settled by the URL.
_HIDDEN = frozenset(
    "access_key_id secret_access_key session_token token default_region region bucket bucket_name endpoint endpoint_url"
    " timeout connect_timeout allow_http proxy_url user_agent skip_signature unsigned_payload metadata_endpoint"
    " conditional_put copy_if_not_exists virtual_hosted_style_request aws_bucket aws_bucket_name aws_endpoint"
    " aws_endpoint_url aws_endpoint_url_s3 aws_region aws_default_region aws_allow_http aws_timeout aws_connect_timeout"
    " aws_virtual_hosted_style_request aws_conditional_put aws_copy_if_not_exists".split()
)
_ENVIRONMENT = threading.Lock()

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Place:
    """The parts of a URL; `wait` is how long (s) S3 may take to answer before that is an error."""

    bucket: str
    prefix: str
    endpoint: str  # "" is Amazon's own
    region: str
    style: str
    wait: float

    @property
    def name(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def rows(self) -> str:
        """Where slatedb has its objects."""
        return f"{self.prefix}/rows".lstrip("/")


def place_of(location: str, options: Mapping[str, str]) -> Place:
    """The place that a URL names. Raises Invalid."""
    check_options("s3", options, ("endpoint", "region", "style", "wait"))
    if "@" in location:  # not shown: it may hold a secret
        raise Invalid("an s3: URL takes no credentials", remedy=_KEYS)
    bucket, _, prefix = location.partition("/")
    prefix = prefix.rstrip("/")
    if not _BUCKET.fullmatch(bucket):
        raise Invalid(f"{bucket!r} is not the name of an S3 bucket", remedy="write s3://bucket/prefix")
    if prefix and (not _PREFIX.fullmatch(prefix) or len(prefix) > 300 or {".", ".."} & set(prefix.split("/"))):
        raise Invalid(f"{prefix!r} is not a prefix for an S3 store", remedy="use letters, digits, and . _ - = + /")
    endpoint = options.get("endpoint", os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", "")))
    if endpoint and not _ENDPOINT.fullmatch(endpoint):
        raise Invalid("the endpoint is not the URL of a server", remedy="write endpoint=https://host:port")
    region = options.get("region", os.environ.get("AWS_REGION", os.environ.get("AWS_DEFAULT_REGION", "us-east-1")))
    style = options.get("style", "path")
    if style not in _STYLES:
        raise Invalid(f"style={style} is unknown", remedy="use path or virtual")
    wait = options.get("wait", "30")
    if not re.fullmatch(r"\d{1,4}(\.\d*)?", wait) or not float(wait):
        raise Invalid(f"wait={wait} is not a number of seconds", remedy="write for example wait=10")
    return Place(bucket, prefix, endpoint.rstrip("/"), region, style, float(wait))


def object_store(place: Place) -> ObjectStore:
    """The bucket as slatedb sees it."""
    wanted = {
        "AWS_REGION": place.region,
        "AWS_ALLOW_HTTP": str(place.endpoint.startswith("http://")).lower(),
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": _STYLES[place.style],
        "AWS_TIMEOUT": f"{round(place.wait * 500)}ms",  # so that a second try fits in
        "AWS_CONNECT_TIMEOUT": f"{round(place.wait * 250)}ms",
    }
    if place.endpoint:
        wanted["AWS_ENDPOINT"] = place.endpoint
    with _ENVIRONMENT:
        held = {name: value for name, value in os.environ.items() if name.lower() in _HIDDEN}
        try:
            _show(held, wanted)
            return ObjectStore.resolve(f"s3://{place.bucket}")
        finally:
            _show(wanted, held)


def _show(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    for name in old.keys() - new.keys():
        os.environ.pop(name, None)
    for name, value in new.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


class Bucket:
    """The objects under a place's prefix that are not slatedb's: format, owner, large values."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._threads = ThreadPoolExecutor(8, "emerge-s3")
        self._client = _client(place, retries=10)
        self.token = os.urandom(16).hex()

    async def call(self, function: Callable[..., Result], *args: Any) -> Result:
        """The result of `function(client, *args)`, called in a thread. Raises FileNotFoundError or an EmergeError."""
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

    async def silent(self, outcome: str) -> Unavailable:
        """The error of an S3 that did not do its work in time, with what it says when asked once more."""
        reason = f"S3 has not answered for {self.place.wait:g} s"
        try:
            probe = _client(replace(self.place, wait=min(self.place.wait, 2.0)), retries=0)
            await asyncio.get_running_loop().run_in_executor(
                self._threads, _mapped, self.place, obstore.head, probe, "format"
            )
        except EmergeError as error:
            reason = error.message
        except FileNotFoundError:
            reason = f"the store {self.place.name} was deleted"
        return Unavailable(
            f"{reason}; {outcome}", remedy="see that S3 is up and reachable; the store goes on when it is"
        )

    def close(self) -> None:
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


def _make(client: Client) -> bytes:
    content = json.dumps({"emerge": "store", "format": FORMAT}).encode()
    try:
        obstore.put(client, "format", content, mode="create", use_multipart=False)
    except AlreadyExistsError:  # by another opener, or by a put whose answer was lost
        return bytes(obstore.get(client, "format").bytes())
    return content


def _check_format(name: str, content: bytes) -> None:
    try:
        version = json.loads(content)["format"]
    except (ValueError, LookupError, TypeError):
        raise Invalid(f"{name} is not an Emerge store", remedy="use another prefix") from None
    if version > FORMAT:
        raise Invalid(f"{name} has format {version}, this Emerge reads up to {FORMAT}", remedy="upgrade Emerge")


def _owner(client: Client) -> dict[str, Any]:
    owner: dict[str, Any] = json.loads(bytes(obstore.get(client, "owner").bytes()))
    return owner


def _client(place: Place, retries: int) -> Client:
    options: dict[str, Any] = {"endpoint": place.endpoint} if place.endpoint else {}
    return Client(
        place.bucket,
        prefix=place.prefix or None,
        region=place.region,
        virtual_hosted_style_request=place.style == "virtual",
        client_options={
            "allow_http": place.endpoint.startswith("http://"),
            "timeout": timedelta(seconds=place.wait / 2),
            "connect_timeout": timedelta(seconds=place.wait / 4),
        },
        retry_config={
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=place.wait),
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
        },
        **options,
    )


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
        raise PermissionDenied(f"S3 refuses these credentials for {place.name}", remedy=_KEYS) from error
    except BaseError as error:
        raise meaning(str(error), place) from error


def meaning(text: str, place: Place) -> EmergeError:
    """The EmergeError for what obstore or slatedb says about a request."""
    if "NoSuchBucket" in text:
        return Invalid(f"there is no bucket {place.bucket}", remedy="make it, or correct the URL")
    if "169.254.16" in text or "latest/api/token" in text:  # where credentials of a machine in Amazon's cloud come from
        return PermissionDenied(f"there are no credentials for {place.name}", remedy=_KEYS)
    if "edirect" in text or "AuthorizationHeaderMalformed" in text:
        return Invalid(f"the bucket {place.bucket} is not in region {place.region}", remedy="write region=…")
    status = re.search(r"status code: (\d{3}[^:\n]*)", text)
    where = place.endpoint or "Amazon S3"
    return Unavailable(
        f"{where} answers {status[1]}" if status else f"{where} cannot be reached",
        remedy="see that S3 is up and reachable, then try again",
    )
