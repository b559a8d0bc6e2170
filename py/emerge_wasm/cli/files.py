"""Commands on files in blocks: put, get, blocks, verify, reshape, repair, scrub."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ..blocks.chunker import Chunking
from ..clients.transfer import OnProgress
from ..results import FileBlock, ScrubInfo, TreeReport
from .session import Session, as_of_option, pass_session, version_option
from .show import counted, date_text, print_json, print_table, size_text
from .transfer_bar import transfer_bar

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20}

STANDARD = "-"
"""What names the standard input and output."""


def read_size(context: click.Context, parameter: click.Parameter, text: str) -> int:
    """Read a number of bytes, such as 300, 64K or 1M."""
    number, unit = (text[:-1], text[-1:].upper()) if text[-1:].isalpha() else (text, "")
    if not number.isdecimal() or unit not in _UNITS:
        raise click.BadParameter(f"{text!r} is no number of bytes: write it as 65536, 64K or 1M", context, parameter)
    return int(number) * _UNITS[unit]


@click.command()
@click.argument("file", type=click.Path(allow_dash=True))
@click.argument("path")
@click.option("-r", "--recursive", is_flag=True, help="FILE is a folder: put all files in it.")
@click.option("--raid", type=int, default=0, show_default=True, help="0: each block once; 1: copies; 5, 6: parity.")
@click.option("--copies", type=int, default=2, show_default=True, help="Of each block, on as many nodes (raid 1).")
@click.option(
    "--chunking",
    type=click.Choice(["fixed", "fastcdc"]),
    default="fixed",
    show_default=True,
    help="fastcdc: cut where the content says, so that a changed file sends few blocks.",
)
@click.option("--block-size", callback=read_size, default="1M", show_default=True, help="Bytes of a block: 64K, 1M.")
@click.option("--version", type=int, default=0, help="The version that it replaces: a Conflict when there is a newer.")
@pass_session
def put(
    session: Session,
    file: str,
    path: str,
    recursive: bool,
    raid: int,
    copies: int,
    chunking: Chunking,
    block_size: int,
    version: int,
) -> None:
    """Store a FILE of this machine (-: what is piped in) at PATH, in blocks; PATH may be a directory with its slash.

    One that was interrupted can be put again within an hour: what was sent is not sent again.
    """
    if recursive:
        report = session.fs.puttree(file, path, raid=raid, chunking=chunking, block_size=block_size)
        _show_tree(session, report, report["path"])
        return
    size = 0 if file == STANDARD or not Path(file).exists() else Path(file).stat().st_size
    kept = "what was sent is kept for an hour, the same command goes on from there"
    with transfer_bar(session, size, f"put {file}", kept) as progress:
        source = sys.stdin.buffer if file == STANDARD else file
        pointer = session.fs.put(
            source,
            path,
            raid=raid,
            copies=copies,
            version=version,
            chunking=chunking,
            block_size=block_size,
            progress=progress,
        )
    print_json(pointer.to_wire()) if session.json else click.echo(f"{pointer.full_path} {size_text(pointer.size)}")


@click.command()
@click.argument("path")
@click.argument("file", type=click.Path(allow_dash=True), default=".")
@click.option("-r", "--recursive", is_flag=True, help="PATH is a directory: get all files below it.")
@version_option
@as_of_option
@pass_session
def get(session: Session, path: str, file: str, recursive: bool, version: int, as_of: str | None) -> None:
    """Write the bytes of the file at PATH to a FILE of this machine, or into a folder (-: the standard output).

    Each block is verified. One that was interrupted goes on where it was, when it is got to the same FILE again. An
    object is read by its method `read`, or is the bytes or text in its `data`.
    """
    if recursive:
        folder = Path(file) / path.rstrip("/").rpartition("/")[2] if Path(file).is_dir() else Path(file)
        _show_tree(session, session.fs.fetchtree(path, folder, as_of=as_of), str(folder))
        return
    if file == STANDARD:
        session.fs.fetch(path, sys.stdout.buffer, version=version, as_of=as_of)
        return
    kept = "what came is kept beside the target, the same command goes on from there"
    with transfer_bar(session, session.fs.get(path, version, as_of).size, f"get {path}", kept) as progress:
        size = session.fs.fetch(path, file, version=version, as_of=as_of, progress=progress)
    target = Path(file) / path.rpartition("/")[2] if Path(file).is_dir() else Path(file)
    print_json({"file": str(target), "bytes": size}) if session.json else click.echo(f"{target} {size_text(size)}")


@click.command()
@click.argument("path")
@version_option
@as_of_option
@pass_session
def blocks(session: Session, path: str, version: int, as_of: str | None) -> None:
    """List the blocks of a file: where each begins, how large it is, its state, which nodes have it, and its hash."""
    rows = session.fs.blocks(path, False, version, as_of or "")
    if session.json:
        for row in rows:
            print_json(row)
        return
    table = [[str(row["offset"]), size_text(row["size"]), row["state"], _holders(row), row["name"]] for row in rows]
    print_table(table, right=(0, 1))


def _holders(row: FileBlock) -> str:
    return ",".join(sorted({node for whom in row.get("holders", {}).values() for node in whom}))


@click.command()
@click.argument("path")
@version_option
@pass_session
def verify(session: Session, path: str, version: int) -> None:
    """Read all blocks of a file where they are and compare their hashes; exit 1 if some of it cannot be read."""
    with _progress(session, session.fs.get(path, version).size, f"verify {path}") as progress:
        found = session.fs.verify(path, version=version, progress=progress)
    if session.json:
        print_json(found)
    else:
        what = counted(found["blocks"], "block")
        fault = f"{counted(len(found['amiss']), 'block')} of {what} with something lost or damaged"
        click.echo(f"{found['path']} {size_text(found['size'])} {found['layout']}: {fault if found['amiss'] else what}")
        for row in found["amiss"]:
            click.echo(f"  {row['state']} at {row['offset']}: {', '.join(f'{n} {h}' for n, h in row['amiss'].items())}")
    if not found["readable"]:
        sys.exit(1)


@click.command()
@click.argument("path")
@click.option("--raid", type=int, required=True, help="The level: as of put.")
@pass_session
def reshape(session: Session, path: str, raid: int) -> None:
    """Lay down the blocks of a file by another raid level, while it is read and written: a new version of it."""
    with _progress(session, session.fs.get(path).size, f"reshape {path}") as progress:
        pointer = session.fs.reshape(path, raid, progress=progress)
    print_json(pointer.to_wire()) if session.json else click.echo(f"{pointer.full_path} {size_text(pointer.size)}")


@click.command()
@click.argument("path", default="/")
@version_option
@pass_session
def repair(session: Session, path: str, version: int) -> None:
    """Make lost and damaged blocks of a file, or of all files below PATH, again; exit 1 if some of them cannot be had.

    Says of each block what was made of what, and of one that is lost where in the file it is.
    """

    def tell(path: str, row: FileBlock) -> None:
        made = [f"{name} of {how}" for name, how in row.get("made", {}).items()]
        amiss = [f"{name} {how}" for name, how in row["amiss"].items()]
        if session.json:
            print_json({"path": path, **row}) if made or amiss else None
        elif made or amiss:
            click.echo(f"{path} {row['state']} at {row['offset']}: {', '.join(made + amiss)}")

    found = session.fs.repair(path, version=version, progress=tell)
    blocks = sum(len(each["repaired"]) for each in found["files"])
    lost = sum(len(each["lost"]) for each in found["files"])
    if not session.json:
        what = f"{counted(found['blocks'], 'block')} of {counted(found['checked'], 'object')}"
        click.echo(f"{path} {what}: {blocks} repaired, {lost} lost")
    if lost:
        sys.exit(1)


@click.command()
@click.argument("path", default="/")
@click.option("--start", is_flag=True, help="Begin a pass, after the one that goes on.")
@pass_session
def scrub(session: Session, path: str, start: bool) -> None:
    """Tell what the last pass over all blocks of the filesystem of PATH has found, and how far one is that goes on.

    Lost and damaged blocks are made again, as far as that can be.
    """
    found = session.fs.scrub(path, start)
    if session.json:
        print_json(found)
        return
    every = f", every {found['days']:g} days" if found["days"] else ", when asked to"
    click.echo(f"at most {size_text(found['rate'])} a second{every}")
    if found["given_up"]:
        click.echo(f"{counted(found['given_up'], 'copy', 'copies')} beyond the raid levels given up")
    for done in (found["last"], found["now"]):
        if done is not None:
            _print_pass(done)


def _print_pass(done: ScrubInfo) -> None:
    when = f"{date_text(done['begun'])} to {date_text(done['ended'])}" if done["ended"] else "now"
    what = f"{counted(done['blocks'], 'block')}, {size_text(done['size'])}"
    unread = f", {done['unread']} not read" if done["unread"] else ""
    click.echo(f"{when}: {what}: {done['mended']} made again, {done['losses']} lost{unread}")
    for name in done["lost"]:
        click.echo(f"  lost {name}")


def _show_tree(session: Session, report: TreeReport, where: str) -> None:
    """Tell what was put or got; name what has no bytes."""
    if session.json:
        print_json(report)
        return
    click.echo(f"{where} {counted(report['files'], 'file')} {size_text(report['bytes'])}")
    for path in report["skipped"]:
        click.echo(f"{path} has no bytes: left out", err=True)


@contextmanager
def _progress(session: Session, size: int, label: str) -> Iterator[OnProgress | None]:
    """Show a bar on a terminal."""
    if session.json or not sys.stderr.isatty():
        yield None
        return
    with click.progressbar(length=size, label=label, file=sys.stderr, show_pos=False) as bar:
        yield lambda done: bar.update(done - bar.pos)


COMMANDS = (put, get, blocks, verify, reshape, repair, scrub)
