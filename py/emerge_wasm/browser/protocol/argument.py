"""The arguments of requests."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from ...notebook import NotebookCell
from .option import PlaceName
from .step import ChangeStep
from .view import ColumnView, StateFormat


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
    as_me: NotRequired[bool]  # with all that the user may do, also where the object is another's


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


class GraphQLArgs(PathArgs):
    query: str
    variables: str  # JSON, or ""


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
