"""The messages between page and kernel: the types of web/protocol.ts, to which a test compares these.

Each request's arguments are declared here; its handler's return type is its answer. All messages are JSON data.
Declarations only; imports no js.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from ..notebook import NotebookCell
from ..results import PointerRow, RunReceipt, SearchErrors, VersionRow

PlaceName = Literal["local", "cluster"]


class Options(TypedDict):
    """The options with which the worker starts the kernel.

    `relay` is the relay's WebSocket address ("" without one), `sync` whether Python can block for a result, `interrupt`
    whether a running loop can be stopped, `recursion` the recursion limit, `restored` whether Python was restored from
    a memory snapshot, `allowed` the keys of code that the user has allowed to run, `apart` whether cells have a kernel
    of their own.
    """

    relay: str
    sync: bool
    interrupt: bool
    recursion: int
    restored: bool
    allowed: list[str]
    apart: bool


class ShellOptions(TypedDict):
    """The options of a cells' kernel; `shared`: it can block for the page's kernel in shared memory."""

    recursion: int
    restored: bool
    shared: bool


CompletionKind = Literal[
    "function", "class", "module", "property", "value", "keyword", "parameter", "path", "directory", "key"
]


# --- views
class FailureView(TypedDict):
    """An error. `traceback` is None if it would add nothing."""

    code: str
    message: str
    path: str | None
    remedy: str | None
    traceback: str | None


EditKind = Literal["bool", "int", "float", "str", "text", "date", "datetime", "time", "literal", "fixed"]
"""How a value is edited; a "fixed" one is not."""


class FieldView(TypedDict):
    """One field of an object. `text` is the Python literal of its value; of "str" and "text" the string itself.

    `form` is the key of what its annotation allows ("": anything), `type` that of its value. `size` are the characters
    of the whole text, of which a long one has only the first. `reason` says why a "fixed" one cannot be text. `spark`
    are the points of a small curve, where it is a series of numbers.
    """

    name: str
    annotation: str
    kind: EditKind
    text: str
    form: str
    type: str
    size: int
    reason: str
    spark: list[float]


class FormFieldView(TypedDict):
    """A field of a record's form; `default` is the text of its default, "" if it must be given."""

    name: str
    form: str
    default: str


class FormView(TypedDict):
    """What an annotation allows: see bundles/form.py."""

    kind: str
    label: str
    of: list[str]
    fixed: bool
    choices: list[str]
    name: str
    fields: list[FormFieldView]


class MethodView(TypedDict):
    """A method of an object. `kind` is method, property, classmethod or staticmethod."""

    name: str
    signature: str
    doc: str
    kind: str


class ObjectView(TypedDict):
    """Everything that the page shows of an object. `newer` says why its place cannot run it: its Python is older.

    `forms` are what annotations allow, by keys. `display` is the method by which it shows itself, `lacking` says what
    of its class is missing or broken; or "".
    `stale`, here and below: since when it may have changed, where a copy answered in place of its owner; or "".
    """

    where: PlaceName
    pointer: PointerRow
    doc: str
    fields: list[FieldView]
    forms: dict[str, FormView]
    methods: list[MethodView]
    source: str
    runs: Literal["anywhere", "node", "nowhere"]
    newer: str
    display: str
    lacking: str
    stale: str


class FoundPointer(TypedDict):
    """What is at a path; None: nothing."""

    pointer: PointerRow | None


class ReferrerPage(TypedDict):
    """A page of the objects that refer to one."""

    entries: list[PointerRow]
    cursor: str


class FieldText(TypedDict):
    """The whole text of a field; `reason` says why it cannot be edited."""

    text: str
    reason: str


class FieldPiece(TypedDict):
    """A piece of a field's bytes, in base64; `size` is that of all."""

    size: int
    data: str


StateFormat = Literal["python", "json"]


class StateText(TypedDict):
    """A state as one text. `left` are the fields that cannot be text, and why."""

    text: str
    left: dict[str, str]


class ReadState(TypedDict):
    """The texts of the fields that an edited text of a state has changed."""

    changes: dict[str, str]


class Rights(TypedDict):
    """Who the user is where something lives, and whether they may change its rights; if not, why."""

    principal: str
    groups: list[str]
    superuser: bool
    may: bool
    why: str
    pointer: PointerRow


