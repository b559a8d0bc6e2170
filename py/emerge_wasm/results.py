"""The maps that operations answer, one type each: what `operations.Operations` names as results.

Declarations only. Keys are those on the wire; all values are plain data (see `operations`).
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class PointerRow(TypedDict):
    """A pointer as it travels: the fields of `objects.Pointer`. Those of `/registry` are VersionRows."""

    uuid: str
    name: str
    path: str
    type: str
    class_name: str
    bundle: str
    perms: str
    owner: str
    group: str
    size: int
    version: int
    revision: str
    date: str
    node: str
    removed: NotRequired[bool]
    missing: NotRequired[str]  # of a volume's top in a listing: the node that has it and is away
    stale: NotRequired[str]  # from a copy, since the owner is away: it may have changed since this moment
    merged: NotRequired[bytes]  # of `store` and `update`: the state that was stored, where it is not what was sent


_Origin = TypedDict("_Origin", {"from": str})


class VersionRow(PointerRow, _Origin):
    """One version of an object: who made it, by which operation.

    `from`: the path that it was moved or copied from, or ""; of what was read from another filesystem,
    `node:uuid@version`.
    """

    author: str
    operation: str
    cause: NotRequired[str]  # what made its author change it, as the call said: a cell of a notebook


class ObjectRow(TypedDict):
    """A pointer and the encoded state that it points to."""

    pointer: PointerRow
    state: bytes
    stale: NotRequired[str]


class CodeInfo(TypedDict):
    """Which code an instance has: its class's module and name, the hash of its bundle ("": a class of Emerge's), and
    whether the class is the reader's own or was made from the stored bundle."""

    module: str
    class_name: str
    bundle: str
    whose: Literal["mine", "stored"]


class AuthorRow(TypedDict):
    """Somebody who stands for a class, and the groups they were in when they stored it."""

    principal: str
    groups: list[str]


AuthorRows = list[AuthorRow]
AuthorMap = dict[str, AuthorRows]
"""Authors of bundles, by hash."""


class EntryPage(TypedDict):
    """One page of a directory, by name. `cursor` continues it; "" means there is no more.

    `missing`, here and in other answers, names the nodes that are away and whose volumes are left out; `stale` says
    since when it may have changed, where it comes from a copy."""

    entries: list[PointerRow]
    cursor: str
    missing: NotRequired[list[str]]
    stale: NotRequired[str]


class PageTable(TypedDict):
    """The pages of a directory: how many entries there are, and the cursor of each page ("" of the first)."""

    count: int
    cursors: list[str]


class ObjectPage(TypedDict):
    """One page of a directory's objects with their states."""

    objects: list[ObjectRow]
    cursor: str
    missing: NotRequired[list[str]]


class BlockAnswer(TypedDict):
    """Blocks by their names, in hexadecimal, and why others cannot be had."""

    blocks: dict[str, bytes]
    lost: dict[str, str]


BlockState = Literal["here", "repairable", "repaired", "lost"]
"""Of a block of a file: "repairable" from what is left of its fragments."""


BlockFault = Literal["lost", "damaged", "away"]
"""Of what is kept of a block: "away" is whoever has it, if it has."""


class FileBlock(TypedDict):
    """One block of a file. `amiss` says which of what is kept of it, by name, is lost or damaged, or whose holder is
    away; `holders` which nodes keep it, or are to; `made` what a repair made again, of "parity" or of a "copy"."""

    name: str
    offset: int
    size: int
    fragments: list[str]
    state: BlockState
    amiss: dict[str, BlockFault]
    holders: NotRequired[dict[str, list[str]]]
    made: NotRequired[dict[str, str]]


class TreeReport(TypedDict):
    """What was put or fetched of a tree of files; `skipped` are the paths of objects that have no bytes."""

    path: str
    files: int
    bytes: int
    skipped: list[str]


class BlockNode(TypedDict):
    """A node that holds blocks: its filesystem, where it is called, and the machine that it is on ("": not known)."""

    filesystem: str
    rpc: str
    host: str


class BlockPlaces(TypedDict):
    """Where blocks that are about to be sent go, by the names of nodes; those that need not be sent are left out."""

    layout: str
    places: dict[str, list[str]]
    nodes: dict[str, BlockNode]


