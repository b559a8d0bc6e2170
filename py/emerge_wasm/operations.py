"""The operation table: everything that crosses a wire. Declarations only, no behaviour.

`Operations` declares each operation once: its name, arguments, result and documentation. `TABLE` is made from it; the
dispatch of nodes and relays, the clients, the command line and the OpenAPI document are made from the table. `results`
declares the maps that operations return.

Arguments and results are plain data: str, int, float, bool, None, bytes, list, dict with str keys, and the codec's
extension types. A state travels encoded, as bytes (see `codec`), so that whoever only forwards it need not decode it.
"""

from __future__ import annotations

import inspect
from collections import namedtuple
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self, TypeVar

from .context import Context as Context
from .context import Wire as Wire
from .errors import Invalid
from .results import (
    AuthorMap,
    BlockAnswer,
    BlockHolders,
    BlockPlaces,
    CallInfo,
    ChangePage,
    ChangeRow,
    CommitInfo,
    CopyReport,
    EntryPage,
    FileBlock,
    GraphQLAnswer,
    GroupTable,
    HolderMap,
    HoldingList,
    IndexRows,
    MemberEventRow,
    MemberRows,
    MethodRows,
    NodeInfo,
    ObjectPage,
    ObjectRow,
    PageTable,
    PlanInfo,
    PointerRow,
    PointerRows,
    PrincipalInfo,
    PurgeInfo,
    RingInfo,
    RunEvent,
    RunReceipts,
    ScoredPage,
    ScrubReport,
    SearchCount,
    SearchPage,
    SearchPages,
    TransactionInfo,
    VersionDiff,
    VersionRows,
    VolumeRows,
)

Rows = list[Wire]
Values = list[Any]
Names = list[str]
Right = Literal["", "r", "w", "x"]
F = TypeVar("F", bound=Callable[..., object])

PATHS = frozenset({"path", "source", "target", "first", "second"})
"""The names of parameters that are paths."""

Answer = Awaitable[Any] | AsyncIterator[Any]
"""What an operation gives: its one result, to be awaited, or the items of a stream."""

OWN = ""
"""The key, in the bundles that a call sends, of the hashes of those that the caller stands for, a line each."""

Dispatch = Callable[[str, Values, Context], Answer]
"""Run an operation: (name, arguments, who asks). Raises Invalid at once for what is no operation."""

if TYPE_CHECKING:

    class Arguments(tuple[Any, ...]):
        """The arguments of one call: a named tuple with the fields of the operation's signature.

        `args.path` reads one, `args._replace(cursor="")` gives the same call with another one.
        """

        def __getattr__(self, name: str) -> Any: ...
        def _replace(self, **changes: object) -> Self: ...
else:
    Arguments = tuple


KNOWN_CALLS = 64
"""Types of arguments that are known to fit an operation."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One row of the table. `right` is needed on the path (rwx); `streams`: the result is many items."""

    name: str
    group: str
    right: Right
    changes: bool
    streams: bool
    doc: str
    parameters: tuple[inspect.Parameter, ...]
    required: int
    defaults: Values
    kinds: list[tuple[type, ...]]  # plain types that each argument may have; () for any
    make: type[Arguments]
    _left: dict[tuple[type, ...], Values] = field(default_factory=dict, init=False, repr=False, compare=False)

    def bind(self, args: Sequence[Any]) -> Arguments:
        """Name the arguments of a call and fill in the defaults.

        Raises:
            Invalid: their number or their plain types do not fit.
        """
        types = tuple(map(type, args))
        left = self._left.get(types)
        if left is None:
            left = self._check(args)
            if len(self._left) < KNOWN_CALLS:
                self._left[types] = left
        bound: Arguments = tuple.__new__(self.make, (*args, *left))  # its own constructor takes three times as long
        return bound

    def _check(self, args: Sequence[object]) -> Values:
        """Return the defaults of the arguments that a call leaves out; raise Invalid as `bind` does."""
        if not self.required <= len(args) <= len(self.parameters):
            raise Invalid(f"{self.name} got {len(args)} arguments", remedy=f"it is {self.name}{self.usage()}")
        for parameter, kinds, value in zip(self.parameters, self.kinds, args, strict=False):
            if kinds and (type(value) not in kinds):
                raise Invalid(
                    f"{self.name}: {parameter.name} cannot be {type(value).__name__}",
                    remedy=f"it is {self.name}{self.usage()}",
                )
        return self.defaults[len(args) - self.required :]

    def without_defaults(self, args: Sequence[object]) -> list[object]:
        """The arguments less the last ones that are the defaults: a release that does not know them means the same."""
        kept = list(args)
        if len(kept) <= len(self.parameters):
            first, end = self.required, len(kept)
            while end > first and _same(kept[end - 1], self.defaults[end - 1 - first]):
                end -= 1
            del kept[end:]
        return kept

    def usage(self) -> str:
        """The arguments as one reads them: `(path: str, version: int | None = None)`."""
        shown = [
            f"{p.name}: {p.annotation}" + ("" if p.default is p.empty else f" = {p.default!r}") for p in self.parameters
        ]
        return f"({', '.join(shown)})"

    @property
    def recorded(self) -> bool:
        """Whether it can be given a call id, so that it is done once however often it is repeated."""
        return self.changes and not self.streams and self.group != "cluster" and self.name not in _EACH_TIME


