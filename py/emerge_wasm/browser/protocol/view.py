"""What the page shows: the answers to its requests."""

from __future__ import annotations

from typing import Literal, TypedDict

from ...notebook import NotebookCell
from ...results import PointerRow, RunReceipt, SearchErrors, VersionRow
from .option import CompletionKind, PlaceName


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

    `form` is the key of what its annotation allows ("": anything), `type` that of its value ("": none is stored).
    `size` are the characters of the whole text, of which a long one has only the first. `reason` says why a "fixed" one
    cannot be text. `spark` are the points of a small curve, where it is a series of numbers.
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


class IndexView(TypedDict):
    """The index over a field, "" for none; how far it is being built; and whether the user may make one."""

    state: Literal["", "building", "ready", "failed"]
    done: int
    total: int
    error: str
    may: bool


class NotebookView(TypedDict):
    """A notebook's cells (`emerge_wasm.notebook`); `may`: whether this user may change them."""

    pointer: PointerRow
    cells: list[NotebookCell]
    requirements: list[str]
    may: bool


class KeptNotebook(TypedDict):
    """What was stored; `view` where that is not what was sent, since another had changed it."""

    pointer: PointerRow
    view: NotebookView | None


class IpynbText(TypedDict):
    text: str
