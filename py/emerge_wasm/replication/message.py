"""What a follower asks and a leader answers. Plain data, as it goes over a wire."""

from __future__ import annotations

from typing import NotRequired, TypedDict

PAGE_RECORDS = 500
"""Versions after which a page ends at the latest, with a whole commit."""

PAGE_BYTES = 4 << 20
"""Bytes of states at which a page ends."""


class PageRequest(TypedDict):
    """What is after a position of the log, at or below a path? `after` continues where `LogPage.after` said so.

    `limit` is the number of versions after which the page is to end, with a whole commit. `leader` is the filesystem in
    whose log the position is: a follower has all up to there. When another one is asked, it may be far from right.
    `newest` is where that log ended when last heard.
    """

    path: str
    position: int
    after: bytes
    limit: int
    leader: NotRequired[str]
    newest: NotRequired[int]


class LogPage(TypedDict):
    """The versions of some whole commits, in their order, and what a reader of them needs to know.

    `filesystem` is the leader's uuid, `position` where the page ends in its log, `newest` where that ends; `above` are
    the directories on the way to the path as they are now; `large` the version keys of states and `bundles` the hashes
    that are to be fetched apart; `indexes` all definitions in force there: (directory, fields, unique, text).

    When a tree was moved to below the path from elsewhere, or away from there, pages with what is in it, or was, come
    first: `position` stays, and `after` is to be sent back.

    `undecided`: another filesystem may have something already that is still here, so this is not all that there is.
    """

    filesystem: str
    position: int
    newest: int
    after: bytes
    records: list[bytes]
    above: list[bytes]
    large: list[bytes]
    bundles: list[str]
    indexes: list[tuple[bytes, list[str], bool, bool]]
    undecided: NotRequired[bool]


class PartRequest(TypedDict):
    """These states, bundles and blocks, please."""

    states: list[bytes]
    bundles: list[str]
    blocks: NotRequired[list[bytes]]


class PartAnswer(TypedDict):
    """The first of them, at least one; None where there is no such thing any more. `authors`: the rows of who stands
    for the bundles among them."""

    states: dict[bytes, bytes | None]
    bundles: dict[str, bytes | None]
    blocks: NotRequired[dict[bytes, bytes | None]]
    authors: NotRequired[list[tuple[bytes, bytes]]]
