"""Commands on an object's code: methods, code, help."""

from __future__ import annotations

import click

from ..codec import read_literal
from ..errors import Invalid
from .session import Session, as_of_option, pass_session, version_option
from .show import print_json


@click.command()
@click.argument("path")
@version_option
@as_of_option
@pass_session
def methods(session: Session, path: str, version: int, as_of: str | None) -> None:
    """List the methods of an object."""
    rows = session.fs.methods(path, version, as_of)
    if session.json:
        print_json(rows)
        return
    for row in rows:
        summary = row["doc"].strip().split("\n")[0]
        click.echo(f"{row['name']}{row['signature']}" + (f"  # {summary}" if summary else ""))


@click.command()
@click.argument("path")
@click.argument("method", default="")
@version_option
@as_of_option
@click.option("--bundle", is_flag=True, help="Print all that was shipped with the class, values of constants too.")
@pass_session
def code(session: Session, path: str, method: str, version: int, as_of: str | None, bundle: bool) -> None:
    """Print the source of an object's class, or of one method."""
    source = session.fs.code(path, method, version, as_of, bundle)
    print_json(source) if session.json else click.echo(source.rstrip("\n"))


@click.command("help")
@click.argument("path")
@click.argument("method", default="")
@version_option
@as_of_option
@pass_session
def help_command(session: Session, path: str, method: str, version: int, as_of: str | None) -> None:
    """Print the documentation of an object's class, or of one method."""
    text = session.fs.help(path, method, version, as_of)
    print_json(text) if session.json else click.echo(text.rstrip("\n"))


def read_arguments(arguments: tuple[str, ...]) -> tuple[list[object], dict[str, object]]:
    """Positional and named arguments from the words of a command line."""
    args: list[object] = []
    kwargs: dict[str, object] = {}
    for text in arguments:
        name, sign, value = text.partition("=")
        if sign and name.isidentifier():
            kwargs[name] = read_word(value)
        elif kwargs:
            raise Invalid(f"{text!r} comes after a named argument", remedy="put positional arguments first")
        else:
            args.append(read_word(text))
    return args, kwargs


def read_word(text: str) -> object:
    """A Python literal, or else the word as it is."""
    try:
        value: object = read_literal(text)
        return value
    except Invalid:
        return text


COMMANDS = (methods, code, help_command)
