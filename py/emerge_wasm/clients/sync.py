"""SyncClient: `Client` without `await`, on CPython and in a console cell alike.

Written by `python -m buildtools.sync_client` from `Client`: change that, then run it.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any

from ..blocks.chunker import Chunking
from ..codec import Reference
from ..objects import EmergeObject, Pointer
from ..operations import Names, Rows, Values, Wire
from ..results import (
    AuthorMap,
    BlockAnswer,
    BlockHolders,
    BlockPlaces,
    CallInfo,
    ChangePage,
    ChangeRow,
    CodeInfo,
    CommitInfo,
    CopyReport,
    FileBlock,
    FileCheck,
    GraphQLAnswer,
    HoldingList,
    IndexRows,
    MemberEventRow,
    MemberRows,
    MethodRows,
    NodeInfo,
    PageTable,
    PointerRow,
    PrincipalInfo,
    PurgeInfo,
    RepairReport,
    RingInfo,
    RunEvent,
    RunReceipts,
    RunResult,
    ScoredPage,
    ScrubReport,
    SearchPage,
    SearchPages,
    TransactionInfo,
    TreeReport,
    VersionDiff,
    VolumeRows,
)
from . import archive, exchange
from .class_loader import Bundles
from .file_stream import FileInput, FileOutput, open_stream
from .files import FileSource, LocalPath, OnRepair
from .operations import WhoseCode
from .pointer_reads import AsOf, Listing
from .progress import OnRunProgress
from .proxy import SyncProxy, open_proxy
from .reads import VersionHistory
from .searches import Aggregation, Explanation, FieldNames, GroupRows, ObjectCount, SearchPredicate, SearchResult
from .sync_session import SyncSession, SyncTransaction
from .transfer import OnProgress, TransferProgress


class SyncClient(SyncSession):
    """The methods of `Client`, waiting for their results; streams become plain generators."""

    def get(self, path: str, version: int = 0, as_of: AsOf = None) -> Pointer:
        """The pointer at a path; of an older version, or a moment, when one is given."""
        return self._wait(lambda client: client.get(path, version, as_of))

    def list(self, path: str = "/", cursor: str = "", limit: int | None = None, as_of: AsOf = None) -> Listing:
        """What is in a directory, by name: all of it, or with `limit` one page, continued from its `cursor`.

        What may not be read is left out. `/registry` lists every object by uuid, removed ones too.
        """
        return self._wait(lambda client: client.list(path, cursor, limit, as_of))

    def within(self, **context: object) -> SyncClient:
        """A client of the same transport whose calls have this context too (see `context.Context.narrowed`)."""
        return SyncClient(self._derive(lambda client: client.within(**context)), self._name)

    def begin(self, name: str = "", seconds: int = 60) -> TransactionInfo:
        """Open a transaction: {"transaction", "seconds", "isolation"}; `transaction(join=name)` takes part in it."""
        return self._wait(lambda client: client.begin(name, seconds))

    def commit(self, transaction: str) -> CommitInfo:
        """Make all changes of a transaction at once: {"position", "changes"}. Conflict: none was made."""
        return self._wait(lambda client: client.commit(transaction))

    def rollback(self, transaction: str) -> bool:
        """Drop a transaction with all its changes; whether there was one."""
        return self._wait(lambda client: client.rollback(transaction))

    def cat(self, path: str, version: int = 0, as_of: AsOf = None) -> Any:
        """The state at a path as plain data, or one property of it (`/a/b.field.0`), also of an object that it refers
        to. No code is loaded."""
        return self._wait(lambda client: client.cat(path, version, as_of))

    def update(self, path: str, version: int = 0, /, **changes: object) -> Pointer:
        """Set fields of an object without loading its class; its new pointer."""
        return self._wait(lambda client: client.update(path, version, **changes))

    def run(self, path: str, method: str, /, *args: object, **kwargs: object) -> Any:
        """Run a method where the object lives; its result. A changed state becomes a version.

        On a directory it runs on all objects in it: [{"path", "result"} or {"path", "error"}…], by name. The method's
        own errors come as ExecutionFailed, with its traceback and what it printed.
        """
        return self._wait(lambda client: client.run(path, method, *args, **kwargs))

    def runstream(self, path: str, method: str, /, *args: object, **kwargs: object) -> Generator[RunEvent, None, None]:
        """The same as a stream of what happens: "output", "result", "error" and "progress" events, as they come.
        Leaving the loop ends the run."""
        return self._iterate(lambda client: client.runstream(path, method, *args, **kwargs))

    def run_with_receipt(self, path: str, method: str, /, *args: object, **kwargs: object) -> RunResult:
        """{"result", "output", "milliseconds", "pointer" (None: nothing changed), "receipt"} of a run."""
        return self._wait(lambda client: client.run_with_receipt(path, method, *args, **kwargs))

    def rm(self, path: str, recursive: bool = False) -> int:
        """Remove an object or a directory (recursive when not empty); how many entries went."""
        return self._wait(lambda client: client.rm(path, recursive))

    def pages(self, path: str, limit: int = 1000, as_of: str = "") -> PageTable:
        """{"count", "cursors"}: how many entries a directory has that the caller may see, and the cursor that `list`
        takes for each page of so many: whoever shows a long list can jump anywhere in it."""
        return self._wait(lambda client: client.pages(path, limit, as_of))

    def authors(self, hashes: Names) -> AuthorMap:
        """Who stands for the bundles with these hashes: those who have stored an object of the class from a program of
        their own that has it (see `store`). Whoever reads such an object decides by it whether the class may run there.
        """
        return self._wait(lambda client: client.authors(hashes))

    def retain(self, path: str, keep: str | None = None) -> str:
        """Say which versions of the objects in a directory (and below, unless one there says otherwise) are kept:
        "all", so many ("10") or those of so many days ("30 days"); "" goes by the directory above. What is in force;
        without `keep` nothing changes. The newest version always stays."""
        return self._wait(lambda client: client.retain(path, keep))

    def purge(self, path: str) -> PurgeInfo:
        """Delete for good what was removed from a path, and below a directory, with all its versions; of what is there,
        nothing. Only what the caller owns: its bytes count no more. A removed directory goes when nothing of others is
        left in it. It cannot be undone.

        {"purged": objects and directories, "bytes": of all their versions}.
        """
        return self._wait(lambda client: client.purge(path))

    def recall(self, path: str, id: str) -> CallInfo:
        """{"known", "operation", "target", "result", "note"} of the call that the caller made with this id, for what is
        at this path; not `known` is one that was not done, or longer ago than calls are remembered."""
        return self._wait(lambda client: client.recall(path, id))

    def readobject(self, path: str) -> Generator[bytes, None, None]:
        """What an object's method `read` gives, in parts of at most 64 KiB, as they are made: bytes, text, or an
        iterable or generator of those. Closing the stream ends the run."""
        return self._iterate(lambda client: client.readobject(path))

    def receipts(self, path: str, before: str = "", limit: int = 100) -> RunReceipts:
        """The last runs of an object's methods, newest first (`before`: a receipt's id): {"id", "date", "node",
        "principal", "method", "version" (that it ran on), "bundle", "arguments", "result" (SHA-256 of their encoded
        bytes), "milliseconds", "made" (the version that it made, 0: none)}; with "acted_as" where a superuser's run
        had the rights of the object's owner, and "owners" where these had to be allowed what it did, too."""
        return self._wait(lambda client: client.receipts(path, before, limit))

    def query(self, path: str) -> Any:
        """Run a query object: its method `query(self, fs)`. The results are kept in its field `results`, to be read
        later without running it again, and returned."""
        return self._wait(lambda client: client.query(path))

    def whoami(self) -> PrincipalInfo:
        """{"principal", "groups", "superuser", "umask", "via"} of who asks."""
        return self._wait(lambda client: client.whoami())

    def haveblocks(self, path: str, names: Names, upload: str = "") -> Names:
        """Those of these blocks, by name (SHA-256 in hexadecimal), that need not be sent for a file at a path: the
        caller sent them in this upload within the hour, or they are in the file that is there. `upload` is a name of
        the caller's. They are kept for an hour from now; in an upload whose name begins with "live-" for 75 seconds,
        unless it is said to go on: without names, all of its blocks are kept from now on."""
        return self._wait(lambda client: client.haveblocks(path, names, upload))

    def placeblocks(
        self, path: str, names: Names, upload: str = "", layout: str = "raid0", avoid: Names | None = None
    ) -> BlockPlaces:
        """{"layout", "places": {name: [node…]}, "nodes": {node: {"filesystem", "rpc", "host"}}}: which nodes blocks for
        a file at a path are to be sent to, those that are there already left out (see `haveblocks`). Of the fragments
        of a block all are named, one after another. `layout` is as "raid5 4+1", or "raid5": the answer says the
        numbers for so many nodes as there are. `avoid`: nodes that did not take theirs."""
        return self._wait(lambda client: client.placeblocks(path, names, upload, layout, avoid))

    def putblocks(
        self, path: str, blocks: dict[str, bytes], upload: str = "", maps: bool = False, holder: str = ""
    ) -> int:
        """Keep blocks, by name, for a file that the caller is about to make at a path, for an hour; how many.
        `maps`: they are nodes of its block map, and all that they name was sent before. `holder`: the node that is to
        keep them, which `placeblocks` has said; any node passes them on. "": who owns the path."""
        return self._wait(lambda client: client.putblocks(path, blocks, upload, maps, holder))

    def dropblocks(self, path: str, upload: str = "") -> None:
        """Let go of what the caller sent in an upload for a file at a path, which is not to be made: what nothing else
        keeps goes soon, here and where it is held."""
        return self._wait(lambda client: client.dropblocks(path, upload))

    def putfile(self, path: str, root: str, upload: str = "", version: int = 0, perms: str = "") -> PointerRow:
        """Make the file whose block map has this root, and whose blocks were sent in this upload; its new pointer.
        `version` as in `store`."""
        return self._wait(lambda client: client.putfile(path, root, upload, version, perms))

    def getblocks(self, path: str, names: Names, version: int = 0, as_of: str = "", holder: str = "") -> BlockAnswer:
        """{"blocks": {name: bytes}, "lost": {name: why}}: blocks of a file, up to some 4 MiB; the rest of the names is
        to be asked for again. `holder`: only what that node has; any node passes the question on. "": who owns the
        path, which gets from others what it has not."""
        return self._wait(lambda client: client.getblocks(path, names, version, as_of, holder))

    def findblocks(self, path: str, names: Names, version: int = 0, as_of: str = "", ask: bool = False) -> BlockHolders:
        """{"holders": {name: [node…]}, "nodes": {node: {"filesystem", "rpc", "host"}}, "silent": [node…]}: who has
        these blocks of a file, as its owner remembers; with `ask`, as all nodes say that answer."""
        return self._wait(lambda client: client.findblocks(path, names, version, as_of, ask))

    def blocks(
        self, path: str, verify: bool = False, version: int = 0, as_of: str = ""
    ) -> Generator[FileBlock, None, None]:
        """A stream of the blocks of a file, {"name", "offset", "size", "fragments", "state" ("here" | "repairable" |
        "lost"), "amiss": {name: "lost" | "damaged" | "away"}, "holders": {name: [node…]}}; with `verify`, each is read
        by who has it, and its hash compared."""
        return self._iterate(lambda client: client.blocks(path, verify, version, as_of))

    def scrub(self, path: str = "/", start: bool = False) -> ScrubReport:
        """{"rate", "days", "now", "last"}: how the blocks of the filesystem that owns a path are read and compared with
        their hashes in the background, and what the last pass found: {"begun", "ended", "blocks", "size", "mended",
        "unread", "losses", "lost"}. With `start`, another pass begins, after the one that goes on."""
        return self._wait(lambda client: client.scrub(path, start))

    def hello(self) -> NodeInfo:
        """{"node", "uuid", "version", "store", "shared", "durability", "isolation", "largest_batch", "position",
        "runs", "principal", "scrubbed", "lost"} of who answers. `shared`: whether other nodes may serve the same store.
        `runs`: how shipped code runs there: "sandbox", "unsafe", "browser" or "" (not at all). `scrubbed`: when all its
        blocks were read last; `lost` how many of them could not be made again."""
        return self._wait(lambda client: client.hello())

    def nodes(self) -> MemberRows:
        """[{"node", "uuid", "rpc", "self", "state", "volumes", "since", "version", "python", "away"}…]: the nodes of
        the cluster, those that are away too, and what it could not join."""
        return self._wait(lambda client: client.nodes())

    def watchnodes(self) -> Generator[MemberEventRow, None, None]:
        """A stream of what happens to the nodes of the cluster, {"event", "date", …} and what `nodes` says of each:
        first all that are known, then who joined, left, is gone, unreachable, reached again, or changed."""
        return self._iterate(lambda client: client.watchnodes())

    def holdings(self) -> HoldingList:
        """{"nodes": [{"node", "filesystem", "volumes", "position"}…]}: what each node holds, as it says itself."""
        return self._wait(lambda client: client.holdings())

    def volumes(self) -> VolumeRows:
        """[{"path", "node", "filesystem", "epoch", "away"}…]: which node owns which subtree; none without a cluster."""
        return self._wait(lambda client: client.volumes())

    def foundcluster(self) -> VolumeRows:
        """Found a cluster, in which the asked node owns everything; its volumes. A superuser may."""
        return self._wait(lambda client: client.foundcluster())

    def mount(self, path: str, node: str = "") -> VolumeRows:
        """Make a volume, with what is there, that a node (its name; "": the asked one) owns then; all volumes.
        A superuser may. Conflict: the node has something there, too."""
        return self._wait(lambda client: client.mount(path, node))

    def unmount(self, path: str) -> VolumeRows:
        """Give a volume back, with what is there, to the owner of what is above it; the cluster's volumes. A superuser
        may."""
        return self._wait(lambda client: client.unmount(path))

    def replicate(
        self, path: str, copies: int | None = None, sync: bool | None = None, without: str = ""
    ) -> CopyReport:
        """Keep so many copies of a volume on other nodes, those on other machines first (a superuser may; None: leave
        them as they are): {"path", "wanted", "sync", "owner", "copies", "notes"}, as each node says itself what it has.
        With `sync`, changes are acknowledged only when a copy has them, and refused while none is here. `without`: the
        copy of this node is given up, though it may be away for good, and another node has one in its place."""
        return self._wait(lambda client: client.replicate(path, copies, sync, without))

    def promote(self, path: str, node: str = "") -> VolumeRows:
        """Make a copy the owner of a volume whose owner is lost: that on a node ("": whichever has most); the cluster's
        volumes. A superuser may. What the former owner had alone is kept by it, as conflicts."""
        return self._wait(lambda client: client.promote(path, node))

    def ring(self) -> RingInfo:
        """{"version", "keys", "missing"}: whose keys the cluster knows, as the asked node does. A superuser may ask."""
        return self._wait(lambda client: client.ring())

    def addkey(
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
        return self._wait(lambda client: client.addkey(name, key, member, groups, superuser, another))

    def revokekey(self, which: str) -> RingInfo:
        """Let a key, or all keys of a name, in no longer, for good, at all nodes of the cluster. A superuser may."""
        return self._wait(lambda client: client.revokekey(which))

    def unpack(self, state: bytes, pointer: Pointer, code: WhoseCode = "stored") -> EmergeObject:
        """An instance with this state, its classes (nested ones too) fetched and loaded as needed; see `getobject`."""
        return self._wait(lambda client: client.unpack(state, pointer, code))

    def load_class(self, pointer: Pointer, code: WhoseCode = "stored") -> type:
        """The class of an object: this program's own where it has the same code (or `code` is "mine"), else loaded from
        its bundle (fetched when it is not here yet).

        CodeNotAllowed, a PermissionDenied: it is of somebody whom the user does not trust (see `trust`)."""
        return self._wait(lambda client: client.load_class(pointer, code))

    def load_bundle(self, hash: str) -> type:
        """The class of a bundle that this client has, with all that it requires; errors are those of `load_class`."""
        return self._wait(lambda client: client.load_bundle(hash))

    def trust(self, *who: str) -> None:
        """Let classes of these load into this process, until the connection ends: principals by name, "@" and a group,
        a class by its hash, or "*", everybody. `emerge trust` keeps it for all programs of the user.

        What a class's body does when it loads is done with all rights of this process. The caller's own classes, and
        those that the program has itself, need no trust; nor does what runs on the node.
        """
        return self._wait(lambda client: client.trust(*who))

    def fetch_bundles(self, hash: str) -> Bundles:
        """A bundle and all it requires, by hash; this client has them afterwards."""
        return self._wait(lambda client: client.fetch_bundles(hash))

    def getobject(
        self, path: str, version: int = 0, as_of: AsOf = None, *, code: WhoseCode = "stored", trust: bool = False
    ) -> Any:
        """The object at a path, an instance of the class it was stored with; its code is loaded here.

        Where that is somebody's whom the user does not trust, it is a `StateRecord`, without methods; `trust=True`
        loads these classes all the same, from now on, with all that this process may do. See `trust`.

        `code="mine"`: an instance of the program's own class as it is now, whatever the code was (NotFound: there is
        none). A directory is an EmergeDirectory. Without loading code: see `cat` and `get`.
        """
        return self._wait(lambda client: client.getobject(path, version, as_of, code=code, trust=trust))

    def record(self, path: str) -> object:
        """The object at a path as a value to be kept in another one (`add`): a copy of its state. No code is loaded.

        Invalid: a directory, or an object whose state leads back to itself.
        """
        return self._wait(lambda client: client.record(path))

    def objects(self, path: str = "/", as_of: AsOf = None, *, code: WhoseCode = "stored") -> Generator[Any, None, None]:
        """Every object in a directory, as instances, fetched by the page, some ahead; see `getobject`.

        ExecutionFailed, after all others, names those whose classes cannot be loaded here.
        """
        return self._iterate(lambda client: client.objects(path, as_of, code=code))

    def states(self, path: str = "/") -> Generator[tuple[str, bytes], None, None]:
        """The name and the encoded state of every object in a directory; no code is loaded."""
        return self._iterate(lambda client: client.states(path))

    def reference(self, target: str | EmergeObject | Pointer | Reference) -> Reference:
        """A reference to a stored object (or what is at a path), to be kept in fields of others; it survives moves."""
        return self._wait(lambda client: client.reference(target))

    def resolve(self, reference: Reference | str, as_of: AsOf = None, *, code: WhoseCode = "stored") -> Any:
        """The object that a reference (or uuid) leads to, wherever it is now. NotFound says where it was removed."""
        return self._wait(lambda client: client.resolve(reference, as_of, code=code))

    def references(self, path: str, back: bool = False) -> Listing:
        """The objects that this one refers to, or (`back`) that refer to this one."""
        return self._wait(lambda client: client.references(path, back))

    def dir(self, path: str = "/", as_of: AsOf = None) -> Generator[Pointer, None, None]:
        """Every pointer in a directory, as a stream."""
        return self._iterate(lambda client: client.dir(path, as_of))

    def tree(self, path: str = "/", as_of: AsOf = None) -> Generator[Pointer, None, None]:
        """Every pointer below a directory, as a stream, depth first."""
        return self._iterate(lambda client: client.tree(path, as_of))

    def methods(self, path: str, version: int = 0, as_of: AsOf = None) -> MethodRows:
        """[{"name", "signature", "doc", "kind"}…] of an object's class."""
        return self._wait(lambda client: client.methods(path, version, as_of))

    def help(self, path: str, method: str = "", version: int = 0, as_of: AsOf = None) -> str:
        """The documentation of an object's class, or of one method."""
        return self._wait(lambda client: client.help(path, method, version, as_of))

    def code(self, path: str, method: str = "", version: int = 0, as_of: AsOf = None, bundle: bool = False) -> str:
        """The source of an object's class, or of one method; with `bundle`, all that was shipped with the class."""
        return self._wait(lambda client: client.code(path, method, version, as_of, bundle))

    def code_of(self, obj: EmergeObject) -> CodeInfo:
        """{"module", "class_name", "bundle", "whose"}: which code an instance has here. `whose` is "mine" for the
        program's own class as it is now, "stored" for any other."""
        return self._wait(lambda client: client.code_of(obj))

    def versions(self, path: str, before: int = 0, limit: int = 100, as_of: AsOf = None) -> VersionHistory:
        """The versions of an object, newest first: pointers' maps with `author` and `operation`; at most `limit`.

        `cut` says whether there are older ones, which `before=found.before` gives, `gone` how many are no longer kept.
        """
        return self._wait(lambda client: client.versions(path, before, limit, as_of))

    def diff(self, path: str, before: int, after: int = 0) -> VersionDiff:
        """{"before", "after", "fields": [{"field", "before", "after"}…]}: what differs between two versions (0: the
        newest); a field that a version lacks has no such key."""
        return self._wait(lambda client: client.diff(path, before, after))

    def changes(self, since: int = -1, limit: int = 1000) -> ChangePage:
        """{"changes", "position"}: the log after a position; -1: only the newest position."""
        return self._wait(lambda client: client.changes(since, limit))

    def watch(self, path: str = "/", since: int = -1) -> Generator[ChangeRow, None, None]:
        """The changes at or below a path as they come."""
        return self._iterate(lambda client: client.watch(path, since))

    def put(
        self,
        source: FileSource,
        path: str,
        *,
        raid: int = 0,
        copies: int = 2,
        version: int = 0,
        perms: str = "",
        chunking: Chunking = "fixed",
        block_size: int = 1048576,
        progress: TransferProgress | None = None,
    ) -> Pointer:
        """Store a file of this machine (its path, or an opened one) at a path, in blocks; its pointer.

        A path that ends with a slash is a directory, in which it keeps its name. `raid` 1 keeps so many `copies` on as
        many nodes, 5 and 6 add parity. Nothing is to be seen of it before all of it is there. One that was interrupted
        can be put again within an hour, and what was sent is not sent again. `chunking` "fastcdc" cuts where the
        content says, so that of a file that was changed in the middle only some blocks are sent; `block_size` is then
        the usual size of a block. `progress` is told how many bytes are done. `version`: as in `store`.
        """
        return self._wait(
            lambda client: client.put(
                source,
                path,
                raid=raid,
                copies=copies,
                version=version,
                perms=perms,
                chunking=chunking,
                block_size=block_size,
                progress=progress,
            )
        )

    def fetch(
        self,
        path: str,
        target: FileSource,
        *,
        version: int = 0,
        as_of: AsOf = None,
        progress: TransferProgress | None = None,
    ) -> int:
        """Write the bytes of a file to one of this machine (its path, or an opened one); how many.

        Each block is verified. A file that is given by its path is there once it is whole.
        """
        return self._wait(lambda client: client.fetch(path, target, version=version, as_of=as_of, progress=progress))

    def open(
        self,
        path: str,
        mode: str = "rb",
        *,
        version: int = 0,
        as_of: AsOf = None,
        raid: int = 0,
        perms: str = "",
        chunking: Chunking = "fixed",
        block_size: int = 1048576,
    ) -> FileInput | FileOutput:
        """Open a file: "rb" to read it from any place, "wb" to write it, "xb" to write one that is not there yet.

        A file that is written is there once it is closed; when the block that writes it raises, nothing has changed.
        Objects can be read too: the bytes or text in their `data`, or what their method `read` gives, which runs where
        the object lives.
        """
        return open_stream(
            self._wait(
                lambda client: client.open(
                    path,
                    mode,
                    version=version,
                    as_of=as_of,
                    raid=raid,
                    perms=perms,
                    chunking=chunking,
                    block_size=block_size,
                )
            )
        )

    def verify(self, path: str, *, version: int = 0, progress: OnProgress | None = None) -> FileCheck:
        """Read all blocks of a file where they are, and compare their hashes: {"path", "size", "layout", "root",
        "blocks", "readable", "amiss": [what `blocks` says of those that lack something]}."""
        return self._wait(lambda client: client.verify(path, version=version, progress=progress))

    def reshape(self, path: str, raid: int, *, progress: OnProgress | None = None) -> Pointer:
        """Lay down the blocks of a file by another raid level, while it is read and written; its pointer.

        That is a new version with the same bytes. When the file is written meanwhile, what was written is laid down.
        One that has this level stays as it is.

        Raises:
            Conflict: it is written again and again.
        """
        return self._wait(lambda client: client.reshape(path, raid, progress=progress))

    def repair(self, path: str = "/", *, version: int = 0, progress: OnRepair | None = None) -> RepairReport:
        """Read all blocks of a file, or of all files below a directory, and make again those that are lost or damaged:
        from parity, or from copies. What cannot be had is `lost`, with its place in the file.

        `progress` is told the path and what became of each block.
        """
        return self._wait(lambda client: client.repair(path, version=version, progress=progress))

    def puttree(
        self,
        source: LocalPath,
        path: str,
        *,
        raid: int = 0,
        perms: str = "",
        chunking: Chunking = "fixed",
        block_size: int = 1048576,
        progress: OnProgress | None = None,
    ) -> TreeReport:
        """Store all files of a folder of this machine below a path: {"path", "files", "bytes", "skipped": []}.

        A path that ends with a slash is a directory, in which the folder keeps its name. What cannot be stored (a
        socket, a name that is none) is told before anything is sent. Files that are there get another version; one that
        is not in the folder stays. It is no single commit: when it fails, some files are stored, each as a whole.
        """
        return self._wait(
            lambda client: client.puttree(
                source, path, raid=raid, perms=perms, chunking=chunking, block_size=block_size, progress=progress
            )
        )

    def fetchtree(
        self, path: str, target: LocalPath, *, as_of: AsOf = None, progress: OnProgress | None = None
    ) -> TreeReport:
        """Write all files below a directory to a folder of this machine, which is made if it is not there: {"path",
        "files", "bytes", "skipped": [paths of objects that have no bytes]}.

        Objects with bytes or text in `data` are files too. No code is run for it.
        """
        return self._wait(lambda client: client.fetchtree(path, target, as_of=as_of, progress=progress))

    def store(self, obj: EmergeObject) -> Pointer:
        """Store an object at its `path` and `name` (or `id`); it then knows its uuid, version and date.

        An object that was read (or stored) before carries the version it was read at. When there is a newer one,
        what was changed on either side only is merged, and the object is what was stored; otherwise: Conflict, with
        the states in its details. CannotShip names what of its class or state cannot travel.
        One that was read from another filesystem is copied: a new object here, which says in its first version where
        it came from, and from then on the object is that one. Conflict, when another object is there.
        """
        return self._wait(lambda client: client.store(obj))

    def storeall(self, objects: Iterable[EmergeObject]) -> Listing:
        """Store many objects, each batch (1,000, some 4 MiB) in one commit, all or none of it; their pointers.

        A store whose commits are smaller (`hello` says how large) gets them in as many as it needs. Much quicker than
        one by one. Errors are those of `store`; earlier batches stay stored.
        """
        return self._wait(lambda client: client.storeall(objects))

    def load_records(self, path: str, records: Values, bundles: Bundles, upload: str = "") -> int:
        """Make objects again below a directory from records of the operation `export`, in one commit where the store's
        are large enough; how many. Blocks of files are sent before, in that `upload`."""
        return self._wait(lambda client: client.load_records(path, records, bundles, upload))

    def add(self, path: str, field: str, *values: object) -> Pointer:
        """Append values to the list that a field of an object is; its new pointer.

        Objects among them are kept inside this one; References (see `reference`) lead to objects of their own. `record`
        gives a stored object to be kept so.
        """
        return self._wait(lambda client: client.add(path, field, *values))

    def mixin(
        self, first: str | EmergeObject, second: str | EmergeObject, class_name: str, name: str, path: str = "/"
    ) -> Pointer:
        """Store, as `name` in `path`, an object of a new class that derives from the classes of two stored objects,
        with the state of both (the first's where both have a field); its pointer."""
        return self._wait(lambda client: client.mixin(first, second, class_name, name, path))

    def mkdir(self, path: str) -> Pointer:
        """Make a directory and those above it."""
        return self._wait(lambda client: client.mkdir(path))

    def cp(self, source: str, target: str, recursive: bool = False) -> Pointer:
        """Copy an object, or (recursive) a directory, to a path or into a directory."""
        return self._wait(lambda client: client.cp(source, target, recursive))

    def mv(self, source: str, target: str) -> Pointer:
        """Move an object or a directory to a path or into a directory; uuid and versions stay."""
        return self._wait(lambda client: client.mv(source, target))

    def restore(self, path: str, version: int = 0, as_of: AsOf = None) -> Pointer:
        """Make an older version the newest one, by number or moment; or bring back what was removed from a path."""
        return self._wait(lambda client: client.restore(path, version, as_of))

    def chmod(self, path: str, perms: str, recursive: bool = False) -> Pointer:
        """Set who may do what: "rwxr-x---", "750" or changes such as "g+w,o-r". Its owner may."""
        return self._wait(lambda client: client.chmod(path, perms, recursive))

    def chown(self, path: str, owner: str = "", group: str | None = None, recursive: bool = False) -> Pointer:
        """Set the owner ("": leave it) and the group (None: leave it)."""
        return self._wait(lambda client: client.chown(path, owner, group, recursive))

    def search(
        self,
        predicate: SearchPredicate = None,
        path: str = "/",
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        cursor: str = "",
        as_of: AsOf = None,
        code: WhoseCode = "stored",
    ) -> SearchResult:
        """The objects at or below a path for which a predicate is true: `search(lambda o: o.unit_price < 3.5)`.

        All of them, or with `limit` one page, continued from its `cursor`; in the order of a field, or in none that is
        promised. An object on which the predicate raises is not found, and counted in `errors`. CannotShip says what of
        the predicate cannot travel. `code`: see `getobject`; the predicate itself meets the code as it was stored.
        """
        return self._wait(
            lambda client: client.search(
                predicate,
                path,
                order_by=order_by,
                descending=descending,
                limit=limit,
                cursor=cursor,
                as_of=as_of,
                code=code,
            )
        )

    def search_pages(
        self,
        predicate: SearchPredicate = None,
        path: str = "/",
        order_by: str = "",
        descending: bool = False,
        limit: int | None = None,
        cursor: str = "",
        as_of: AsOf = None,
    ) -> Generator[SearchPage, None, None]:
        """The same page by page, as the operation gives them: pointers' maps and encoded states; no class is loaded."""
        return self._iterate(
            lambda client: client.search_pages(predicate, path, order_by, descending, limit, cursor, as_of)
        )

    def count(self, predicate: SearchPredicate = None, path: str = "/", *, as_of: AsOf = None) -> ObjectCount:
        """How many objects a search finds, without fetching them."""
        return self._wait(lambda client: client.count(predicate, path, as_of=as_of))

    def searchpages(
        self,
        predicate: SearchPredicate = None,
        path: str = "/",
        *,
        order_by: str = "",
        descending: bool = False,
        limit: int = 1000,
        as_of: AsOf = None,
    ) -> SearchPages:
        """How many objects a search finds, and the `cursor` of each page of so many for `search`, to jump anywhere.

        There are no cursors where several nodes have a part.
        """
        return self._wait(
            lambda client: client.searchpages(
                predicate, path, order_by=order_by, descending=descending, limit=limit, as_of=as_of
            )
        )

    def searchtext(
        self,
        field: str,
        words: str,
        path: str = "/",
        *,
        limit: int | None = None,
        cursor: str = "",
        code: WhoseCode = "stored",
    ) -> SearchResult:
        """The objects at or below a path whose field has all of the words (`wor*`: all that begin so), best first."""
        return self._wait(lambda client: client.searchtext(field, words, path, limit=limit, cursor=cursor, code=code))

    def text_pages(
        self, field: str, words: str, path: str = "/", limit: int | None = None, cursor: str = ""
    ) -> Generator[ScoredPage, None, None]:
        """The same page by page, as the operation gives them; no class is loaded."""
        return self._iterate(lambda client: client.text_pages(field, words, path, limit, cursor))

    def aggregate(
        self,
        path: str = "/",
        by: FieldNames | None = None,
        where: SearchPredicate = None,
        as_of: AsOf = None,
        **values: Aggregation,
    ) -> GroupRows:
        """Figures over the objects at or below a path, without fetching them; a row for each group:
        `aggregate("/customers", by="country", n="count", sales=("sum", "revenue"), p95=("percentile", "revenue", 95))`.

        Functions: count, sum, mean, min, max, std (of a sample), median, distinct, percentile.
        """
        return self._wait(lambda client: client.aggregate(path, by, where, as_of, **values))

    def explain(
        self, predicate: SearchPredicate = None, path: str = "/", *, order_by: str = "", as_of: AsOf = None
    ) -> Explanation:
        """How a search would be answered: the plan, about how much is scanned, which index would help. Print it."""
        return self._wait(lambda client: client.explain(predicate, path, order_by=order_by, as_of=as_of))

    def index(
        self, path: str, *fields: str, unique: bool = False, text: bool = False, drop: bool = False, wait: bool = True
    ) -> IndexRows:
        """Keep an index over fields of the objects at or below a directory, or `drop` it; the indexes there.

        It is built in the background; with `wait` this returns when it is ready. Invalid when it cannot be built (a
        unique one over objects that already agree, by name). Without fields: only the indexes there.
        """
        return self._wait(lambda client: client.index(path, *fields, unique=unique, text=text, drop=drop, wait=wait))

    def graphql(self, document: str, path: str = "/", variables: Wire | None = None, name: str = "") -> GraphQLAnswer:
        """{"data", "errors"…}: the answer to a GraphQL document over the objects at or below a path. `name`: which of
        its operations."""
        return self._wait(lambda client: client.graphql(document, path, variables, name))

    def subscribe(
        self, document: str, path: str = "/", variables: Wire | None = None, name: str = ""
    ) -> Generator[GraphQLAnswer, None, None]:
        """The answers to a GraphQL subscription, as they come."""
        return self._iterate(lambda client: client.subscribe(document, path, variables, name))

    def as_user(self, name: str, *groups: str) -> SyncClient:
        """A client whose calls are made as that user, in these groups; only a superuser may."""
        return SyncClient(self._derive(lambda client: client.as_user(name, *groups)), self._name)

    def with_umask(self, umask: int | str) -> SyncClient:
        """A client whose new things lack these rights: 0o022, or "----w--w-"."""
        return SyncClient(self._derive(lambda client: client.with_umask(umask)), self._name)

    def with_own_rights(self) -> SyncClient:
        """A client whose runs may do all that its caller may. Else they may do only what the object's owner may, too,
        since a method could be anybody's. It counts for the objects that are run, not for others that these run."""
        return SyncClient(self._derive(lambda client: client.with_own_rights()), self._name)

    def once(self, id: str, note: bytes = b"") -> SyncClient:
        """A client for one change, which is made once however often it is repeated with this id, from wherever: a
        repeated call gets the recorded result. `fs.once("order 17").run("/shop", "sell", 3)`. `note` is recorded too,
        for `recall`."""
        return SyncClient(self._derive(lambda client: client.once(id, note)), self._name)

    def numbered(self, prefix: str) -> SyncClient:
        """A client each of whose changes is made once, under the id `prefix 1`, `prefix 2`…: work that is begun again
        from its beginning, with the same prefix, changes nothing twice."""
        return SyncClient(self._derive(lambda client: client.numbered(prefix)), self._name)

    def transaction(self, name: str = "", seconds: int = 60, join: str = "") -> SyncTransaction[SyncClient]:
        """A transaction: `async with client.transaction() as tx:`; tx is a client whose changes are made at the end,
        all or none. When the block raises, or is left alone for so many `seconds`, none is made.

        `join` names an open one to take part in; whoever began it ends it. The sync face: `with fs.transaction()`.
        """
        return SyncTransaction(self, SyncClient, name, seconds, join)

    def proxy(self, path: str) -> SyncProxy:
        """The object at a path, where it lives: its fields are read from there, its methods run there.

        `await proxy.price`, `await proxy.sell(3)`; in the sync face `proxy.price`, `proxy.sell(3)`, and
        `proxy.price = 2.0` is an update.
        """
        return self._wait(lambda client: open_proxy(client, path, SyncProxy))

    def map(
        self,
        path: str,
        method: str,
        /,
        *args: object,
        engine: str = "",
        id: str = "",
        progress: OnRunProgress | None = None,
        **kwargs: object,
    ) -> Rows:
        """Run a method on all objects in a directory, as `run` does; on the workers of an engine (`dask://host:8786`)
        when one is named: [{"path", "result"} or {"path", "error"}…], by name.

        Each object's run is done once, also when workers or the scheduler die meanwhile; with the same `id` a map that
        was broken off goes on where it was. `progress` is called with "progress" events. See docs/flows.md.
        """
        return self._wait(
            lambda client: client.map(path, method, *args, engine=engine, id=id, progress=progress, **kwargs)
        )

    def export(self, path: str, file: archive.ArchiveFile, versions: bool = True) -> archive.Manifest:
        """Write a tree to one archive: a file's path, or a binary file. Its manifest."""
        return self._wait(lambda client: client.export(path, file, versions))

    def load(self, file: archive.ArchiveFile, path: str = "/") -> int:
        """Make a tree again below a directory, from an archive, verified before anything is stored; how many."""
        return self._wait(lambda client: client.load(file, path))

    def export_fields(
        self, path: str, file: exchange.TextFile, format: exchange.Format = "json"
    ) -> exchange.ExportReport:
        """Write the fields of the objects at or below a path for other programs, as "json", "jsonl" or "csv"; how many,
        and what of which field is lost: `report.count`, `report.told()`."""
        return self._wait(lambda client: client.export_fields(path, file, format))

    def load_fields(self, file: exchange.TextFile, path: str = "/", format: exchange.Format = "json") -> int:
        """Store an EmergeFile for each row of a file that `export_fields` could have written; `name` is needed. How
        many."""
        return self._wait(lambda client: client.load_fields(file, path, format))

    def export_json(self, path: str, file: exchange.TextFile) -> int:
        """Write the objects at or below a path as a JSON list of their fields, for other programs; how many."""
        return self._wait(lambda client: client.export_json(path, file))

    def export_csv(self, path: str, file: exchange.TextFile) -> int:
        """Write the objects at or below a path as CSV, a field a column; how many."""
        return self._wait(lambda client: client.export_csv(path, file))

    def load_json(self, file: exchange.TextFile, path: str = "/") -> int:
        """Store an EmergeFile for each map of a JSON list, with its fields; `name` is needed. How many."""
        return self._wait(lambda client: client.load_json(file, path))

    def load_csv(self, file: exchange.TextFile, path: str = "/") -> int:
        """Store an EmergeFile for each row of a CSV file, its columns as fields; `name` is needed. How many."""
        return self._wait(lambda client: client.load_csv(file, path))

    def whohas(self, *names: str) -> dict[str, str]:
        """Which nodes hold these, by path or by uuid (32 hex digits): {name: node}. What nobody holds is left out."""
        return self._wait(lambda client: client.whohas(*names))
