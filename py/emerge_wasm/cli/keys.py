"""Commands for the keys by which machines know each other: keys new, add, list, revoke, rotate.

With --host, add, list, revoke and rotate mean the ring of that node's whole cluster; without, the ring's file here,
which running nodes follow and pass on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from ..clients.keys.credential import KEYS_FOLDER
from ..clients.keys.key_pair import SUFFIX, check_name, make_pair, read_pair, write_pair
from ..clients.keys.known_keys import FILE_NAME, MEMBER, Ring, RingEntry, entry_row, make_entry
from ..errors import EmergeError, Invalid, NotFound
from ..results import KeyRow, RingInfo
from ..stores.block_key import add_key
from .session import Session, pass_session
from .show import print_json, print_table

folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    help=f"Where the ring and this machine's keys are (else {KEYS_FOLDER}).",
)


def rights_options(command: Callable[..., object]) -> Callable[..., object]:
    """What a key's owner may."""
    for option in (
        click.option("--superuser", is_flag=True, help="Everything is allowed to them."),
        click.option("--group", "groups", multiple=True, metavar="GROUP", help="A group they are in; may be repeated."),
        click.option("--member", is_flag=True, help="It is a node's or a relay's, not a person's or program's."),
    ):
        command = option(command)
    return command


@click.group()
def keys() -> None:
    """Say which keys this cluster knows, and make keys."""


@keys.command("new")
@click.argument("name")
@rights_options
@folder_option
@pass_session
def keys_new(
    session: Session, name: str, member: bool, groups: tuple[str, ...], superuser: bool, folder: Path | None
) -> None:
    """Make NAME's key: a secret file here, and its public half in the ring here."""
    folder = folder or KEYS_FOLDER
    path = folder / f"{check_name(name)}{SUFFIX}"
    if path.exists():
        raise Invalid(f"there is a key of {name} at {path}", remedy=f"replace it: emerge keys rotate {name}")
    pair = make_pair(name)
    entry = make_entry(name, pair.public, member, groups, superuser)
    write_pair(path, pair)
    try:
        Ring(folder / FILE_NAME).add(entry)
    except EmergeError:
        path.unlink()
        raise
    if session.json:
        print_json({**entry_row(entry), "file": str(path)})
        return
    print_table([["secret", str(path)], ["public", pair.public], ["elsewhere", _add_command(entry)]])


@keys.command("blocks")
@click.argument("file", type=click.Path(path_type=Path))
@pass_session
def keys_blocks(session: Session, file: Path) -> None:
    """Make a key in FILE, with which a store's blocks are encrypted: STORE-URL?block_key=FILE.

    Where FILE has keys, the new one is used from now on, and blocks that were encrypted with the others stay readable.
    Who loses it loses the blocks: keep a copy of it where the store's are not.
    """
    known = add_key(file)
    print_json({"key": known, "file": str(file)}) if session.json else print_table(
        [["key", known], ["file", str(file)]]
    )


@keys.command("add")
@click.argument("name")
@click.argument("key")
@rights_options
@click.option("--another", is_flag=True, help="NAME has a key already, and keeps it for now.")
@folder_option
@pass_session
def keys_add(
    session: Session,
    name: str,
    key: str,
    member: bool,
    groups: tuple[str, ...],
    superuser: bool,
    another: bool,
    folder: Path | None,
) -> None:
    """Let the public KEY of NAME in; as a node's or relay's, with --member."""
    if _asks_a_node(session, folder):
        _tell(session.fs.addkey(name, key, member, list(groups), superuser, another))
        return
    _ring(folder).add(make_entry(name, key, member, groups, superuser), another=another)


@keys.command("list")
@folder_option
@pass_session
def keys_list(session: Session, folder: Path | None) -> None:
    """List the keys that are known; * means that the secret half is here."""
    asks = _asks_a_node(session, folder)
    rows = session.fs.ring()["keys"] if asks else [entry_row(entry) for entry in _ring(folder).entries()]
    if session.json:
        print_json(rows)
        return
    here = {_public(path) for path in (folder or KEYS_FOLDER).glob(f"*{SUFFIX}")}
    print_table([["*" if row["key"] in here else " ", *_cells(row)] for row in rows])


@keys.command("revoke")
@click.argument("which", metavar="NAME|KEY")
@folder_option
@pass_session
def keys_revoke(session: Session, which: str, folder: Path | None) -> None:
    """Let a key in no longer, or all keys of a name. That is for good; running nodes refuse its next message."""
    if _asks_a_node(session, folder):
        _tell(session.fs.revokekey(which))
        return
    _ring(folder).revoke(which)


@keys.command("rotate")
@click.argument("name")
@folder_option
@pass_session
def keys_rotate(session: Session, name: str, folder: Path | None) -> None:
    """Replace NAME's key here by a new one; the old one is let in until it is revoked."""
    path, ring = (folder or KEYS_FOLDER) / f"{check_name(name)}{SUFFIX}", _ring(folder)
    before = read_pair(path)
    entry = ring.find(before.public)
    if entry is None:
        raise NotFound(f"the ring does not let {name}'s key in", remedy=f"emerge keys add {name} {before.public}")
    pair = make_pair(name)
    fresh = replace(entry, public=pair.public, since="")
    if _asks_a_node(session, folder):  # all let the new key in before anybody shows it
        member = entry.role == MEMBER
        _tell(session.fs.addkey(name, pair.public, member, list(entry.groups), entry.superuser, True))
    if ring.find(pair.public) is None:
        ring.add(fresh, another=True)
    write_pair(path, pair)
    if session.json:
        print_json({**entry_row(fresh), "file": str(path), "before": before.public})
        return
    rows = [["public", pair.public], ["elsewhere", f"{_add_command(fresh)} --another"]]
    print_table([*rows, ["then", f"emerge keys revoke {before.public}"]])


def _ring(folder: Path | None) -> Ring:
    return Ring((folder or KEYS_FOLDER) / FILE_NAME)


def _asks_a_node(session: Session, folder: Path | None) -> bool:
    """Whether the ring of a running cluster is meant, rather than the file here."""
    return folder is None and bool(session.host)


def _tell(found: RingInfo) -> None:
    """Say who does not have a change yet; it is made all the same."""
    if found["missing"]:
        click.echo(f"not heard yet by {', '.join(found['missing'])}: they take it when they are back", err=True)


def _add_command(entry: RingEntry) -> str:
    """What to type at another machine of the cluster."""
    more = [f"--group {group}" for group in entry.groups]
    more += ["--superuser"] if entry.superuser else []
    more += ["--member"] if entry.role == MEMBER else []
    return " ".join(["emerge keys add", entry.name, entry.public, *more])


def _cells(row: KeyRow) -> list[str]:
    rights = "superuser" if row["superuser"] else ",".join(row["groups"]) or "-"
    return [row["role"], row["name"], row["key"], rights, row["since"][:19]]


def _public(path: Path) -> str:
    try:
        return read_pair(path).public
    except EmergeError:
        return ""


COMMANDS = (keys,)