class BlockHolders(TypedDict):
    """The nodes that have blocks, as far as is known; `silent` are those that were asked and did not answer."""

    holders: dict[str, list[str]]
    nodes: dict[str, BlockNode]
    silent: list[str]


class FileCheck(TypedDict):
    """How a file is, after all its blocks were read: `readable` whether all its bytes can be had."""

    path: str
    size: int
    layout: str
    root: str
    blocks: int
    readable: bool
    amiss: list[FileBlock]  # those of which something is lost or damaged


class RepairedFile(TypedDict):
    """What a repair did in one file: `repaired` blocks, and those that are `lost`."""

    path: str
    blocks: int
    repaired: list[FileBlock]
    lost: list[FileBlock]


class RepairReport(TypedDict):
    """What a repair did: `files` are those of which something was amiss; `checked` how many objects it read, with so
    many `blocks`; `readable`: nothing is lost."""

    path: str
    checked: int
    blocks: int
    readable: bool
    files: list[RepairedFile]


class ScrubInfo(TypedDict):
    """One pass over all blocks of a store: how many it has read and what was amiss, `mended` blocks or `losses`, of
    which `lost` are the names, 100 at most; `given_up` copies were beyond a level. `unread` could not be read then.
    `ended` is "" while it goes on."""

    begun: str
    ended: str
    blocks: int
    size: int
    mended: int
    unread: int
    losses: int
    given_up: int
    lost: list[str]


class ScrubReport(TypedDict):
    """What is scrubbed in the background: `rate` bytes a second at most, a pass in so many `days` (0: none by itself),
    the one that goes on `now`, and the `last` that ended. `given_up`: copies beyond the raid levels that holders gave
    up since the node serves the store, also between passes."""

    rate: int
    days: float
    now: ScrubInfo | None
    last: ScrubInfo | None
    given_up: int


class MethodRow(TypedDict("_MethodClass", {"class": str})):
    """One method of an object; `class` is the one that defines it."""

    name: str
    signature: str
    doc: str
    kind: Literal["method", "property", "classmethod", "staticmethod"]


class FieldDifference(TypedDict):
    """A field that differs between two versions; a version without the field has no such key."""

    field: str
    before: NotRequired[object]
    after: NotRequired[object]


class VersionDiff(TypedDict):
    """What differs between two versions of an object."""

    before: PointerRow
    after: PointerRow
    fields: list[FieldDifference]


class PurgeInfo(TypedDict):
    """What was deleted for good: how many objects and directories, and the bytes of the states that they had."""

    purged: int
    bytes: int


class TransactionInfo(TypedDict):
    """An open transaction. `seconds`: how long it may be left alone."""

    transaction: str
    seconds: int
    isolation: str


class CommitInfo(TypedDict):
    """A transaction that was committed: its position in the log, the number of its changes."""

    position: int
    changes: int


class CallInfo(TypedDict):
    """What is recorded of a call with an id; `target` is its paths and its method, `note` what the caller gave."""

    known: bool
    operation: str
    target: str
    result: object
    note: bytes


class RunReceipt(TypedDict):
    """A record of one run. `arguments` and `result` are SHA-256 digests of their encoded bytes; `made` is the version
    that the run made, 0 for none. `acted_as`: whose rights it had, where a superuser's run had only its owner's.
    `owners`: who else had to be allowed what it did, where it had not all of its caller's rights."""

    id: str
    date: str
    node: str
    principal: str
    method: str
    version: int
    bundle: str
    arguments: str
    result: str
    milliseconds: float
    made: int
    acted_as: NotRequired[str]
    owners: NotRequired[list[str]]


class RunResult(TypedDict):
    """What a run returned, printed and made. `pointer` is None when it changed nothing."""

    result: Any  # whatever the method returned
    output: str
    milliseconds: float
    pointer: PointerRow | None
    receipt: RunReceipt


class RunRow(TypedDict):
    """The outcome of one object in the run of a directory: `result` or `error`."""

    path: str
    result: NotRequired[Any]  # whatever the method returned
    error: NotRequired[ErrorRow]


