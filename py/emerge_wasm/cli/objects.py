"""Commands on objects and directories: ls, cat, mkdir, cp, mv, rm, versions, init."""

from __future__ import annotations

import os
from pathlib import Path

import click

from ..clients.setting import DEFAULT_HOST, FILE_NAME, write_settings
from ..errors import Invalid
from .session import Session, pass_session
from .show import date_text, pointer_row, print_fields, print_json, print_table, print_value, size_text


@click.command()
@click.argument("path", default="/")
@click.option("-l", "--long", is_flag=True, help="Permissions, owner, size, version, date, node and class too.")
@pass_session
def ls(session: Session, path: str, long: bool) -> None:
    """List what is in a directory (or one object)."""
    pointer = session.fs.get(path)
    pointers = session.fs.list(path) if pointer.is_directory else [pointer]
    if session.json:
        print_json([p.to_wire() for p in pointers])
    elif long:
        print_table([pointer_row(p) for p in pointers], right=(2, 3))
    else:
        for p in pointers:
            click.echo(p.name + ("/" if p.is_directory else ""))


@click.command()
@click.argument("path")
@click.option("-p", "--pretty", is_flag=True, help="One field a line, for reading.")
@click.option("--version", type=int, default=0, help="An older version.")
@pass_session
def cat(session: Session, path: str, pretty: bool, version: int) -> None:
    """Print an object's state, or one property of it (PATH.field.inner.0)."""
    value = session.fs.cat(path, version)
    if pretty and isinstance(value, dict) and not session.json:
        print_fields(value)
    elif session.json or isinstance(value, (dict, list)):
        print_json(value)
    else:
        print_value(value)


@click.command()
@click.argument("path")
@pass_session
def mkdir(session: Session, path: str) -> None:
    """Make a directory, and those above it."""
    pointer = session.fs.mkdir(path)
    if session.json:
        print_json(pointer.to_wire())


@click.command()
@click.argument("source")
@click.argument("target")
@click.option("-r", "--recursive", is_flag=True, help="A directory with all that is in it.")
@pass_session
def cp(session: Session, source: str, target: str, recursive: bool) -> None:
    """Copy an object, or a directory, to a path or into a directory."""
    pointer = session.fs.cp(source, target, recursive)
    print_json(pointer.to_wire()) if session.json else click.echo(pointer.full_path)


@click.command()
@click.argument("source")
@click.argument("target")
@pass_session
def mv(session: Session, source: str, target: str) -> None:
    """Move an object or a directory to a path or into a directory; its versions stay with it."""
    pointer = session.fs.mv(source, target)
    print_json(pointer.to_wire()) if session.json else click.echo(pointer.full_path)


@click.command()
@click.argument("paths", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Directories with all that is in them.")
@pass_session
def rm(session: Session, paths: tuple[str, ...], recursive: bool) -> None:
    """Remove objects or directories."""
    removed = sum(session.fs.rm(path, recursive) for path in paths)
    if session.json:
        print_json({"removed": removed})


@click.command()
@click.argument("path")
@pass_session
def versions(session: Session, path: str) -> None:
    """List an object's versions, newest first."""
    rows = session.fs.versions(path)
    if session.json:
        print_json(rows)
        return
    cells = [
        [f"v{r['version']}", date_text(r["date"]), r["operation"], r["author"] or "-", size_text(r["size"])]
        for r in rows
    ]
    print_table(cells, right=(0,))


@click.command()
@click.option("--force", is_flag=True, help="Replace the file when it is there.")
@pass_session
def init(session: Session, force: bool) -> None:
    """Write an emerge.ini here that names the node to talk to."""
    path = Path(FILE_NAME)
    if path.exists() and not force:
        raise Invalid(f"{FILE_NAME} is there already", path=FILE_NAME, remedy="replace it with --force")
    host = session.host or os.environ.get("EMERGE_HOST") or DEFAULT_HOST
    write_settings(path, host)
    click.echo(f"wrote {FILE_NAME}: {host}")


COMMANDS = (ls, cat, mkdir, cp, mv, rm, versions, init)