class BelowChange(TypedDict):
    """What becomes of the rights of an entry below a directory, and whether the user may do that."""

    path: str
    before: str
    after: str
    may: bool


class BelowView(TypedDict):
    """What a change of the rights below a directory would do: to how many of how many entries, and to the first ones.

    `refused` belong to others. `steps` make it, `missing` are nodes that are away.
    """

    count: int
    changes: int
    refused: int
    rows: list[BelowChange]
    steps: list[ChangeStep]
    missing: list[str]


class SaveConflict(TypedDict):
    """The conflict of a save with a newer version: both states, and the current version."""

    theirs: list[FieldView]
    mine: list[FieldView]
    pointer: PointerRow


class SaveResult(TypedDict):
    """The new pointer, or the conflict that prevented it."""

    pointer: PointerRow | None
    conflict: SaveConflict | None


class RunView(TypedDict):
    """A run's outcome. `text` is the repr of its result; without `receipt` it ran here, on an object elsewhere."""

    text: str
    output: str
    milliseconds: float
    pointer: PointerRow | None
    receipt: RunReceipt | None


class RunProgress(TypedDict):
    """The progress of a directory's run: objects done, objects failed, and their total."""

    done: int
    failed: int
    total: int


class Sweep(RunProgress):
    """The outcome of a directory's run."""

    milliseconds: float


class ListedPage(TypedDict):
    """A page of a directory.

    `missing` names the nodes that are away and whose part is left out, `away` the node of each entry that is on one.
    """

    entries: list[PointerRow]
    cursor: str
    missing: list[str]
    away: dict[str, str]  # an entry's name: its node
    stale: str


class MemberView(TypedDict):
    """A node of the cluster: see MemberRow."""

    node: str
    rpc: str
    self: bool
    state: Literal["here", "unreachable", "away", "unjoined"]
    volumes: list[str]
    since: str
    version: str
    python: str
    error: str


class CopyView(TypedDict):
    """A copy of a volume; `behind` by so many commits, at `as_of` if it is away (-1: that is not known)."""

    node: str
    away: bool
    behind: int
    as_of: str
    same: bool


class VolumeView(TypedDict):
    """A volume, its owner, and the copies of it: see CopyReport."""

    path: str
    node: str
    away: bool
    wanted: int
    copies: list[CopyView]
    notes: list[str]


class VolumeList(TypedDict):
    volumes: list[VolumeView]


class TableRow(TypedDict):
    """A row of a table: an entry, and the values of its fields as texts; of series of numbers the points of a small
    curve, too. `away`: the node that has it and is away."""

    pointer: PointerRow
    cells: dict[str, str]
    series: dict[str, list[float]]
    away: str


class TableClass(TypedDict):
    """A class among the rows of a page, and its fields with their annotations. `enums`: members of enumerations."""

    name: str
    fields: dict[str, str]
    enums: list[str]


class TablePage(TypedDict):
    """A page of a table. `missing` names the nodes that are away and whose part is left out."""

    rows: list[TableRow]
    classes: list[TableClass]
    cursor: str
    scanned: int
    errors: SearchErrors
    missing: list[str]
    stale: str
    milliseconds: float


class TablePages(TypedDict):
    """How many rows a table has, and the cursor of each page; none where only the page before tells it."""

    count: int
    cursors: list[str]
    scanned: int
    errors: SearchErrors


class Facet(TypedDict):
    """A value of a field as text, how many have it, and the expression that finds them ("": none can be written)."""

    text: str
    count: int
    expression: str


class FacetList(TypedDict):
    """The most frequent values of a field, and how many different ones there are."""

    values: list[Facet]
    distinct: int


class PlanView(TypedDict):
    """The plan of a search."""

    text: str
    scans: int
    of: int
    code: bool
    suggestion: str


class PathStep(TypedDict):
    """A change of what is at a path: it is removed, or a directory is made there."""

    change: Literal["remove", "mkdir"]
    path: str


class TargetStep(TypedDict):
    change: Literal["move", "copy"]
    path: str
    target: str


class RestoreStep(TypedDict):
    """Make a version the newest one; 0 brings back what was removed."""

    change: Literal["restore"]
    path: str
    version: int


class FieldStep(TypedDict):
    """Set fields from their texts, over a version (0: the newest)."""

    change: Literal["set"]
    path: str
    version: int
    fields: dict[str, str]


