"""Commands for the keys by which machines know each other: keys new, add, list, revoke, rotate.

They change files only; running nodes follow these.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click

from ..clients.keys.credential import KEYS_FOLDER
from ..clients.keys.key_pair import SUFFIX, check_name, make_pair, read_pair, write_pair
from ..clients.keys.known_keys import CLIENT, FILE_NAME, MEMBER, Ring, RingEntry, entry_row
from ..errors import EmergeError, Invalid, NotFound
from .session import Session, pass_session
from .show import print_json, print_table

folder_option = click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path),
    default=KEYS_FOLDER,
    show_default=True,
    help="Where the ring and this machine's keys are.",
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
def keys_new(session: Session, name: str, member: bool, groups: tuple[str, ...], superuser: bool, folder: Path) -> None:
    """Make NAME's key: a secret file here, and its public half in the ring here."""
    path = folder / f"{check_name(name)}{SUFFIX}"
    if path.exists():
        raise Invalid(f"there is a key of {name} at {path}", remedy=f"replace it: emerge keys rotate {name}")
    pair = make_pair(name)
    entry = _entry(name, pair.public, member, groups, superuser)
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


@keys.command("add")
@click.argument("name")
@click.argument("key")
@rights_options
@click.option("--another", is_flag=True, help="NAME has a key already, and keeps it for now.")
@folder_option
def keys_add(
    name: str, key: str, member: bool, groups: tuple[str, ...], superuser: bool, another: bool, folder: Path
) -> None:
    """Let the public KEY of NAME in; as a node's or relay's, with --member."""
    entry = _entry(name, key.lower(), member, groups, superuser)
    Ring(folder / FILE_NAME).add(entry, another=another)


@keys.command("list")
@folder_option
@pass_session
def keys_list(session: Session, folder: Path) -> None:
    """List the keys that are known here; * means that the secret half is here."""
    entries = Ring(folder / FILE_NAME).entries()
    if session.json:
        print_json([entry_row(entry) for entry in entries])
        return
    here = {_public(path) for path in folder.glob(f"*{SUFFIX}")}
    print_table([["*" if entry.public in here else " ", *_cells(entry)] for entry in entries])


@keys.command("revoke")
@click.argument("which", metavar="NAME|KEY")
@folder_option
def keys_revoke(which: str, folder: Path) -> None:
    """Let a key in no longer, or all keys of a name. That is for good; running nodes refuse its next message."""
    Ring(folder / FILE_NAME).revoke(which)


@keys.command("rotate")
@click.argument("name")
@folder_option
@pass_session
def keys_rotate(session: Session, name: str, folder: Path) -> None:
    """Replace NAME's key here by a new one; the old one is let in until it is revoked."""
    path, ring = folder / f"{check_name(name)}{SUFFIX}", Ring(folder / FILE_NAME)
    before = read_pair(path)
    entry = ring.find(before.public)
    if entry is None:
        raise NotFound(f"the ring does not let {name}'s key in", remedy=f"emerge keys add {name} {before.public}")
    pair = make_pair(name)
    fresh = replace(entry, public=pair.public, since="")
    ring.add(fresh, another=True)
    write_pair(path, pair)
    if session.json:
        print_json({**entry_row(fresh), "file": str(path), "before": before.public})
        return
    rows = [["public", pair.public], ["elsewhere", f"{_add_command(fresh)} --another"]]
    print_table([*rows, ["then", f"emerge keys revoke {before.public}"]])


def _entry(name: str, key: str, member: bool, groups: tuple[str, ...], superuser: bool) -> RingEntry:
    if member and (groups or superuser):
        raise Invalid("a member has every right, and no groups", remedy="leave --group and --superuser out")
    return RingEntry(MEMBER if member else CLIENT, name, key, groups, superuser)


def _add_command(entry: RingEntry) -> str:
    """What to type at another machine of the cluster."""
    more = [f"--group {group}" for group in entry.groups]
    more += ["--superuser"] if entry.superuser else []
    more += ["--member"] if entry.role == MEMBER else []
    return " ".join(["emerge keys add", entry.name, entry.public, *more])


def _cells(entry: RingEntry) -> list[str]:
    rights = "superuser" if entry.superuser else ",".join(entry.groups) or "-"
    return [entry.role, entry.name, entry.public, rights, entry.since[:19]]


def _public(path: Path) -> str:
    try:
        return read_pair(path).public
    except EmergeError:
        return ""


COMMANDS = (keys,)
