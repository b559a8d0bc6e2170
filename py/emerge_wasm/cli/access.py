"""Commands on permissions and trust: chmod, chown, whoami, trust."""

from __future__ import annotations

import click

from ..errors import NotFound
from ..objects import Pointer
from .session import Session, pass_session
from .show import print_fields, print_json, print_table

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


@click.command()
@click.argument("who", nargs=-1)
@click.option("--all-of-group", "groups", multiple=True, metavar="GROUP", help="All who are in this group.")
@click.option("--everyone", is_flag=True, help="Everybody: every class that is stored there runs as you.")
@click.option("--remove", is_flag=True, help="Trust them no more.")
@pass_session
def trust(session: Session, who: tuple[str, ...], groups: tuple[str, ...], everyone: bool, remove: bool) -> None:
    """Trust WHO to run classes in your own programs; without arguments: whom you trust.

    WHO is a principal's name, at the node that `-h` names and no other, or the hash of a class. A class that loads in a
    program of yours can do all that you can do on this machine. Yours need no trust, nor does what runs on the node.
    """
    from ..clients.transports.address import find_address
    from ..clients.trust import entries_for, read_trusted, write_trusted

    named = entries_for([*who, *(f"@{group}" for group in groups), *["*"] * everyone], find_address(session.host))
    known = read_trusted()
    if not named:
        print_json([each._asdict() for each in known]) if session.json else print_table([[*each] for each in known])
        return
    unknown = [each for each in named if each not in known]
    if remove and unknown:
        raise NotFound(f"you do not trust {unknown[0]}", remedy="emerge trust lists whom you trust")
    write_trusted([each for each in known if each not in named] if remove else [*known, *unknown])


COMMANDS = (chmod, chown, whoami, trust)
