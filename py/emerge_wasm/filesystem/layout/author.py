"""Who stands for a class: those who stored it from a program of their own that has it. A row for each, which a guest
without a name cannot have.

A reader's program asks for them before it runs the text of a class (`clients/trust.py`). They are in the space of
receipts, beside those of runs, whose keys begin with a uuid.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...codec import decode, encode
from ...context import Context
from ...operations import OWN
from ...results import AuthorMap, AuthorRows
from ...store import Key, Store, keys_of, prefix_end

_AUTHOR = b"author\0"
_MOST = 1000  # authors of one class that are told


async def new_authors(store: Store, context: Context, sent: dict[str, bytes]) -> list[tuple[str, bytes, bytes]]:
    """Return the rows that say that the caller stands for the classes that they sent and say so of. What a method
    sends is none of their programs.
    """
    if not (sent.get(OWN) and (context.principal or context.superuser)) or context.runs or context.owners:
        return []
    own = [hash for hash in dict.fromkeys(sent[OWN].decode("ascii", "replace").split("\n")) if sent.get(hash)]
    rows = [(author_key(hash, context.principal), encode(sorted(context.groups))) for hash in own if hash != OWN]
    known = await store.get(keys_of("receipts", [key for key, _ in rows])) if rows else []
    return [("receipts", *row) for row, before in zip(rows, known, strict=True) if before != row[1]]


async def authors_of(store: Store, hash: str) -> AuthorRows:
    """Return who stands for a class: names and groups, as they were when they last stored it anew."""
    prefix = author_key(hash, "")
    rows = await store.scan("receipts", prefix, prefix_end(prefix), limit=_MOST)
    return [{"principal": key[len(prefix) :].decode(), "groups": decode(groups)} for key, groups in rows]


async def author_rows(store: Store, hashes: Sequence[str]) -> list[tuple[str, bytes, bytes]]:
    """Return the rows of all who stand for these classes, for another filesystem that gets the classes."""
    found: list[tuple[str, bytes, bytes]] = []
    for hash in hashes:
        prefix = author_key(hash, "")
        found += [("receipts", *row) for row in await store.scan("receipts", prefix, prefix_end(prefix), limit=_MOST)]
    return found


def are_all_by(principal: str, authors: AuthorMap) -> bool:
    """Tell whether somebody stands for all of these classes, and so for one that only derives from them."""
    return all(any(row["principal"] == principal for row in rows) for rows in authors.values())


def is_author_key(key: Key) -> bool:
    """Tell whether a row says who stands for a class."""
    return key[0] == "receipts" and key[1].startswith(_AUTHOR)


def author_key(hash: str, principal: str) -> bytes:
    """Return the key of the row that says that somebody stands for a class."""
    return _AUTHOR + hash.encode() + b"\0" + principal.encode()