class OwnerStep(TypedDict):
    """Give to an owner ("": who it is) and a group ("": none)."""

    change: Literal["chown"]
    path: str
    owner: str
    group: str


class RightsStep(TypedDict):
    change: Literal["chmod"]
    path: str
    perms: str


class MethodStep(TypedDict):
    """Run a method where the object lives; `args` as in a call."""

    change: Literal["run"]
    path: str
    method: str
    args: str


class CarryStep(TypedDict):
    """Copy, or (`move`) move, what is at a path to a path of the filesystem `to`; "uncarry" takes that back."""

    change: Literal["carry", "uncarry"]
    path: str
    target: str
    to: PlaceName
    move: bool


class CreateStep(TypedDict):
    """Make an object of a stored class, or a plain one (no `bundle`); of the fields that are given by their texts."""

    change: Literal["create"]
    path: str
    class_name: str
    bundle: str
    type: str
    fields: dict[str, str]
    kinds: dict[str, EditKind]


ChangeStep = (
    PathStep | TargetStep | RestoreStep | FieldStep | OwnerStep | RightsStep | MethodStep | CarryStep | CreateStep
)
"""One change of what is at a path."""


class StepFailure(TypedDict):
    path: str
    failure: FailureView


class ChangeReport(TypedDict):
    """What came of changes. `undo` are the changes that undo them, `pointer` that of what was changed last."""

    done: int
    failed: int
    failures: list[StepFailure]
    undo: list[ChangeStep]
    pointer: PointerRow | None


class ClassChoice(TypedDict):
    """A class of stored objects, as its newest object has it. `here`: how many are in the directory that was asked."""

    class_name: str
    bundle: str
    type: str
    here: int
    count: int


class ClassList(TypedDict):
    """`more`: not all objects were looked at."""

    classes: list[ClassChoice]
    more: bool


class BlankObject(TypedDict):
    """What a new object of a class has where nobody says. `required` fields must be filled in; those that are `made` by
    the class's own code have its text, and are left to it unless they are filled in."""

    doc: str
    fields: list[FieldView]
    forms: dict[str, FormView]
    required: list[str]
    made: dict[str, str]


class OddView(TypedDict):
    """The few cells of a column that are not of the `kind` of all others: how many, and where the first is."""

    kind: str
    count: int
    at: str
    text: str


class ColumnView(TypedDict):
    """A column of a file: what it becomes, and what it seems to be."""

    column: str
    field: str
    kind: str


class SheetView(TypedDict):
    """What is in a file, and its first rows as texts."""

    format: Literal["json", "jsonl", "csv", "emerge"]
    encoding: str
    delimiter: str
    columns: list[ColumnView]
    kinds: list[str]
    rows: list[list[str]]
    count: int
    odd: dict[str, OddView]  # by columns


class RemovedRow(TypedDict):
    """What was removed, by whom (its pointer says when), and how many entries went with it."""

    pointer: PointerRow
    author: str
    with_it: int


class RemovedPage(TypedDict):
    rows: list[RemovedRow]
    cursor: str
    missing: list[str]


class EarlierRow(TypedDict):
    """An entry of a moment, and the version that it has now; 0: it is not in the directory any more."""

    pointer: PointerRow
    now: int
    away: str


class EarlierPage(TypedDict):
    rows: list[EarlierRow]
    cursor: str
    missing: list[str]


class Refusal(TypedDict):
    """A row that is not loaded, and why."""

    at: str
    message: str


class LoadReport(TypedDict):
    """What came of loading a file."""

    made: int
    replaced: int
    kept: int
    refused: int
    refusals: list[Refusal]
    undo: list[ChangeStep]


class ExportView(TypedDict):
    """What was exported to the file that was passed to the page; `lost` tells of fields what is not exact."""

    name: str
    count: int
    lost: dict[str, str]


class GraphQLText(TypedDict):
    """The answer to a GraphQL document, as formatted JSON."""

    text: str
    failed: bool
    milliseconds: float


class SchemaText(TypedDict):
    """What introspection tells of a GraphQL schema, as JSON."""

    text: str


class DifferenceRow(TypedDict):
    """A field that differs between two versions, as texts; None where a version lacks it."""

    field: str
    before: str | None
    after: str | None


