"""Bytes that an engine keeps of a store, as the engine itself counts them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit


async def stored_bytes(name: str, url: str, folder: Path) -> int:
    """Files on this disk; PostgreSQL's own figure; the objects of a bucket; DynamoDB's items, names and values."""
    measure = {"postgresql": _postgresql, "s3": _s3, "dynamodb": _dynamodb}.get(name)
    if measure is not None:
        return await measure(url)
    return _files(folder)


def _files(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


async def _postgresql(url: str) -> int:
    import asyncpg

    connection = await asyncpg.connect(url.partition("?")[0])
    try:
        size: int = await connection.fetchval("SELECT pg_database_size(current_database())")
        return size
    finally:
        await connection.close()


async def _s3(url: str) -> int:
    import obstore
    from obstore.store import S3Store

    parts = urlsplit(url)
    options = parse_qs(parts.query)
    client = S3Store(
        parts.netloc,
        prefix=parts.path.strip("/"),
        config={"endpoint": options["endpoint"][0], "region": options.get("region", ["us-east-1"])[0]},  # type: ignore[arg-type]
        client_options={"allow_http": True},  # type: ignore[arg-type]
    )
    return sum([sum(each["size"] for each in page) async for page in obstore.list(client)])


async def _dynamodb(url: str) -> int:
    from aiobotocore.session import get_session

    parts = urlsplit(url)
    options = parse_qs(parts.query)
    region = options.get("region", ["us-east-1"])[0]
    async with get_session().create_client(
        "dynamodb", region_name=region, endpoint_url=options["endpoint"][0]
    ) as client:
        pages = client.get_paginator("scan").paginate(TableName=parts.netloc)
        return sum([sum(map(_item_size, page["Items"])) async for page in pages])


def _item_size(item: dict[str, dict[str, Any]]) -> int:
    """As DynamoDB bills it: the bytes of names and values."""
    return sum(len(name) + sum(len(value) for value in typed.values()) for name, typed in item.items())
