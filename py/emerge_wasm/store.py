"""The contract of a store: an ordered, transactional key-value space. Data and a Protocol, no engine.

Engines live in `stores/`, a folder or a file each; the contract suite in `tests/contracts/store.py` runs on all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol

Key = tuple[str, bytes]
"""(space, key): spaces are short ASCII names, each ordered by the bytes of its keys."""

SPACES = ("meta", "entries", "versions", "states", "bundles", "log", "indexes", "links", "receipts", "blocks")
"""The spaces that the filesystem uses; an engine may create them ahead, and refuses any other name with Invalid."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What an engine declares of itself; a contract test may be skipped only for one of these."""

    durability: str  # "none" | "process" (survives a crash of it) | "disk" (fsync) | "relaxed"
    reopens: bool  # a closed store can be opened again with its data
    many_writers: bool  # several processes (or tabs) may commit to it at once
    isolation: str  # of commits with what they expect: "serializable", the only level so far
    largest_batch: int  # puts + deletes + appends of one commit
    largest_value: int  # bytes
    reads_wait: bool = True  # False: what is read is there at once, from this process


@dataclass(slots=True)
class Batch:
    """One commit: all of it or nothing.

    `expects` and `counts` are its conditions. An expected key must hold exactly this value, or be absent where it is
    None; a count is the number of keys in a range of a space (start <= key < end).
    `appends` get the next 8-byte big-endian number of their space as key: 1, 2, 3 …, without gaps. A number is never
    given twice, not even after its row was deleted.
    """

    puts: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    deletes: list[Key] = field(default_factory=list)
    expects: list[tuple[str, bytes, bytes | None]] = field(default_factory=list)
    appends: list[tuple[str, bytes]] = field(default_factory=list)
    counts: list[tuple[str, bytes, bytes | None, int]] = field(default_factory=list)

    def put(self, space: str, key: bytes, value: bytes) -> None:
        self.puts.append((space, key, value))

    def delete(self, space: str, key: bytes) -> None:
        self.deletes.append((space, key))

    def expect(self, space: str, key: bytes, value: bytes | None) -> None:
        self.expects.append((space, key, value))

    def expect_count(self, space: str, start: bytes, end: bytes | None, count: int) -> None:
        self.counts.append((space, start, end, count))

    def append(self, space: str, value: bytes) -> None:
        self.appends.append((space, value))

    def __len__(self) -> int:
        return len(self.puts) + len(self.deletes) + len(self.appends)


class Store(Protocol):
    """An opened engine. Methods may be awaited concurrently; each is atomic."""

    @property
    def capabilities(self) -> Capabilities: ...

    async def get(self, keys: Sequence[Key]) -> list[bytes | None]:
        """Return the values of these keys, None where absent, all as of one moment."""
        ...

    async def scan(
        self, space: str, start: bytes = b"", end: bytes | None = None, *, limit: int = 1000, reverse: bool = False
    ) -> list[tuple[bytes, bytes]]:
        """Return one page of at most `limit` (key, value), start <= key < end, in byte order.

        `reverse` gives the same range from its end. Fewer than `limit` rows means there are no more;
        the next page starts at `last_key + b"\\0"` (or, reversed, has `end=last_key`).
        """
        ...

    async def commit(self, batch: Batch) -> list[int]:
        """Apply the batch, durably when this returns, and return the numbers given to its appends.

        The order is: expects, counts, deletes, puts, appends.

        Raises:
            Conflict: a condition failed; `details["space"]` and `details["key"]` name the first (a count by its start).
            LimitExceeded: the batch or a value is above the capabilities; `details["limit"]` names which.
            Unavailable: with `details["unknown"]`, nobody can tell for now whether it was applied; else it was not.
        """
        ...

    async def close(self) -> None:
        """Wait for what is under way and release the engine; a second call does nothing."""
        ...


# --- what an engine may offer beside the contract
KeyPart = tuple[Literal["key", "value"], int, int | None]
"""A slice of a row's key or value: from a byte up to another, or to the end. A first one below 0 counts from the end,
and the slice goes up to there."""


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Which row another row leads to: the space, and the key as parts of the other row's key and value."""

    space: str
    parts: tuple[KeyPart, ...]

    def key_of(self, key: bytes, value: bytes) -> Key:
        """Return where a row leads."""
        of = {"key": key, "value": value}
        return self.space, b"".join(of[name][first:end] for name, first, end in self.parts)


class JoinRange(NamedTuple):
    """A range of keys, start <= key < end, whose rows are each to be read with the row that they lead to."""

    start: bytes
    end: bytes
    lookup: Lookup

    def meets(self, other: JoinRange) -> bool:
        """Whether the other range begins where this one ends."""
        return self.start <= self.end == other.start <= other.end


JoinedRow = tuple[int, bytes, bytes, bytes | None]
"""The place of its range, key and value of a row, and the value of the row that it leads to, None if there is none."""


class JoinedScan(Protocol):
    """What an engine may offer as its `scan_joined`: several ranges and what their rows lead to, in one go.

    A need of the filesystem has one name and one fallback, which does it by `scan` and `get` (of this one:
    `filesystem/layout/join.py`); the contract suite holds an offer to the answers of the fallback.
    """

    async def __call__(
        self, space: str, ranges: Sequence[JoinRange], limit: int, reverse: bool = False
    ) -> list[JoinedRow]:
        """Return the first `limit` rows of these ranges, one range after the other, each in byte order.

        `reverse` gives each range from its end. Fewer than `limit` rows means there are no more.
        """
        ...


def prefix_end(prefix: bytes) -> bytes | None:
    """Return the first key after all keys with this prefix, None if there is none: the `end` of a scan."""
    stripped = prefix.rstrip(b"\xff")
    return stripped[:-1] + bytes([stripped[-1] + 1]) if stripped else None


def keys_of(space: str, keys: Iterable[bytes]) -> list[Key]:
    """Return these keys, each with the space, as `Store.get` takes them."""
    return [(space, key) for key in keys]
