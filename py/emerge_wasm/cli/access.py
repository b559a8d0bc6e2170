"""Commands on permissions: chmod, chown, whoami."""

from __future__ import annotations

import click

from ..objects import Pointer
from .session import Session, pass_session
from .show import print_fields, print_json

recursive_option = click.option("-r", "--recursive", is_flag=True, help="Directories with all that is in them.")


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("perms")
@click.argument("paths", nargs=-1, required=True)
@recursive_option
@pass_session
def chmod(session: Session, perms: str, paths: tuple[str, ...], recursive: bool) -> None:
    """Set who may do what: PERMS is rwxr-x---, 750, or changes such as g+w,o-r."""
    _print(session, [session.fs.chmod(path, perms, recursive) for path in paths])


@click.command()
@click.argument("owner", metavar="OWNER[:GROUP]")
@click.argument("paths", nargs=-1, required=True)
@recursive_option
@pass_session
def chown(session: Session, owner: str, paths: tuple[str, ...], recursive: bool) -> None:
    """Set the owner, the group (:GROUP), or both."""
    name, sign, group = owner.partition(":")
    _print(session, [session.fs.chown(path, name, group if sign else None, recursive) for path in paths])


def _print(session: Session, pointers: list[Pointer]) -> None:
    if session.json:
        print_json([pointer.to_wire() for pointer in pointers])


@click.command()
@pass_session
def whoami(session: Session) -> None:
    """Tell who the node takes you for."""
    found = session.fs.whoami()
    if session.json:
        print_json(found)
        return
    print_fields({**found, "umask": f"{found['umask']:03o}"})


COMMANDS = (chmod, chown, whoami)
