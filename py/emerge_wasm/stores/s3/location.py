"""Where an S3 store is: the parts of its URL, and the two clients made from them. Must not import asyncio.

slatedb takes its endpoint from the environment only, so `object_store` shows it one of its own for the time of a call.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from obstore.store import S3Store as Client
from slatedb.uniffi import ObjectStore

from ...errors import Invalid
from ..check import check_options

KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to credentials that may read, write, list and delete there"
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


@dataclass(frozen=True, slots=True)
class S3Location:
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
        """Where slatedb keeps its objects."""
        return f"{self.prefix}/rows".lstrip("/")


def location_of(location: str, options: Mapping[str, str]) -> S3Location:
    """Read a URL's parts. Raises Invalid."""
    check_options("s3", options, ("endpoint", "region", "style", "wait"))
    if "@" in location:  # not shown: it may hold a secret
        raise Invalid("an s3: URL takes no credentials", remedy=KEYS)
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
    return S3Location(bucket, prefix, endpoint.rstrip("/"), region, style, float(wait))


def object_store(location: S3Location) -> ObjectStore:
    """Return the bucket as slatedb sees it."""
    wanted = {
        "AWS_REGION": location.region,
        "AWS_ALLOW_HTTP": str(location.endpoint.startswith("http://")).lower(),
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": _STYLES[location.style],
        "AWS_TIMEOUT": f"{round(location.wait * 500)}ms",  # so that a second try fits in
        "AWS_CONNECT_TIMEOUT": f"{round(location.wait * 250)}ms",
    }
    if location.endpoint:
        wanted["AWS_ENDPOINT"] = location.endpoint
    with _ENVIRONMENT:
        held = {name: value for name, value in os.environ.items() if name.lower() in _HIDDEN}
        try:
            _show(held, wanted)
            return ObjectStore.resolve(f"s3://{location.bucket}")
        finally:
            _show(wanted, held)


def _show(old: Mapping[str, str], new: Mapping[str, str]) -> None:
    for name in old.keys() - new.keys():
        os.environ.pop(name, None)
    for name, value in new.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def make_client(location: S3Location, retries: int) -> Client:
    """Return a client of the objects under the location's prefix."""
    return Client(
        location.bucket,
        prefix=location.prefix or None,
        region=location.region,
        virtual_hosted_style_request=location.style == "virtual",
        client_options={
            "allow_http": location.endpoint.startswith("http://"),
            "timeout": timedelta(seconds=location.wait / 2),
            "connect_timeout": timedelta(seconds=location.wait / 4),
        },
        retry_config={
            "max_retries": retries,
            "retry_timeout": timedelta(seconds=location.wait),
            "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
        },
        config={"endpoint": location.endpoint} if location.endpoint else {},
    )
