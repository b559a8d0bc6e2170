"""From a URL to a table that holds a store: options, making the table, making the store's head."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ...errors import Invalid, Unavailable
from ..check import check_options
from .error import TableMissing
from .row import Item, TableLayout
from .table import DynamoDBTable, connect

OPTIONS = ("create", "endpoint", "prefix", "region", "wait")


@dataclass(frozen=True, slots=True)
class DynamoDBLocation:
    """What a URL names."""

    table: str
    prefix: str
    region: str | None
    endpoint: str | None
    create: bool
    wait: float  # seconds


async def open_table(location: str, options: Mapping[str, str]) -> tuple[DynamoDBTable, TableLayout]:
    """Connect to the table that holds the store, making either. Raises Invalid, PermissionDenied or Unavailable."""
    named = location_of(location, options)
    table = await connect(named.table, named.region, named.endpoint, named.wait)
    layout = TableLayout(named.table, named.prefix)
    try:
        await _prepare(table, layout, named.create)
    except BaseException:
        await table.close()
        raise
    return table, layout


def location_of(location: str, options: Mapping[str, str]) -> DynamoDBLocation:
    """Read a URL's parts. Raises Invalid."""
    check_options("dynamodb", options, OPTIONS)
    if not re.fullmatch(r"[A-Za-z0-9_.-]{3,255}", location):
        raise Invalid(
            f"dynamodb://{location} names no table", remedy="write dynamodb://table, of 3 to 255 of A-Z a-z 0-9 _ . -"
        )
    prefix = options.get("prefix", "emerge")
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", prefix):
        raise Invalid(f"prefix={prefix} is not one", remedy="use up to 100 of A-Z a-z 0-9 _ . -")
    create = options.get("create", "yes")
    if create not in ("yes", "no"):
        raise Invalid(f"create={create} is unknown", remedy="use yes or no")
    wait = options.get("wait", "15")
    if not re.fullmatch(r"\d{1,3}(\.\d*)?", wait):
        raise Invalid(f"wait={wait} is not a number of seconds", remedy="write for example wait=15")
    return DynamoDBLocation(location, prefix, options.get("region"), _endpoint(options), create == "yes", float(wait))


def _endpoint(options: Mapping[str, str]) -> str | None:
    endpoint = options.get("endpoint")
    if endpoint is None:
        return None
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise Invalid(
            "the option endpoint is not the address of a DynamoDB",
            remedy="write endpoint=http://host:port, and the credentials in the environment",
        )
    return endpoint


async def _prepare(table: DynamoDBTable, layout: TableLayout, create: bool) -> None:
    """Make the store, and the table, unless they exist."""
    try:
        if await table.get(layout.head()) is None:
            await table.attempt("put_item", layout.new_head())
        return
    except TableMissing as missing:
        if not create:
            raise Invalid(missing.message, remedy="make it, or leave out create=no") from None
    await _make_table(table)
    await table.attempt("put_item", layout.new_head())


async def _make_table(table: DynamoDBTable) -> None:
    request: Item = {
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [
            {"AttributeName": "pk", "KeyType": "HASH"},
            {"AttributeName": "sk", "KeyType": "RANGE"},
        ],
        "AttributeDefinitions": [
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "B"},
        ],
    }
    await table.attempt("create_table", request)
    backoff = table.backoff()
    while True:
        try:
            answer = await table.ask("describe_table", {"TableName": table.name})
            if answer["Table"]["TableStatus"] == "ACTIVE":
                return
        except TableMissing:
            pass
        if not await backoff.pause():
            raise Unavailable(f"the DynamoDB table {table.name} is not ready", remedy="try again in a minute")