class DifferenceList(TypedDict):
    fields: list[DifferenceRow]


class VersionList(TypedDict):
    """`causes` are those of the versions, "" where a call named none."""

    versions: list[VersionRow]
    causes: list[str]


class ReceiptList(TypedDict):
    receipts: list[RunReceipt]


class FileTaken(TypedDict):
    """A file that was passed to the page, all of it verified."""

    name: str
    size: int


class FilePiece(TypedDict):
    """A piece of a file, in base64, and how many bytes the file has."""

    size: int
    data: str


class BlockAmiss(TypedDict):
    """A block of a file that lacks something."""

    offset: int
    size: int
    state: Literal["repairable", "lost"]


class BlockHolderView(TypedDict):
    """A node that keeps blocks of a file, or parts of them: how many, and whether it is away."""

    node: str
    pieces: int
    away: bool


class FileBlocks(TypedDict):
    """The blocks of a file: how many are whole, can be made whole, are lost; the first of those that lack something.
    `repaired` of those that are whole were made again; `holders` is empty where one node has all."""

    root: str
    layout: str
    here: int
    repairable: int
    lost: int
    repaired: int
    amiss: list[BlockAmiss]
    holders: list[BlockHolderView]


class ShownValue(TypedDict):
    """A value's representations and what describes them, both by MIME type (`console/mime.py`)."""

    data: dict[str, object]
    metadata: dict[str, object]


class TracePath(TypedDict):
    where: PlaceName
    path: str


class TraceView(TypedDict):
    """What a run read and wrote, and the revisions that it made."""

    reads: list[TracePath]
    writes: list[TracePath]
    made: list[str]


class CellResult(TypedDict):
    """A cell's outcome. `text` is its last expression's repr, `value` all that it is shown as; None without one. `live`
    is what it read, if it is to run again when that changes."""

    text: str | None
    value: ShownValue | None
    milliseconds: float
    live: TraceView | None


class CompletionItem(TypedDict):
    """What could be written; `detail` tells more in few words."""

    text: str
    kind: CompletionKind
    detail: str


class Described(TypedDict):
    """A name: its parameters as they are written (None: it cannot be called), what it is, and its documentation.
    `active` is the place of the parameter that is being written, -1 for none."""

    name: str
    parameters: list[str] | None
    active: int
    kind: str
    doc: str


class AssistView(TypedDict):
    """What can stand in place of `typed`, which is there already; or what a name stands for. `whole`: that is all."""

    typed: str
    items: list[CompletionItem]
    whole: bool
    about: Described | None


class ConsentQuestion(TypedDict):
    """The question whether code may run that this browser has not run before.

    `keys` are remembered by the page: a bundle's hash, after a "+" if it may run in the tab itself. `place` is where it
    would run: in this tab, or in a guest worker, which holds no token.
    """

    id: int
    class_name: str
    bundle: str
    keys: list[str]
    owner: str
    authors: list[str]  # who stands for the class, as the place says
    path: str
    where: PlaceName
    place: Literal["tab", "worker"]
    source: str


# --- requests
class PlaceArgs(TypedDict):
    """A request about one of the two filesystems."""

    where: PlaceName


class PathArgs(PlaceArgs):
    """A request about a path of a filesystem."""

    path: str


class BelowArgs(PathArgs):
    """A change of rights ("g+w", "rwxr-x---"; "": none), owner ("": none) and group (None: none) of what is below."""

    perms: str
    owner: str
    group: str | None


class ClassesArgs(PathArgs):
    inside: bool  # those of the directory alone, which takes no time


class ListArgs(PathArgs):
    cursor: str
    limit: int


class VersionArgs(PathArgs):
    version: int  # 0: the newest


class SaveArgs(VersionArgs):
    changes: dict[str, str]  # field: its text


class ReferencesArgs(PathArgs):
    cursor: str
    limit: int


class FieldTextArgs(VersionArgs):
    field: str


class FieldPieceArgs(FieldTextArgs):
    begin: int
    size: int


class WriteStateArgs(SaveArgs):
    """`changes` are edits to show in the text."""

    format: StateFormat


class ReadStateArgs(VersionArgs):
    format: StateFormat
    text: str


class ShowArgs(VersionArgs):
    """`method` is the one by which the object shows itself."""

    method: str
    run: int