_EACH_TIME = frozenset({"begin", "rollback", "graphql"})
"""Operations that are repeated as they are, or make several changes, each by itself."""


def _same(value: object, default: object) -> bool:
    return type(value) is type(default) and value == default


_PLAIN: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (float, int),
    "bool": (bool,),
    "bytes": (bytes,),
    "None": (type(None),),
    "Rows": (list, tuple),
    "Values": (list, tuple),
    "Names": (list, tuple),
    "dict": (dict,),
    "Wire": (dict,),
}


def _kinds(annotation: str) -> tuple[type, ...]:
    """The plain types that an annotation such as `dict[str, bytes] | None` admits."""
    return tuple(kind for part in annotation.split("|") for kind in _PLAIN[part.strip().split("[")[0]])


def operation(group: str, right: Right = "", *, changes: bool = False) -> Callable[[F], F]:
    """Mark a method of `Operations` as a row of the table."""

    def mark(function: F) -> F:
        function.__dict__["row"] = (group, right, changes)
        return function

    return mark


class Operations(Protocol):
    """Every operation. A filesystem implements them; a client calls them from afar.

    Reads take `version` (0: the newest) or `as_of`, a moment in ISO 8601 (UTC unless it says otherwise; "": now): the
    path then leads to what was there at that moment, and a directory holds what it held.
    A path `/registry/<uuid>` leads to the object with that uuid, wherever it is.
    """

    # --- objects
    @operation("objects", "w", changes=True)
    async def store(
        self,
        path: str,
        state: bytes,
        class_name: str = "",
        bundle: str = "",
        version: int = 0,
        type: str = "file",
        perms: str = "",
        bundles: dict[str, bytes] | None = None,
        uuid: str = "",
        node: str = "",
    ) -> PointerRow:
        """Store a state at a path, directories made as needed; its new pointer.

        `bundle` is the hash of its class bundle; `bundles` maps all hashes that the state needs to their bytes, or
        to b"" where the other side has them; and "" to the hashes, with line ends between, of those whose class the
        caller's own program has: the caller is noted as one who stands for these (see `authors`).
        `version` is the version it was read at (0: whatever is there). When there is a newer one, fields changed on
        one side only are merged, as are those with a merge rule; the pointer then has `merged`, the state that was
        stored. Otherwise: a Conflict whose details hold `base`, `theirs` and `mine` (states), `fields` (names) and
        `pointer` (what is there now). NotFound with `details["bundles"]` names bundles that must be sent along.
        `uuid` is that of the object whose `version` was read, and `node` is where. When it is of another filesystem, a
        new object is made, whose first version says `from` where it came; a Conflict, when another object is there.
        """
        ...

    @operation("objects", "w", changes=True)
    async def storeall(self, objects: Values, bundles: dict[str, bytes] | None = None) -> PointerRows:
        """Store many objects in one commit, all or none: lists of `store`'s arguments; their new pointers."""
        ...

    @operation("objects", "r")
    async def get(self, path: str, version: int = 0, as_of: str = "") -> PointerRow:
        """The pointer at a path."""
        ...

    @operation("objects", "r")
    async def getobject(self, path: str, version: int = 0, as_of: str = "") -> ObjectRow:
        """{"pointer", "state"}: the encoded state at a path (a directory's is empty). The class: see `classes`."""
        ...

    @operation("objects", "r")
    async def objects(self, path: str, cursor: str = "", limit: int = 1000, as_of: str = "") -> ObjectPage:
        """{"objects": [{"pointer", "state"}…], "cursor"}: a page of a directory's objects, directories left out.

        A page ends at `limit` entries or some 4 MiB of states; the cursor tells whether there are more.
        """
        ...

    @operation("objects", "r")
    async def cat(self, path: str, version: int = 0, as_of: str = "") -> Any:
        """The decoded state as plain data; `/a/b.field.inner.0` reads into it, and on into the objects that it refers
        to. No code is run."""
        ...

    @operation("objects", "w", changes=True)
    async def update(self, path: str, changes: bytes, version: int = 0) -> PointerRow:
        """Set fields (an encoded map of field to value) of the object; its new pointer. Stale: as in `store`."""
        ...

    @operation("objects", "w", changes=True)
    async def add(self, path: str, field: str, values: bytes, bundles: dict[str, bytes] | None = None) -> PointerRow:
        """Append values (an encoded list) to the list that a field of the object is; its new pointer.

        `field` may lead into the object (`orders.0.lines`). Objects among the values are kept inside this one;
        References lead to objects of their own. `bundles`: as in `store`.
        """
        ...

    @operation("objects", "w", changes=True)
    async def mixin(self, first: str, second: str, class_name: str, name: str, path: str = "/") -> PointerRow:
        """Make a class that derives from the classes of two objects, and store an object of it, with the state of
        both (the first's where both have a field), as `name` in the directory `path`; its pointer."""
        ...

    @operation("objects", "r")
    async def references(self, path: str, back: bool = False, cursor: str = "", limit: int = 1000) -> EntryPage:
        """{"entries": [pointer…], "cursor"}: the objects that this one refers to, or (`back`) that refer to it."""
        ...

    @operation("objects", "w", changes=True)
    async def cp(self, source: str, target: str, recursive: bool = False) -> PointerRow:
        """Copy an object (or, recursive, a tree) to a path or into a directory; the copy's pointer."""
        ...

    @operation("objects", "w", changes=True)
    async def mv(self, source: str, target: str) -> PointerRow:
        """Move an object or a directory to a path or into a directory; uuid and versions stay."""
        ...

    @operation("objects", "w", changes=True)
    async def rm(self, path: str, recursive: bool = False) -> int:
        """Remove an object or a directory (recursive when not empty); how many entries went."""
        ...

    # --- directories
    @operation("directories", "w", changes=True)
    async def mkdir(self, path: str) -> PointerRow:
        """Make a directory and those above it; the pointer (of the existing one, if it is there)."""
        ...

    @operation("directories", "r")
    async def list(self, path: str, cursor: str = "", limit: int = 1000, as_of: str = "") -> EntryPage:
        """{"entries": [pointer…], "cursor"}: one page by name; cursor "" means there is no more.

        What may not be read is left out. `/registry` lists every object and directory by uuid, removed ones too.
        """
        ...

    @operation("directories", "r")
    async def pages(self, path: str, limit: int = 1000, as_of: str = "") -> PageTable:
        """{"count", "cursors"}: how many entries a directory has that the caller may see, and the cursor that `list`
        takes for each page of so many: whoever shows a long list can jump anywhere in it."""
        ...

    @operation("directories", "r")
    def dir(self, path: str, as_of: str = "") -> AsyncIterator[PointerRow]:
        """A stream of every pointer in a directory, by name."""
        ...

    @operation("directories", "r")
    def tree(self, path: str, as_of: str = "") -> AsyncIterator[PointerRow]:
        """A stream of every pointer below a directory, depth first."""
        ...

    # --- code
    @operation("code", "r")
    async def methods(self, path: str, version: int = 0, as_of: str = "") -> MethodRows:
        """[{"name", "signature", "doc", "kind"}…] of the object's class, inherited ones too."""
        ...

    @operation("code", "r")
    async def help(self, path: str, method: str = "", version: int = 0, as_of: str = "") -> str:
        """The documentation of the class, or of one method."""
        ...

    @operation("code", "r")
    async def code(self, path: str, method: str = "", version: int = 0, as_of: str = "", bundle: bool = False) -> str:
        """The source of the class (with what it needs), or of one method. With `bundle`, all that its bundle and those
        it requires hold: modules, import lines, constants with their values, every piece of source."""
        ...

    @operation("code")
    async def classes(self, hashes: Names) -> dict[str, bytes]:
        """The bundles with these hashes; absent ones are left out."""
        ...

    @operation("code")
    async def authors(self, hashes: Names) -> AuthorMap:
        """Who stands for the bundles with these hashes: those who have stored an object of the class from a program of
        their own that has it (see `store`). Whoever reads such an object decides by it whether the class may run there.
        """
        ...

    # --- versions
    @operation("versions", "r")
    async def versions(self, path: str, before: int = 0, limit: int = 100, as_of: str = "") -> VersionRows:
        """The versions of an object, newest first: pointers with `author` and `operation`. `before`: older only.
        As many as `limit` may not be all: ask again, before the last of them.

        With `as_of`, those of what was at the path then, also when it was removed since.
        """
        ...

    @operation("versions", "r")
    async def diff(self, path: str, before: int, after: int = 0) -> VersionDiff:
        """{"before", "after": pointers, "fields": [{"field", "before", "after"}…]}: what differs between two versions,
        as plain data; a field that a version lacks has no such key."""
        ...

    @operation("versions", "w", changes=True)
    async def restore(self, path: str, version: int = 0, as_of: str = "") -> PointerRow:
        """Make an older version (by number or moment) the newest one, as a new version; its pointer.

        Where nothing is any more, what was removed last comes back (or what was there at `as_of`), a directory with
        all that was removed with it.
        """
        ...

    @operation("versions", "w", changes=True)
    async def retain(self, path: str, keep: str | None = None) -> str:
        """Say which versions of the objects in a directory (and below, unless one there says otherwise) are kept:
        "all", so many ("10") or those of so many days ("30 days"); "" goes by the directory above. What is in force;
        without `keep` nothing changes. The newest version always stays."""
        ...

    @operation("versions", changes=True)
    async def purge(self, path: str) -> PurgeInfo:
        """Delete for good what was removed from a path, and below a directory, with all its versions; of what is there,
        nothing. Only what the caller owns: its bytes count no more. A removed directory goes when nothing of others is
        left in it. It cannot be undone.

        {"purged": objects and directories, "bytes": of all their versions}.
        """
        ...

    # --- transactions
    @operation("transactions", changes=True)
    async def begin(self, name: str = "", seconds: int = 60) -> TransactionInfo:
        """Open a transaction: {"transaction", "seconds", "isolation"}. Calls whose context names it see and make its
        changes, nobody else does; it is rolled back when it is left alone for so many seconds."""
        ...

    @operation("transactions", changes=True)
    async def commit(self, transaction: str) -> CommitInfo:
        """Make all changes of a transaction at once: {"position", "changes"}. Conflict, and nothing is changed, when
        something that it read or made has been changed by others meanwhile."""
        ...

    @operation("transactions", changes=True)
    async def rollback(self, transaction: str) -> bool:
        """Drop a transaction and all its changes; whether there was one."""
        ...

    @operation("transactions")
    async def recall(self, path: str, id: str) -> CallInfo:
        """{"known", "operation", "target", "result", "note"} of the call that the caller made with this id, for what is
        at this path; not `known` is one that was not done, or longer ago than calls are remembered."""
        ...

    # --- run
    @operation("run", "x", changes=True)
    async def run(
        self, path: str, method: str, args: Values | None = None, kwargs: Wire | None = None, receipt: bool = False
    ) -> Any:
        """Run a method where the object lives; its result. A changed state becomes a version.

        On a directory, over all objects in it that the caller may run: [{"path", "result"} or {"path", "error"}…].
        With `receipt`, instead of a result: {"result", "output", "milliseconds", "pointer" (None when nothing changed),
        "receipt"}, the last as `receipts` tells it.
        """
        ...

    @operation("run", "x", changes=True)
    def runstream(
        self, path: str, method: str, args: Values | None = None, kwargs: Wire | None = None
    ) -> AsyncIterator[RunEvent]:
        """The same as a stream of what happens: {"event": "output", "path", "text"} while it prints, {"event":
        "result", "path", and what `run` gives with `receipt`} or {"event": "error", "path", "error"} of each object,
        {"event": "progress", "done", "failed", "total"} on a directory. Closing the stream ends the run."""
        ...

    @operation("run", "x", changes=True)
    def readobject(self, path: str) -> AsyncIterator[bytes]:
        """What an object's method `read` gives, in parts of at most 64 KiB, as they are made: bytes, text, or an
        iterable or generator of those. Closing the stream ends the run."""
        ...

    @operation("run", "r")
    async def receipts(self, path: str, before: str = "", limit: int = 100) -> RunReceipts:
        """The last runs of an object's methods, newest first (`before`: a receipt's id): {"id", "date", "node",
        "principal", "method", "version" (that it ran on), "bundle", "arguments", "result" (SHA-256 of their encoded
        bytes), "milliseconds", "made" (the version that it made, 0: none)}; with "acted_as" where a superuser's run
        had the rights of the object's owner, and "owners" where these had to be allowed what it did, too."""
        ...

    @operation("run", "x", changes=True)
    async def query(self, path: str) -> Any:
        """Run a query object: its method `query(self, fs)`. The results are kept in its field `results`, to be read
        later without running it again, and returned."""
        ...

    # --- search
    @operation("search", "r")
    async def search(
        self,
        path: str,
        predicate: Wire | None = None,
        order_by: str = "",
        descending: bool = False,
        limit: int = 1000,
        cursor: str = "",
        as_of: str = "",
        bundles: dict[str, bytes] | None = None,
    ) -> SearchPage:
        """{"objects": [{"pointer", "state"}…], "cursor", "scanned", "errors"}: a page of the objects at or below a path
        for which a predicate is true (None: all), in the order of a field, or in the plan's own order.

        A predicate is {"text", "values", "bundle"}: a lambda of one argument, the encoded map of what it captured, and
        the hash of a bundle with what else it uses ("": nothing), sent along in `bundles` as in `store`. An object on
        which it raises is not found: "errors" is {"count", "first": [{"path", "error"}…]}.
        """
        ...

    @operation("search", "r")
    async def count(
        self, path: str, predicate: Wire | None = None, as_of: str = "", bundles: dict[str, bytes] | None = None
    ) -> SearchCount:
        """{"count", "scanned", "errors"} of a search."""
        ...

    @operation("search", "r")
    async def searchpages(
        self,
        path: str,
        predicate: Wire | None = None,
        order_by: str = "",
        descending: bool = False,
        limit: int = 1000,
        as_of: str = "",
        bundles: dict[str, bytes] | None = None,
    ) -> SearchPages:
        """{"count", "cursors", "scanned", "errors"} of a search: its count, and the cursor of each page of so many
        objects. There are no cursors where several nodes have a part: such a search is read page after page."""
        ...

    @operation("search", "r")
    async def searchtext(self, path: str, field: str, words: str, limit: int = 100, cursor: str = "") -> ScoredPage:
        """{"objects": [{"pointer", "state", "score"}…], "cursor"}: objects at or below a path whose field has all of
        the words (`wor*`: all that begin so), the best first."""
        ...

    @operation("search", "r")
    async def aggregate(
        self,
        path: str,
        values: Wire,
        by: Names | None = None,
        predicate: Wire | None = None,
        as_of: str = "",
        bundles: dict[str, bytes] | None = None,
    ) -> GroupTable:
        """{"groups": [{**by, **values}…], "scanned", "errors"}: figures over the objects at or below a path, by group.

        `values` maps names to [function, field, …]: ["count"], ["sum", field], "mean", "min", "max", "std",
        "median", "distinct" or ["percentile", field, 95]. Groups come in the order of their keys.
        """
        ...

    @operation("search", "r")
    async def explain(
        self,
        path: str,
        predicate: Wire | None = None,
        order_by: str = "",
        as_of: str = "",
        bundles: dict[str, bytes] | None = None,
    ) -> PlanInfo:
        """{"plan": a tree of {"step", "text", …, "inputs"}, "text": the same to read, "scans": about how many objects,
        "of": how many there are, "code": whether shipped code runs, "suggestion": an index that would help, or ""}."""
        ...

    @operation("search", "w", changes=True)
    async def index(
        self, path: str, fields: Names | None = None, unique: bool = False, text: bool = False, drop: bool = False
    ) -> IndexRows:
        """Keep an index over fields of the objects at or below a directory (or `drop` it); without fields nothing
        changes. The indexes there: [{"path", "fields", "unique", "text", "state" ("building" | "ready" | "failed"),
        "done", "total", "error"}…], and those that would have helped searches, with the state "suggested"."""
        ...

    @operation("search", "r", changes=True)
    async def graphql(self, path: str, query: str, variables: Wire | None = None, name: str = "") -> GraphQLAnswer:
        """{"data", "errors", "extensions"}: the answer to a GraphQL document over the objects at or below a path.
        `name`: which of its operations."""
        ...

    @operation("search", "r")
    def subscribe(
        self, path: str, query: str, variables: Wire | None = None, name: str = ""
    ) -> AsyncIterator[GraphQLAnswer]:
        """A stream of the answers to a GraphQL subscription."""
        ...

    # --- access
    @operation("access", changes=True)
    async def chmod(self, path: str, perms: str, recursive: bool = False) -> PointerRow:
        """Set who may do what: "rwxr-x---", "750" or changes such as "g+w,o-r"; the new pointer. Its owner may."""
        ...

    @operation("access", changes=True)
    async def chown(self, path: str, owner: str, group: str | None = None, recursive: bool = False) -> PointerRow:
        """Set the owner (a superuser may) and the group (the owner may, to a group of theirs); the new pointer.

        `owner` "" leaves the owner, `group` None the group.
        """
        ...

    @operation("access")
    async def whoami(self) -> PrincipalInfo:
        """{"principal", "groups", "superuser", "umask", "via"} of who asks."""
        ...

    # --- files
    @operation("files", "w", changes=True)
    async def haveblocks(self, path: str, names: Names, upload: str = "") -> Names:
        """Those of these blocks, by name (SHA-256 in hexadecimal), that need not be sent for a file at a path: the
        caller sent them in this upload within the hour, or they are in the file that is there. `upload` is a name of
        the caller's. They are kept for an hour from now; in an upload whose name begins with "live-" for 75 seconds,
        unless it is said to go on: without names, all of its blocks are kept from now on."""
        ...

    @operation("files", "w", changes=True)
    async def placeblocks(
        self, path: str, names: Names, upload: str = "", layout: str = "raid0", avoid: Names | None = None
    ) -> BlockPlaces:
        """{"layout", "places": {name: [node…]}, "nodes": {node: {"filesystem", "rpc", "host"}}}: which nodes blocks for
        a file at a path are to be sent to, those that are there already left out (see `haveblocks`). Of the fragments
        of a block all are named, one after another. `layout` is as "raid5 4+1", or "raid5": the answer says the
        numbers for so many nodes as there are. `avoid`: nodes that did not take theirs."""
        ...

    @operation("files", "w", changes=True)
    async def putblocks(
        self, path: str, blocks: dict[str, bytes], upload: str = "", maps: bool = False, holder: str = ""
    ) -> int:
        """Keep blocks, by name, for a file that the caller is about to make at a path, for an hour; how many.
        `maps`: they are nodes of its block map, and all that they name was sent before. `holder`: the node that is to
        keep them, which `placeblocks` has said; any node passes them on. "": who owns the path."""
        ...

    @operation("files", "w", changes=True)
    async def dropblocks(self, path: str, upload: str = "") -> None:
        """Let go of what the caller sent in an upload for a file at a path, which is not to be made: what nothing else
        keeps goes soon, here and where it is held."""
        ...

    @operation("files", "w", changes=True)
    async def putfile(self, path: str, root: str, upload: str = "", version: int = 0, perms: str = "") -> PointerRow:
        """Make the file whose block map has this root, and whose blocks were sent in this upload; its new pointer.
        `version` as in `store`."""
        ...

    @operation("files", "r")
    async def getblocks(
        self, path: str, names: Names, version: int = 0, as_of: str = "", holder: str = ""
    ) -> BlockAnswer:
        """{"blocks": {name: bytes}, "lost": {name: why}}: blocks of a file, up to some 4 MiB; the rest of the names is
        to be asked for again. `holder`: only what that node has; any node passes the question on. "": who owns the
        path, which gets from others what it has not."""
        ...

    @operation("files", "r")
    async def findblocks(
        self, path: str, names: Names, version: int = 0, as_of: str = "", ask: bool = False
    ) -> BlockHolders:
        """{"holders": {name: [node…]}, "nodes": {node: {"filesystem", "rpc", "host"}}, "silent": [node…]}: who has
        these blocks of a file, as its owner remembers; with `ask`, as all nodes say that answer."""
        ...

    @operation("files", "r")
    def blocks(self, path: str, verify: bool = False, version: int = 0, as_of: str = "") -> AsyncIterator[FileBlock]:
        """A stream of the blocks of a file, {"name", "offset", "size", "fragments", "state" ("here" | "repairable" |
        "lost"), "amiss": {name: "lost" | "damaged" | "away"}, "holders": {name: [node…]}}; with `verify`, each is read
        by who has it, and its hash compared."""
        ...

    @operation("files", "r", changes=True)
    def repair(self, path: str, version: int = 0) -> AsyncIterator[FileBlock]:
        """A stream of the blocks of a file, or of the large values of an object, as `blocks` gives them. Each is read,
        and what is lost or damaged is made again, of "parity" or a "copy": its state is "repaired" then, and `made`
        says what. A "lost" one cannot be had."""
        ...

    @operation("files", "r", changes=True)
    async def scrub(self, path: str = "/", start: bool = False) -> ScrubReport:
        """{"rate", "days", "now", "last"}: how the blocks of the filesystem that owns a path are read and compared with
        their hashes in the background, and what the last pass found: {"begun", "ended", "blocks", "size", "mended",
        "unread", "losses", "lost"}. With `start`, another pass begins, after the one that goes on."""
        ...

    # --- archives
    @operation("archives", "r")
    def export(self, path: str, versions: bool = True) -> AsyncIterator[Wire]:
        """A stream of all that `load` needs to make a tree again: see `filesystem/archives/archive_record.py`."""
        ...

    @operation("archives", "w", changes=True)
    async def load(self, path: str, records: Values, bundles: dict[str, bytes] | None = None, upload: str = "") -> int:
        """Make objects again, in one commit, below a directory, from records of `export`; how many. The blocks of files
        among them were sent before, each for its path, in this upload."""
        ...

    # --- changes
    @operation("changes", "r")
    async def changes(self, since: int = -1, limit: int = 1000) -> ChangePage:
        """{"changes": [{"position", "operation", "pointer", "path", "from"}…], "position"}: what was logged after
        `since`; -1 gives none, only the newest position. All changes of one commit have one position."""
        ...

    @operation("changes", "r")
    def watch(self, path: str = "/", since: int = -1) -> AsyncIterator[ChangeRow]:
        """A stream of the changes at or below a path: from now on those of all nodes, or from a log position on those
        of the node that is asked."""
        ...

    # --- cluster
    @operation("cluster")
    async def hello(self) -> NodeInfo:
        """{"node", "uuid", "version", "store", "shared", "durability", "isolation", "largest_batch", "position",
        "runs", "principal", "scrubbed", "lost"} of who answers. `shared`: whether other nodes may serve the same store.
        `runs`: how shipped code runs there: "sandbox", "unsafe", "browser" or "" (not at all). `scrubbed`: when all its
        blocks were read last; `lost` how many of them could not be made again."""
        ...

    @operation("cluster")
    async def nodes(self) -> MemberRows:
        """[{"node", "uuid", "rpc", "self", "state", "volumes", "since", "version", "python", "away"}…]: the nodes of
        the cluster, those that are away too, and what it could not join."""
        ...

    @operation("cluster")
    def watchnodes(self) -> AsyncIterator[MemberEventRow]:
        """A stream of what happens to the nodes of the cluster, {"event", "date", …} and what `nodes` says of each:
        first all that are known, then who joined, left, is gone, unreachable, reached again, or changed."""
        ...

    @operation("cluster")
    async def holdings(self) -> HoldingList:
        """{"nodes": [{"node", "filesystem", "volumes", "position"}…]}: what each node holds, as it says itself."""
        ...

    @operation("cluster")
    async def volumes(self) -> VolumeRows:
        """[{"path", "node", "filesystem", "epoch", "away"}…]: which node owns which subtree; none without a cluster."""
        ...

    @operation("cluster", changes=True)
    async def foundcluster(self) -> VolumeRows:
        """Found a cluster, in which the asked node owns everything; its volumes. A superuser may."""
        ...

    @operation("cluster", changes=True)
    async def mount(self, path: str, node: str = "") -> VolumeRows:
        """Make a volume, with what is there, that a node (its name; "": the asked one) owns then; all volumes.
        A superuser may. Conflict: the node has something there, too."""
        ...

    @operation("cluster", changes=True)
    async def unmount(self, path: str) -> VolumeRows:
        """Give a volume back, with what is there, to the owner of what is above it; the cluster's volumes. A superuser
        may."""
        ...

    @operation("cluster", changes=True)
    async def replicate(
        self, path: str, copies: int | None = None, sync: bool | None = None, without: str = ""
    ) -> CopyReport:
        """Keep so many copies of a volume on other nodes, those on other machines first (a superuser may; None: leave
        them as they are): {"path", "wanted", "sync", "owner", "copies", "notes"}, as each node says itself what it has.
        With `sync`, changes are acknowledged only when a copy has them, and refused while none is here. `without`: the
        copy of this node is given up, though it may be away for good, and another node has one in its place."""
        ...

    @operation("cluster", changes=True)
    async def promote(self, path: str, node: str = "") -> VolumeRows:
        """Make a copy the owner of a volume whose owner is lost: that on a node ("": whichever has most); the cluster's
        volumes. A superuser may. What the former owner had alone is kept by it, as conflicts."""
        ...

    @operation("cluster")
    async def ring(self) -> RingInfo:
        """{"version", "keys", "missing"}: whose keys the cluster knows, as the asked node does. A superuser may ask."""
        ...

    @operation("cluster", changes=True)
    async def addkey(
        self,
        name: str,
        key: str,
        member: bool = False,
        groups: Names | None = None,
        superuser: bool = False,
        another: bool = False,
    ) -> RingInfo:
        """Let a public key in at all nodes of the cluster: that of a `member` (a node or relay), else a client's, with
        groups. With `another`, the name keeps the key that it has. A superuser may."""
        ...

    @operation("cluster", changes=True)
    async def revokekey(self, which: str) -> RingInfo:
        """Let a key, or all keys of a name, in no longer, for good, at all nodes of the cluster. A superuser may."""
        ...

    @operation("cluster")
    async def whohas(self, paths: Names, uuids: Names | None = None) -> HolderMap:
        """{"paths": {path: node}, "uuids": {uuid: node}}: which nodes hold these; unknown ones are left out."""
        ...


