"""The layout of a store in a DynamoDB table: partitions, sort keys, items. Pure functions, without a client library.

One table holds many stores, each under a prefix. Its primary key is `pk` (text) and `sk` (bytes):

    pk                  sk                   attributes
    prefix:store        01                   f format, q number of the last commit, n last number of each space's
                                             appends, t the keys that the last commit touched
    prefix:<space>      01 + key             v value, or x where it lies (msgpack [id, bytes, pieces]); neither: deleted
                                             s number of the commit that wrote it last, c of the one that made it first
    prefix:value:<id>   piece (4 bytes)      v a piece of a value too large for its row
    prefix:doomed       time (8 bytes) + id  what is to be deleted from that time (ms) on: pieces, marks of deleted keys

A space is one partition, because only there does DynamoDB sort, and it sorts bytes as we need them. The byte before the
key is there because a sort key may not be empty. A sort key has 1,024 bytes at most, and so a key `KEY_LIMIT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgpack

from ...errors import LimitExceeded
from ...store import Batch, Key, prefix_end

FORMAT = 1
KEY_LIMIT = 1023
HEAD = b"\x01"
"""Sort key of the store's head."""

Item = dict[str, Any]
"""Attributes, a request or an answer: JSON as the client library has it, of whatever shape."""

RowCondition = tuple[str, bytes | None]
"""An expression, and the value that it calls :e."""


class MovedValue(NamedTuple):
    """The place of a value that is not in its row."""

    id: bytes
    size: int  # bytes
    pieces: int


class DynamoDBRow(NamedTuple):
    """A row as read. `value` is None for a deleted one, of which a mark is left for a while."""

    key: bytes
    value: bytes | MovedValue | None
    stamp: int  # the commit that wrote it last
    created: int  # the commit that first wrote it


class TouchedKey(NamedTuple):
    """A key that a commit put or deleted."""

    space: str
    key: bytes
    put: bool


@dataclass(frozen=True, slots=True)
class StoreHead:
    """The item that every commit of a store changes: on condition that it is still the last one's."""

    seq: int
    counters: dict[str, int]
    touched: Sequence[TouchedKey] = ()
    format: int = FORMAT


class RowChanged(Exception):
    """A row was written after the moment as of which it is asked for."""


def sort_key(key: bytes) -> bytes:
    return b"\x01" + key


def span(start: bytes, end: bytes | None) -> tuple[bytes, bytes] | None:
    """Return the first and the last sort key of start <= key < end, both inclusive; None when there is none.

    BETWEEN is the only range that a query takes, hence the greatest possible key before `end`.
    """
    first = start if len(start) <= KEY_LIMIT else prefix_end(start[:KEY_LIMIT])
    if first is None or end == b"":
        return None
    if end is None:
        return sort_key(first), b"\x02"
    last = _before(end)
    return (sort_key(first), sort_key(last)) if first <= last else None


def _before(end: bytes) -> bytes:
    """Return the greatest key before `end`."""
    if len(end) > KEY_LIMIT:
        return end[:KEY_LIMIT]
    if end[-1] == 0:
        return end[:-1]
    return end[:-1] + bytes([end[-1] - 1]) + b"\xff" * (KEY_LIMIT - len(end))


def check_lengths(batch: Batch) -> None:
    """Raise LimitExceeded for a key too long for a row."""
    for key in (key for _, key, _ in batch.puts):
        if len(key) > KEY_LIMIT:
            raise LimitExceeded(
                f"a key of {len(key)} bytes is above DynamoDB's {KEY_LIMIT}",
                remedy="use a shorter name",
                limit="largest_key",
            )


def read_row(item: Item) -> DynamoDBRow:
    value: bytes | MovedValue | None = _bytes(item["v"]) if "v" in item else None
    if "x" in item:
        value = unpack_moved(_bytes(item["x"]))
    return DynamoDBRow(_bytes(item["sk"])[1:], value, int(item["s"]["N"]), int(item["c"]["N"]))


def as_of(rows: Iterable[DynamoDBRow], seq: int) -> list[DynamoDBRow]:
    """Return those of the rows that existed when commit `seq` was the last.

    A row made later is left out. Raises RowChanged for one that existed before and was written later.
    """
    there = []
    for row in rows:
        if row.stamp > seq and row.created <= seq:
            raise RowChanged
        if row.stamp <= seq and row.value is not None:
            there.append(row)
    return there