class RunAllArgs(PathArgs):
    method: str
    args: str  # as in a call: `2, rate=0.1`
    run: int  # the page's number for it


class RunArgs(RunAllArgs):
    place: Literal["here", "there"]  # in this browser, or where the object lives


class CancelArgs(TypedDict):
    run: int


class ReceiptsArgs(PathArgs):
    before: str  # a receipt's id


class ExplainArgs(PathArgs):
    text: str  # an expression over `o`, "" for all objects
    order: str


class TableArgs(ExplainArgs):
    inside: bool  # only what is in the directory itself
    descending: bool


class PagesArgs(TableArgs):
    limit: int


class RowsArgs(PagesArgs):
    cursor: str
    fields: list[str]


class FacetArgs(TableArgs):
    field: str


class IndexArgs(PathArgs):
    """A question about the index over a field of the objects at or below a path; with `make` it is made."""

    field: str
    make: bool


class IndexView(TypedDict):
    """The index over a field, "" for none; how far it is being built; and whether the user may make one."""

    state: Literal["", "building", "ready", "failed"]
    done: int
    total: int
    error: str
    may: bool


class GraphQLArgs(PathArgs):
    query: str
    variables: str  # JSON, or ""


class NotebookView(TypedDict):
    """A notebook's cells (`emerge_wasm.notebook`)."""

    pointer: PointerRow
    cells: list[NotebookCell]
    requirements: list[str]


class KeptNotebook(TypedDict):
    """What was stored; `view` where that is not what was sent, since another had changed it."""

    pointer: PointerRow
    view: NotebookView | None


class IpynbText(TypedDict):
    text: str


class KeepNotebookArgs(VersionArgs):
    cells: list[NotebookCell]
    requirements: list[str]


class MakeNotebookArgs(PathArgs):
    """`path` is the directory."""

    name: str
    cells: list[NotebookCell]
    requirements: list[str]


class ReadIpynbArgs(PathArgs):
    """`path` is the directory."""

    name: str
    text: str


class BeforeArgs(PathArgs):
    before: int  # a version; 0: from the newest on


class DiffArgs(PathArgs):
    before: int
    after: int


class Deed(TypedDict):
    """The id of what a request does: what was made under it is not made again, but answered. `again`: it was asked for
    before, and what became of that is not known."""

    id: str
    again: bool


class ChangeArgs(PlaceArgs):
    steps: list[ChangeStep]
    run: int


class RemovedArgs(PathArgs):
    cursor: str


class EarlierArgs(RemovedArgs):
    as_of: str  # ISO 8601


class BlankArgs(PlaceArgs):
    bundle: str


class SheetArgs(PathArgs):
    """A file that the page gave for this run; "" is guessed. The path is of the directory that it is for."""

    run: int
    size: int
    format: Literal["", "json", "jsonl", "csv", "emerge"]
    encoding: str
    delimiter: str
    header: bool


class LoadArgs(SheetArgs):
    """`check`: nothing is stored."""

    columns: list[ColumnView]
    class_name: str
    bundle: str
    type: str
    numbered: bool
    taken: Literal["replace", "keep", "both"]
    check: bool


class ExportArgs(TableArgs):
    """What a table shows, or (`paths`) some of it, with all that is in directories."""

    paths: list[str]
    format: Literal["json", "jsonl", "csv", "emerge"]
    run: int


class UploadArgs(PathArgs):
    """A file of the page is to be put at the path; the page gives it by the number of the run (web/transfer.ts)."""

    raid: int
    size: int
    upload: str  # a name of the page's for the file as it is, by which an earlier attempt is gone on with
    run: int


class DownloadArgs(VersionArgs):
    run: int


class CheckArgs(DownloadArgs):
    verify: bool


class PieceArgs(VersionArgs):
    begin: int
    size: int


class CellArgs(TypedDict):
    cell: int
    code: str
    cause: str  # what its writes are recorded with, or ""
    requirements: list[str]  # of its notebook


class AssistArgs(TypedDict):
    """The text before the cursor and behind it. `ask`: what could stand there, what the name is, or what is called."""

    before: str
    after: str
    ask: Literal["complete", "name", "call"]


class SketchArgs(AssistArgs, PathArgs):
    """The same of the page's kernel: `where` is what `fs` is; with a `path`, of a search below it."""


