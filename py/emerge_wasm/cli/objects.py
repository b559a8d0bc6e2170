"""Commands on objects and directories: ls, tree, cat, update, add, mixin, references, mkdir, cp, mv, rm, init."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from ..errors import Invalid, NotFound
from .session import Session, as_of_option, pass_session, version_option
from .show import path_text, pointer_row, print_fields, print_json, print_table, print_value

if TYPE_CHECKING:
    from ..objects import Pointer


@click.command()
@click.argument("path", default="/")
@click.option("-l", "--long", is_flag=True, help="Permissions, owner, size, version, date, node and class too.")
@click.option("-d", "--directory", is_flag=True, help="The directory itself, not what is in it.")
@as_of_option
@pass_session
def ls(session: Session, path: str, long: bool, directory: bool, as_of: str | None) -> None:
    """List what is in a directory (or one object); /registry lists by uuid, what was removed too."""
    registry = path.rstrip("/") == "/registry"
    pointers: list[Pointer] = [] if registry else [session.pointers.get(path, as_of=as_of)]
    if registry or (pointers[0].is_directory and not directory):
        pointers = session.pointers.list(path, as_of=as_of)
    if session.json:
        print_json([p.to_wire() for p in pointers])
        return
    names = [_registry_name(p) if registry else p.name + "/" * p.is_directory for p in pointers]
    if long:
        rows = [pointer_row(p, name) for p, name in zip(pointers, names, strict=True)]
        print_table(rows, right=(2, 3))
    else:
        for name in names:
            click.echo(name)


def _registry_name(pointer: Pointer) -> str:
    return f"{pointer.uuid}  {path_text(pointer)}" + ("  (removed)" if pointer.removed else "")


@click.command()
@click.argument("path")
@click.option("-p", "--pretty", is_flag=True, help="One field a line, for reading.")
@version_option
@as_of_option
@pass_session
def cat(session: Session, path: str, pretty: bool, version: int, as_of: str | None) -> None:
    """Print an object's state, or one property of it (PATH.field.inner.0)."""
    value = session.fs.cat(path, version, as_of)
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
@click.argument("changes", nargs=-1, required=True, metavar="FIELD=VALUE…")
@click.option(
    "--version", type=int, default=0, help="The version that you saw: a Conflict when it overlaps newer ones."
)
@pass_session
def update(session: Session, path: str, changes: tuple[str, ...], version: int) -> None:
    """Set fields of an object: VALUE is a Python literal, a plain word, or @/path for a reference."""
    fields = {}
    for change in changes:
        name, sign, value = change.partition("=")
        if not sign or not name:
            raise Invalid(f"{change!r} is not FIELD=VALUE", remedy="write price=3.0")
        fields[name] = _read_value(session, value)
    pointer = session.fs.update(path, version, **fields)
    print_json(pointer.to_wire()) if session.json else click.echo(f"v{pointer.version}")


@click.command()
@click.argument("path")
@click.argument("field")
@click.argument("values", nargs=-1, required=True, metavar="VALUE…")
@pass_session
def add(session: Session, path: str, field: str, values: tuple[str, ...]) -> None:
    """Append to the list that a field is: VALUE is a Python literal, a plain word, /path for a copy of the object
    there, or @/path for a reference to it."""
    pointer = session.fs.add(path, field, *(_read_added(session, value) for value in values))
    print_json(pointer.to_wire()) if session.json else click.echo(f"v{pointer.version}")


def _read_added(session: Session, text: str) -> object:
    if not text.startswith("/"):
        return _read_value(session, text)
    try:
        return session.fs.record(text)
    except NotFound as error:
        quoted = f"to add the text, write it as a literal: \"'{text}'\""
        raise NotFound(error.message, path=error.path, remedy=quoted) from None


def _read_value(session: Session, text: str) -> object:
    from .code import read_word

    return session.fs.reference(text[1:]) if text.startswith("@/") else read_word(text)


@click.command()
@click.argument("first")
@click.argument("second")
@click.argument("class_name", metavar="CLASS")
@click.argument("name")
@click.argument("path", default="/")
@click.option("-p", "--path", "where", default=None, metavar="PATH", help="The same as the argument.")
@pass_session
def mixin(session: Session, first: str, second: str, class_name: str, name: str, path: str, where: str | None) -> None:
    """Store, as NAME in PATH, an object of a new class CLASS that has the state and methods of two objects."""
    pointer = session.fs.mixin(first, second, class_name, name, where or path)
    print_json(pointer.to_wire()) if session.json else click.echo(pointer.full_path)


@click.command()
@click.argument("path")
@click.option("--back", is_flag=True, help="The objects that refer to this one.")
@pass_session
def references(session: Session, path: str, back: bool) -> None:
    """List the objects that an object refers to."""
    _print_paths(session, session.fs.references(path, back))


@click.command()
@click.argument("path", default="/")
@as_of_option
@pass_session
def tree(session: Session, path: str, as_of: str | None) -> None:
    """List everything below a directory."""
    _print_paths(session, session.fs.tree(path, as_of))


def _print_paths(session: Session, pointers: Iterable[Pointer]) -> None:
    if session.json:
        print_json([pointer.to_wire() for pointer in pointers])
        return
    for pointer in pointers:
        click.echo(path_text(pointer))


@click.command()
@click.option("--force", is_flag=True, help="Replace the file when it is there.")
@click.option("-h", "--host", default="", metavar="HOST", help="The node's host, else that of the global -h.")
@click.option("-p", "--port", default="", metavar="PORT", help="The node's port.")
@pass_session
def init(session: Session, force: bool, host: str, port: str) -> None:
    """Write an emerge.ini here that names the node to talk to."""
    from pathlib import Path

    from ..clients.transports.address import DEFAULT_HOST, FILE_NAME, write_settings

    path = Path(FILE_NAME)
    if path.exists() and not force:
        raise Invalid(f"{FILE_NAME} is there already", path=FILE_NAME, remedy="replace it with --force")
    host = host or session.host or os.environ.get("EMERGE_HOST") or DEFAULT_HOST
    host = f"{host.rpartition(':')[0] or host}:{port}" if port else host
    write_settings(path, host)
    click.echo(f"wrote {FILE_NAME}: {host}")


COMMANDS = (ls, tree, cat, update, add, mixin, references, mkdir, cp, mv, rm, init)