class RunEvent(TypedDict):
    """One event of a run: what it printed, its result or error, or how far a directory's run is."""

    event: Literal["output", "result", "error", "progress"]
    path: NotRequired[str]
    text: NotRequired[str]
    result: NotRequired[Any]  # whatever the method returned
    output: NotRequired[str]
    milliseconds: NotRequired[float]
    pointer: NotRequired[PointerRow | None]
    receipt: NotRequired[RunReceipt]
    error: NotRequired[ErrorRow]
    done: NotRequired[int]
    failed: NotRequired[int]
    total: NotRequired[int]


class ErrorRow(TypedDict):
    """An error as it travels: see `errors.EmergeError`."""

    code: str
    message: str
    path: str | None
    remedy: str | None
    details: dict[str, Any]  # plain data, named by who raises


class SearchError(TypedDict):
    """An object on which a predicate raised, and what it raised."""

    path: str
    error: str


class SearchErrors(TypedDict):
    """How many objects a predicate raised on, and the first of them."""

    count: int
    first: list[SearchError]


class Searched(TypedDict):
    """What every search tells: how many objects it looked at, and on which its predicate raised.

    `moved` has the paths to which something was moved from another volume meanwhile: it may be found twice, or not at
    all."""

    scanned: int
    errors: SearchErrors
    missing: NotRequired[list[str]]
    moved: NotRequired[list[str]]
    stale: NotRequired[str]


class SearchPage(Searched):
    """One page of the objects that a search found."""

    objects: list[ObjectRow]
    cursor: str


class SearchCount(Searched):
    """How many objects a search found."""

    count: int


class SearchPages(SearchCount):
    """The pages of a search: how many objects it found, and the cursor of each page; no cursors: ask one by one."""

    cursors: list[str]


class ScoredRow(ObjectRow):
    """An object that a text search found, with its score."""

    score: float


class ScoredPage(TypedDict):
    """One page of a text search, the best first."""

    objects: list[ScoredRow]
    cursor: str
    missing: NotRequired[list[str]]
    moved: NotRequired[list[str]]
    stale: NotRequired[str]


class GroupTable(Searched):
    """Aggregated values: a map of the group's keys and its figures for each group."""

    groups: list[dict[str, Any]]  # keys and values are the caller's


class PlanStep(TypedDict):
    """One step of a search's plan, made from the steps in `inputs`."""

    step: str
    text: str
    inputs: list[PlanStep]
    scans: NotRequired[int]
    fields: NotRequired[list[str]]  # of the index that the step reads
    directory: NotRequired[str]  # the uuid of the directory that the index is at


class PlanInfo(TypedDict):
    """How a search would be answered. `scans` of `of` objects would be looked at; `code`: whether shipped code runs;
    `suggestion`: an index that would help, or ""."""

    plan: PlanStep
    text: str
    scans: int
    of: int
    code: bool
    suggestion: str


class IndexRow(TypedDict):
    """An index at a directory, or one that would have helped (`suggested`)."""

    path: str
    fields: list[str]
    unique: bool
    text: bool
    state: Literal["building", "ready", "failed", "suggested"]
    done: int
    total: int
    error: str


class GraphQLAnswer(TypedDict):
    """The answer to a GraphQL document."""

    data: dict[str, Any] | None  # shaped by the document
    errors: NotRequired[list[dict[str, Any]]]  # as the GraphQL specification has them
    extensions: NotRequired[dict[str, Any]]


class PrincipalInfo(TypedDict):
    """Who asks, and by which transport (`via`). `owners`: who must be allowed what is asked, too, in a run."""

    principal: str
    groups: list[str]
    superuser: bool
    umask: int
    via: str
    owners: NotRequired[list[str]]


class ChangeRow(TypedDict("_ChangeFrom", {"from": str})):
    """One change of the log. `from` is the path that something was moved or copied from, or ""."""

    position: int
    operation: str
    path: str
    pointer: VersionRow
    node: NotRequired[str]  # from which node, where a cluster is watched


class ChangePage(TypedDict):
    """Changes after a position of the log, and the position that they reach."""

    changes: list[ChangeRow]
    position: int


class ScrubSummary(TypedDict):
    """What `hello` says of scrubs."""

    scrubbed: str
    lost: int