class LiveArgs(TypedDict):
    live: int


class InputArgs(TypedDict):
    """What was typed into a field; None: there is no more input."""

    input: int
    text: str | None


class AnswerArgs(TypedDict):
    question: int
    run: bool


# --- replies and events
class ResultReply(TypedDict):
    id: int
    result: object


class FailureReply(TypedDict):
    id: int
    failure: FailureView


KernelReply = ResultReply | FailureReply


class Connecting(TypedDict):
    state: Literal["connecting"]


class Connected(TypedDict):
    state: Literal["connected"]
    node: str
    durability: str
    principal: str
    cluster: str


class Offline(TypedDict):
    state: Literal["offline"]
    reason: str
    refused: bool


ConnectionState = Connecting | Connected | Offline


class KernelEvent(TypedDict):
    event: Literal["kernel"]
    state: Literal["ready", "busy", "idle"]
    detail: str


class FeaturesEvent(TypedDict):
    event: Literal["features"]
    sync: bool
    interrupt: bool
    storage: Literal["indexeddb", "memory"]


class ConnectionEvent(TypedDict):
    event: Literal["connection"]
    connection: ConnectionState


class OutputEvent(TypedDict):
    event: Literal["output"]
    cell: int
    stream: Literal["stdout", "stderr"]
    text: str


class DisplayEvent(TypedDict):
    """What a cell displayed. `update`: it replaces what was displayed with this id."""

    event: Literal["display"]
    cell: int
    id: str
    update: bool
    data: dict[str, object]
    metadata: dict[str, object]


class ScriptEvent(TypedDict):
    """The script that draws the charts of a package, from that package; told before its first chart."""

    event: Literal["script"]
    name: str
    text: str


class ClearEvent(TypedDict):
    """A cell's outputs are cleared, or (`wait`) will be when the next one comes."""

    event: Literal["clear"]
    cell: int
    wait: bool


class PackagesEvent(TypedDict):
    """The packages that a cell has used, each as a requirement line with the hash of its file."""

    event: Literal["packages"]
    cell: int
    packages: list[str]


class FailureEvent(TypedDict):
    """The error of a cell's task that was never awaited."""

    event: Literal["failure"]
    cell: int
    failure: FailureView


class PrintedEvent(TypedDict):
    """Text that a run printed."""

    event: Literal["printed"]
    run: int
    text: str


class ProgressEvent(RunProgress):
    event: Literal["progress"]
    run: int


class RanEvent(TypedDict):
    """The outcome for one object of a directory's run: a result's text, or a failure."""

    event: Literal["ran"]
    run: int
    path: str
    text: str | None
    failure: FailureView | None


class MembersEvent(TypedDict):
    """All nodes of the cluster, as they are now."""

    event: Literal["members"]
    run: int
    members: list[MemberView]


class QuestionEvent(TypedDict):
    event: Literal["question"]
    question: ConsentQuestion


class InputEvent(TypedDict):
    """A cell asks for input (`open`), or does not any more. `secret`: what is typed is not to be shown."""

    event: Literal["input"]
    cell: int
    input: int
    prompt: str
    secret: bool
    open: bool


class LiveEvent(TypedDict):
    """A cell shows a value that is to be made again when what it read changes."""

    event: Literal["live"]
    cell: int
    live: int
    trace: TraceView


class AnsweredEvent(TypedDict):
    """No call waits for the answer to a question any more."""

    event: Literal["answered"]
    question: int


class KnownEvent(TypedDict):
    """Code that was written in this tab and needs no consent."""

    event: Literal["known"]
    bundles: list[str]


class ChangeEvent(TypedDict):
    """A change at a path, or ("many") several below it."""

    event: Literal["change"]
    where: PlaceName
    operation: str
    path: str
    pointer: PointerRow | None
    author: str  # who changed it, "" if that is not known or they are several


PageEvent = (
    KernelEvent
    | FeaturesEvent
    | ConnectionEvent
    | OutputEvent
    | DisplayEvent
    | ScriptEvent
    | ClearEvent
    | PackagesEvent
    | FailureEvent
    | PrintedEvent
    | ProgressEvent
    | RanEvent
    | MembersEvent
    | QuestionEvent
    | AnsweredEvent
    | InputEvent
    | LiveEvent
    | KnownEvent
    | ChangeEvent
)