def read_head(item: Item) -> StoreHead:
    return StoreHead(
        int(item["q"]["N"]),
        {space: int(number["N"]) for space, number in item["n"]["M"].items()},
        [TouchedKey(*each) for each in msgpack.unpackb(_bytes(item["t"]))] if "t" in item else (),
        int(item["f"]["N"]),
    )


def pack_moved(moved: MovedValue) -> bytes:
    packed: bytes = msgpack.packb(moved)
    return packed


def unpack_moved(packed: bytes) -> MovedValue:
    return MovedValue(*msgpack.unpackb(packed))


def _bytes(attribute: Item) -> bytes:
    return bytes(attribute["B"])


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Names and requests of one store in a table."""

    table: str
    prefix: str

    def head(self) -> Item:
        return _key(f"{self.prefix}:store", HEAD)

    def row(self, space: str, key: bytes) -> Item:
        return _key(f"{self.prefix}:{space}", sort_key(key))

    def piece(self, id: bytes, number: int) -> Item:
        return _key(f"{self.prefix}:value:{id.hex()}", number.to_bytes(4, "big"))

    def doomed(self, name: bytes) -> Item:
        return _key(f"{self.prefix}:doomed", name)

    def between(self, partition: str, first: bytes, last: bytes) -> Item:
        """Return the query for a range of sort keys, both inclusive."""
        return {
            "TableName": self.table,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :p AND sk BETWEEN :a AND :b",
            "ExpressionAttributeValues": {
                ":p": {"S": f"{self.prefix}:{partition}"},
                ":a": {"B": first},
                ":b": {"B": last},
            },
        }

    def advance(self, old: StoreHead, new: StoreHead) -> Item:
        """Return the item of a transaction that moves the head from the old commit to the new one."""
        return {
            "Update": {
                "TableName": self.table,
                "Key": self.head(),
                "UpdateExpression": "SET q = :q, n = :n, t = :t",
                "ConditionExpression": "q = :old",
                "ExpressionAttributeValues": {
                    ":old": _number(old.seq),
                    ":q": _number(new.seq),
                    ":n": _numbers(new.counters),
                    ":t": {"B": msgpack.packb(new.touched)},
                },
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            }
        }

    def new_head(self) -> Item:
        """Return the request that makes an empty store, unless it exists."""
        item = self.head() | {"f": _number(FORMAT), "q": _number(0), "n": _numbers({})}
        return {"TableName": self.table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}

    def write(self, place: Key, value: bytes | MovedValue | None, seq: int, condition: RowCondition | None) -> Item:
        """Return the item of a transaction that gives a row this value, or (None) a mark that it was deleted."""
        name, other = ("x", "v") if isinstance(value, MovedValue) else ("v", "x")
        content = pack_moved(value) if isinstance(value, MovedValue) else value
        values: Item = {":s": _number(seq)}
        if content is None:
            change = "SET s = :s, c = if_not_exists(c, :s) REMOVE v, x"
        else:
            change = f"SET {name} = :v, s = :s, c = if_not_exists(c, :s) REMOVE {other}"
            values[":v"] = {"B": content}
        update: Item = {"TableName": self.table, "Key": self.row(*place), "UpdateExpression": change}
        return {"Update": update | _conditional(values, condition)}

    def check(self, place: Key, condition: RowCondition | None) -> Item:
        """Return the item of a transaction that requires something of a row."""
        check: Item = {"TableName": self.table, "Key": self.row(*place)}
        return {"ConditionCheck": check | _conditional({}, condition)}


def place_of(item: Item) -> Key:
    """Return the space and key of a row."""
    return item["pk"]["S"].rpartition(":")[2], _bytes(item["sk"])[1:]


def _conditional(values: Item, condition: RowCondition | None) -> Item:
    """Return the part of a request that holds its values and its condition."""
    found: Item = {}
    if condition is not None:
        found["ConditionExpression"], expected = condition
        values = values if expected is None else values | {":e": {"B": expected}}
    return found | {"ExpressionAttributeValues": values} if values else found


def _key(partition: str, sort: bytes) -> Item:
    return {"pk": {"S": partition}, "sk": {"B": sort}}


def _number(value: int) -> Item:
    return {"N": str(value)}


def _numbers(values: dict[str, int]) -> Item:
    return {"M": {name: _number(value) for name, value in values.items()}}