class NodeInfo(ScrubSummary):
    """Who answers, over which kind of store; `shared`: whether other nodes may serve it too, each of which then sees at
    its next read what any has acknowledged. `runs` says how shipped code runs there: "sandbox", "unsafe", "browser"
    or "" (not at all); `python` runs the node, `pythons` its code, each for what the ones before it cannot parse;
    `packages` are those that it may import there beside the standard library of this Python, by
    module, with their versions ("": unknown). `open`: whether every program of its machine may do everything there.
    `scrubbed` is when all its
    blocks were last read ("": never), `lost` how many were amiss then and could not be made again."""

    node: str
    uuid: str
    version: str
    store: str
    shared: bool
    durability: str
    isolation: str
    largest_batch: int
    position: int
    runs: str
    python: str
    pythons: list[str]
    packages: dict[str, str]
    principal: str
    open: bool


MemberState = Literal["here", "unreachable", "away", "unjoined"]
"""Of a node: "unreachable" from the one that answers, and reached by others; "unjoined" is an endpoint that this one is
to join, where none answers."""


class MemberRow(TypedDict):
    """A node of the cluster; `self`: whether it is the one that answers. `away` marks one that is away or unjoined,
    whose `uuid` is "". `volumes` are the paths of those that it serves. `since` is when it started, or was noticed to
    be away; `version` is Emerge's, `python` Python's. What is not known is "". `error` says why one could not be
    joined."""

    node: str
    uuid: str
    filesystem: str
    rpc: str
    self: bool
    state: MemberState
    volumes: list[str]
    since: str
    version: str
    python: str
    away: NotRequired[bool]
    error: NotRequired[str]


class MemberEventRow(MemberRow):
    """What happened to a node, and when. `event` is joined, left (it said so), gone (it fell silent), unreachable,
    reached (again) or changed (its volumes); first comes one for each node, with its state for an event."""

    event: str
    date: str


class HoldingRow(TypedDict):
    """What a node holds: volumes, and the position of its filesystem's log."""

    node: str
    filesystem: str
    volumes: list[str]
    position: int


class HoldingList(TypedDict):
    """What the nodes that are here hold; `missing` gave no answer, or are away."""

    nodes: list[HoldingRow]
    missing: NotRequired[list[str]]


class VolumeRow(TypedDict):
    """A subtree, the node and the uuid of the filesystem that own it, and since which version of the mount table."""

    path: str
    node: str
    filesystem: str
    epoch: int
    away: bool
    unreachable: NotRequired[bool]  # from the node that answers: others reach it
    copies: NotRequired[list[str]]  # the nodes that have one; `replicate` says how good it is
    conflicts: NotRequired[list[str]]  # where nodes that owned it once keep what nobody else got


class CopyRow(TypedDict):
    """What a node has of a volume, as it says itself.

    `position` is how far it is in its owner's log, `behind` how many commits that is behind, `as_of` a moment at which
    it was behind by none. Of a copy that is away the owner tells how far it was when it was heard last, at `as_of`, if
    that was since the owner started. `digest` is of all paths, uuids, versions and rights, `same` whether it is the
    owner's.
    """

    node: str
    filesystem: str
    host: str
    away: bool
    lost: bool  # its store is gone
    position: int
    behind: int
    as_of: str
    objects: int
    digest: str
    same: bool


class CopyReport(TypedDict):
    """The owner and the copies of a volume, how many it is to have, and what is amiss, in words.

    `sync`: its changes are acknowledged only when a copy has them.
    """

    path: str
    wanted: int
    sync: bool
    owner: CopyRow
    copies: list[CopyRow]
    notes: list[str]


class KeyRow(TypedDict):
    """A key of the ring: whose, as what it is let in ("member", "client"; "revoked"), its rights, and since when."""

    name: str
    role: str
    key: str
    groups: list[str]
    superuser: bool
    since: str


class RingInfo(TypedDict):
    """The keys that a cluster knows; the version counts changes. `missing` names members that do not have it yet."""

    version: int
    keys: list[KeyRow]
    missing: list[str]


class HolderMap(TypedDict):
    """Which node holds a path or a uuid; unknown ones are left out."""

    paths: dict[str, str]
    uuids: dict[str, str]
    missing: NotRequired[list[str]]
    stale: NotRequired[str]


PointerRows = list[PointerRow]
MethodRows = list[MethodRow]
VersionRows = list[VersionRow]
RunReceipts = list[RunReceipt]
IndexRows = list[IndexRow]
MemberRows = list[MemberRow]
VolumeRows = list[VolumeRow]
