"""Requests that take files in as objects, and give objects out as files: archives, JSON, JSON lines and CSV.

The formats are those of `clients/exchange` and `clients/archive`; what was loaded can be undone.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from keyword import iskeyword
from typing import cast

from ...bundles.default import plain_defaults, required_fields
from ...clients import archive
from ...clients.exchange.cell import JSONRow, json_text
from ...clients.exchange.exporter import export_rows, make_row, rows_below
from ...clients.exchange.kind import KINDS
from ...clients.exchange.loader import (
    NAME,
    ColumnPlan,
    ImportPlan,
    Loaded,
    NewObject,
    is_field,
    make_objects,
    store_objects,
    versions_in,
)
from ...clients.exchange.sheet import Format, Sheet, read_sheet
from ...clients.remote import ending
from ...codec import decode
from ...errors import EmergeError, Invalid, LimitExceeded, Unavailable
from ...objects import METADATA, EmergeFile
from ...operations import Wire
from ...paths import child_path
from ...results import SearchPage
from ..places.attempt import ATTEMPT, Attempt, attempt, noting, recall
from ..places.place import TabPlace
from ..protocol.argument import ExportArgs, LoadArgs, SheetArgs
from ..protocol.step import ChangeStep, LoadReport
from ..protocol.view import ColumnView, ExportView, SheetView
from ..tab import Tab
from ..transfer import PageTransfer
from .class_view import describe_class
from .create import PLAIN
from .table import is_listing, predicate_of

LARGEST = 256 << 20  # bytes of a file that is read in this tab
PIECE = 4 << 20
FIRST = 20  # rows that are shown before they are loaded
CELL = 80  # characters of a cell that is shown
REFUSALS = 100  # rows that are told one by one
PAGE = 500
LARGEST_NOTE = 512 << 10  # bytes of what is noted with a call
ENCODINGS = ("utf-8", "utf-16", "cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "latin-1")
ZIP = b"PK\x03\x04"


# --- in
async def read_file(tab: Tab, args: SheetArgs) -> SheetView:
    """Look into a file: what it is, its columns, and its first rows. The page gives it again to load it."""
    data = await _given(args)
    if args["format"] == "emerge" or (not args["format"] and data.startswith(ZIP)):
        return _view_archive(data)
    text, encoding = _text(data, args["encoding"])
    sheet = _sheet(text, args)
    return {
        "format": sheet.format,
        "encoding": encoding,
        "delimiter": sheet.delimiter,
        "columns": [
            {"column": name, "field": field, "kind": sheet.kinds[name]}
            for name, field in zip(sheet.columns, _fields_of(sheet.columns), strict=True)
        ],
        "kinds": list(KINDS),
        "rows": [[_shown(row.get(name)) for name in sheet.columns] for row in sheet.rows[:FIRST]],
        "count": len(sheet.rows),
        "odd": {
            name: {"kind": odd.kind, "count": odd.number, "at": sheet.places[odd.row], "text": _shown(odd.text)}
            for name, odd in sheet.odd.items()
        },
    }


async def load_file(tab: Tab, args: LoadArgs) -> LoadReport:
    """Store what a file holds below a directory; rows that do not fit are told, and the others stored."""
    return await tab.under_way(args["run"], _load(tab, args))


async def _load(tab: Tab, args: LoadArgs) -> LoadReport:
    data, place = await _given(args), tab.find(args)
    if args["format"] == "emerge":
        return await _load_archive(place, args, data)
    sheet, plan = _sheet(_text(data, args["encoding"])[0], args), await _plan(place, args)
    objects: list[NewObject] = []
    report: LoadReport = {"made": 0, "replaced": 0, "kept": 0, "refused": 0, "refusals": [], "undo": []}
    for made in make_objects(sheet, plan, args["path"]):
        if isinstance(made, Invalid):
            _refuse(report, "", made.message)
        else:
            objects.append(made)
    if args["check"]:
        report["made"] = len(objects)
        return report
    loaded, tell = Loaded(), _teller(tab, args["run"], len(objects))
    try:
        earlier = await _earlier(place, args["path"])
        await store_objects(place.reader, objects, plan, loaded, tell, noted=ATTEMPT.get() is not None, earlier=earlier)
    except EmergeError as error:
        if not loaded.count or (isinstance(error, Unavailable) and ATTEMPT.get() is not None):
            raise  # asked for again, it goes on with what is there
        _refuse(report, "", f"{error.message}: the rows after the first {loaded.count:,} are not loaded")
    except BaseException:  # it was stopped: what is there goes again
        await _take_back(place, _undo(loaded))
        raise
    return {
        **report,
        "made": len(loaded.made),
        "replaced": len(loaded.replaced),
        "kept": loaded.kept,
        "undo": _undo(loaded),
    }


async def _earlier(place: TabPlace, path: str) -> dict[str, int]:
    """Return what earlier attempts have stored, with the versions that were there before."""
    found: dict[str, int] = {}
    while (made := await recall(place, "storeall", "", at=path)) is not None:
        found |= made.note or {}
    return found


def _refuse(report: LoadReport, at: str, message: str) -> None:
    report["refused"] += 1
    if len(report["refusals"]) < REFUSALS:
        report["refusals"].append({"at": at, "message": message})


async def _plan(place: TabPlace, args: LoadArgs) -> ImportPlan:
    described = (await describe_class(place, args["bundle"])).fields
    fields = [field for field in described if field["name"] not in METADATA]
    return ImportPlan(
        [ColumnPlan(each["column"], each["field"], each["kind"]) for each in args["columns"]],
        args["class_name"] or EmergeFile.__name__,
        args["bundle"],
        args["type"] or "file",
        {**PLAIN, **plain_defaults(fields)},
        required_fields(fields),
        args["numbered"],
        args["taken"],
    )


def _undo(loaded: Loaded) -> list[ChangeStep]:
    steps: list[ChangeStep] = [{"change": "remove", "path": path} for path in loaded.made]
    for path, version in loaded.replaced:
        steps.append({"change": "restore", "path": path, "version": version})
    return steps


async def _take_back(place: TabPlace, steps: list[ChangeStep]) -> None:
    for step in steps:
        if step["change"] == "restore":
            await place.call("restore", [step["path"], step["version"]])
        else:
            await place.call("rm", [step["path"], True])


async def _given(args: SheetArgs) -> bytes:
    """The bytes of the file that the page gave."""
    size = args["size"]
    if size > LARGEST:
        raise LimitExceeded(
            f"the file has {size >> 20} MiB; a page loads up to {LARGEST >> 20}",
            remedy="load it in the shell: emerge import",
            limit="file size",
        )
    page = PageTransfer(args["run"])
    try:
        return b"".join([await page.read(begin, min(begin + PIECE, size)) for begin in range(0, size, PIECE)])
    finally:
        await page.drop()


def _sheet(text: str, args: SheetArgs) -> Sheet:
    return read_sheet(
        text, cast("Format", args["format"]), delimiter=args["delimiter"], header=args["header"], lenient=True
    )


def _text(data: bytes, encoding: str) -> tuple[str, str]:
    """Decode a file; with which encoding. What is not UTF-8 is taken for what Windows writes in Western Europe."""
    if not encoding:
        encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
        try:
            return data.decode(encoding).removeprefix("\ufeff"), encoding
        except UnicodeDecodeError:
            encoding = "cp1252"
    if encoding not in ENCODINGS:
        raise Invalid(f"there is no encoding {encoding!r} here", remedy=f"it is one of {', '.join(ENCODINGS)}")
    if b"\0" in data and encoding != "utf-16":
        raise Invalid("the file is no text: it has bytes of value 0", remedy="put it here as a file")
    try:
        return data.decode(encoding).removeprefix("\ufeff"), encoding
    except UnicodeDecodeError as error:
        raise Invalid(
            f"byte {error.start:,} of the file is not in {encoding}",
            remedy="choose another encoding, save it as UTF-8, or put it here as a file",
        ) from None


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else "" if value is None else json_text(value)
    return text if len(text) <= CELL else f"{text[:CELL]}…"


def _fields_of(columns: Sequence[str]) -> list[str]:
    """Return the fields that columns become; where none is called `name`, it is one that is called Name or NAME."""
    fields = [column if _is_plain(column) else _field_name(column) for column in columns]
    alike = [at for at, field in enumerate(fields) if field.lower() == NAME]
    if alike and NAME not in fields:
        fields[alike[0]] = NAME
    return fields


def _is_plain(name: str) -> bool:
    return is_field(name) and not iskeyword(name)


def _field_name(column: str) -> str:
    """A name that a field can have, like that of a column."""
    name = "".join(char if char.isidentifier() or char.isdigit() else "_" for char in column.strip().lower()).strip("_")
    name = f"n_{name}" if name[:1].isdigit() else name
    return name if _is_plain(name) else f"{name or 'column'}_" if is_field(f"{name or 'column'}_") else ""


# --- archives
def _view_archive(data: bytes) -> SheetView:
    records = _records(data)
    columns: list[ColumnView] = [
        {"column": name, "field": "", "kind": "text"} for name in ("path", "class", "versions", "stored")
    ]
    rows = [
        [
            str(record["path"]),
            "directory" if record["versions"][-1]["type"] == "directory" else str(record["versions"][-1]["class_name"]),
            str(len(record["versions"])),
            str(record["versions"][-1]["date"]),
        ]
        for record in records[:FIRST]
    ]
    return {
        "format": "emerge",
        "encoding": "",
        "delimiter": "",
        "columns": columns,
        "kinds": [],
        "rows": rows,
        "count": len({record["path"] for record in records} - {"/"}),
        "odd": {},
    }


def _records(data: bytes) -> list[Wire]:
    """The records of an archive, which is verified before."""
    try:
        zip = zipfile.ZipFile(io.BytesIO(data))
    except archive.BROKEN as error:
        raise Invalid(f"this is not an archive: {error}", remedy="give a file that export wrote") from None
    with zip:
        members = archive.verify(zip, "the archive")["members"]
        names = sorted(name for name in members if name.startswith(archive.RECORDS))
        return [decode(each) for name in names for each in decode(archive.read_member(zip, name))]


async def _load_archive(place: TabPlace, args: LoadArgs, data: bytes) -> LoadReport:
    """Load an archive; what undoes it removes what was not there, and makes the versions that were the newest again."""
    top = args["path"].rstrip("/")
    paths = sorted({top + record["path"] for record in _records(data) if record["path"] != "/"})
    report: LoadReport = {"made": 0, "replaced": 0, "kept": 0, "refused": 0, "refusals": [], "undo": []}
    if args["check"]:
        return {**report, "made": len(paths)}
    before = await _before_archive(place, args["path"], paths)
    note = noting(before)
    reader = place.reader.within(**note) if len(note.get("call_note", b"")) < LARGEST_NOTE else place.reader
    await reader.load(io.BytesIO(data), args["path"])
    made: list[str] = []
    for path in paths:
        was = before.get(path)
        if was is not None:
            now = (await place.reader.get(path)).version
            report["replaced"] += now != was
            if now != was:
                report["undo"].append({"change": "restore", "path": path, "version": was})
        else:
            report["made"] += 1
            if not made or not path.startswith(f"{made[-1]}/"):
                made.append(path)
    report["undo"] += [{"change": "remove", "path": path} for path in made]
    return report


async def _before_archive(place: TabPlace, top: str, paths: Iterable[str]) -> dict[str, int]:
    """Return the versions of what is at some of these paths; asked for again, as they were at first.

    With more than a note holds, it is what is there now, so that undoing it brings back less.
    """
    deed = ATTEMPT.get()
    with attempt(deed and Attempt(deed.id, deed.again)):  # what is looked up is not counted: it is loaded again
        made = await recall(place, "load", top)
    if made is not None and made.note is not None:
        return dict(made.note)
    found: dict[str, int] = {}
    for directory in {path.rpartition("/")[0] or "/" for path in paths}:
        versions = await versions_in(place.reader, directory)
        found |= {child_path(directory, name): version for name, version in versions.items()}
    return {path: found[path] for path in paths if path in found}


# --- out
async def export_file(tab: Tab, args: ExportArgs) -> ExportView:
    """Write what a table shows, or what of it is marked, to a file that is passed to the page."""
    return await tab.under_way(args["run"], _export(tab, args))


async def _export(tab: Tab, args: ExportArgs) -> ExportView:
    place, page = tab.find(args), PageTransfer(args["run"])
    stem = args["path"].rpartition("/")[2] or ("browser" if place.name == "local" else "cluster")
    try:
        if args["format"] == "emerge":
            file = io.BytesIO()
            records = _records_of(place, args)
            count = (await archive.write(place.reader, file, args["path"], records))["records"]
            data, lost = file.getvalue(), {}
        else:
            out = io.StringIO(newline="")
            tell = _teller(tab, args["run"], 0)
            report = await export_rows(_counted(_rows_of(place, args), tell), out, args["format"])
            count, lost, data = report.count, report.told(), out.getvalue().encode()
        await page.create(len(data))
        for begin in range(0, len(data), PIECE):
            page.append(data[begin : begin + PIECE])
        await page.finish()
    finally:
        await page.drop()
    return {"name": f"{stem}.{args['format']}", "count": count, "lost": lost}


async def _counted(rows: AsyncIterator[dict[str, object]], tell: Callable[[int], None]) -> AsyncIterator[JSONRow]:
    done = 0
    async for row in rows:
        yield row
        done += 1
        if done % 100 == 0:
            tell(done)


async def _rows_of(place: TabPlace, args: ExportArgs) -> AsyncIterator[JSONRow]:
    top = args["path"].rstrip("/")
    if args["paths"]:
        for path in args["paths"]:
            inside = path.removeprefix(top).strip("/")
            pointer = await place.reader.get(path)
            above = inside if pointer.is_directory else inside.rpartition("/")[0]
            async for row in rows_below(place.reader, path):
                yield {**row, "path": "/".join(filter(None, (above, str(row["path"]))))}
    elif is_listing(args):
        async for row in rows_below(place.reader, args["path"]):
            yield row
    else:
        async for page in _pages(place, args):
            for each in page["objects"]:
                pointer_row = each["pointer"]
                inside = pointer_row["path"].removeprefix(top).strip("/")
                yield make_row(inside, pointer_row["name"], decode(each["state"]))


async def _pages(place: TabPlace, args: ExportArgs) -> AsyncIterator[SearchPage]:
    cursor = ""
    while True:
        asked = [args["path"], predicate_of(args), args["order"], args["descending"], PAGE, cursor]
        page: SearchPage = await place.call("search", asked)
        yield page
        cursor = page["cursor"]
        if not cursor:
            return


async def _records_of(place: TabPlace, args: ExportArgs) -> AsyncIterator[Wire]:
    """The records of an archive, with paths below the one that is exported."""
    top, paths = args["path"].rstrip("/"), list(args["paths"])
    if not paths and not is_listing(args):
        async for page in _pages(place, args):
            paths += [child_path(each["pointer"]["path"], each["pointer"]["name"]) for each in page["objects"]]
        if not paths:
            return
    for path in paths or [args["path"]]:
        pointer = await place.reader.get(path)
        inside = path.removeprefix(top) if path != args["path"] else ""
        above = inside if pointer.is_directory else inside.rpartition("/")[0]
        async with ending(place.reader.remote.export(path)) as records:
            async for record in records:
                yield {**record, "path": (above + record["path"]).rstrip("/") or "/"}


def _teller(tab: Tab, run: int, total: int) -> Callable[[int], None]:
    def tell(done: int) -> None:
        tab.send({"event": "progress", "run": run, "done": done, "failed": 0, "total": total})

    return tell