def make_table(declared: type) -> dict[str, Operation]:
    """Make the rows of a class that declares operations: its marked methods, by name."""
    return {name: _row(name, function) for name, function in vars(declared).items() if hasattr(function, "row")}


def _row(name: str, function: Callable[..., object]) -> Operation:
    group, right, changes = function.__dict__["row"]
    parameters = tuple(inspect.signature(function).parameters.values())[1:]
    defaults = [p.default for p in parameters if p.default is not p.empty]
    return Operation(
        name,
        group,
        right,
        changes,
        streams=not inspect.iscoroutinefunction(function),
        doc=inspect.getdoc(function) or "",
        parameters=parameters,
        required=len(parameters) - len(defaults),
        defaults=defaults,
        kinds=[_kinds(p.annotation) for p in parameters],
        make=namedtuple(f"{name.capitalize()}Arguments", [p.name for p in parameters]),  # type: ignore[arg-type]
    )


TABLE: dict[str, Operation] = make_table(Operations)

ROWS = frozenset({"get", "getobject", "list", "objects", "search", "searchtext", "versions"})
"""Operations of which much is asked, and whose results are plain maps and lists: they hold no values of objects."""


def find_operation(name: Any) -> Operation:
    """The row of that name; Invalid for an unknown one."""
    row = TABLE.get(name) if isinstance(name, str) else None
    if row is None:
        raise Invalid(f"there is no operation {str(name)[:80]!r}", remedy="one of: " + ", ".join(TABLE))
    return row


class Transport(Protocol):
    """How a client reaches a filesystem: these three methods are all a new transport needs."""

    async def call(self, name: str, args: list[Any], context: Wire | None = None) -> Any:
        """Run an operation that answers once. Raises the EmergeError it failed with; Unavailable when unreachable.

        `context` is what `Context.narrowed` takes.
        """
        ...

    def stream(self, name: str, args: list[Any], context: Wire | None = None) -> AsyncIterator[Any]:
        """Run an operation that streams; closing the iterator ends it on the other side."""
        ...

    async def close(self) -> None: ...
