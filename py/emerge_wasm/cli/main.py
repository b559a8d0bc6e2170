"""`emerge`: the group of all commands, and how errors are shown. The commands stand in the modules beside this one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable
from importlib import import_module

import click

from ..errors import EmergeError, InconsistentAnswer, PartialAnswer, StaleAnswer, WrongBytes
from .session import Session

COMMANDS = {
    "access": "chmod chown trust whoami",
    "archive": "export import",
    "changes": "changes watch",
    "check": "check",
    "cluster": "cluster hello holdings mount nodes promote replicate unmount volumes whohas",
    "code": "code help methods",
    "files": "blocks get put repair reshape scrub verify",
    "flow": "flow",
    "keys": "keys",
    "objects": "add cat cp init ls mixin mkdir mv references rm tree update",
    "run": "call query receipts",
    "search": "aggregate explain graphql index search searchtext subscribe",
    "server": "node relay session token up",
    "transaction": "begin commit rollback",
    "versions": "diff purge restore retain versions",
}
"""The modules beside this one, and the commands of each: only that of the command which is run is imported."""

MODULES = {command: module for module, commands in COMMANDS.items() for command in commands.split()}

EXIT_CODES = {"NotFound": 4, "Conflict": 5, "PermissionDenied": 6, "Invalid": 2, "Unavailable": 7}


class EmergeGroup(click.Group):
    """A group that shows Emerge's own errors as one line with the remedy, and exits with a code for each kind.

    Imports a command's module when it is asked for.
    """

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*MODULES, *(str(command.name) for command in _plain())})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        known = import_module(f".{MODULES[name]}", __package__).COMMANDS if name in MODULES else _plain()
        return next((command for command in known if command.name == name), None)

    def invoke(self, context: click.Context) -> object:
        try:
            with warnings.catch_warnings():
                for kind in (InconsistentAnswer, PartialAnswer, StaleAnswer, WrongBytes):
                    warnings.simplefilter("always", kind)
                warnings.showwarning = show_warning
                return super().invoke(context)
        except EmergeError as error:
            session = context.obj
            if isinstance(session, Session) and session.debug:
                raise
            show_error(error, as_json=isinstance(session, Session) and session.json)
            sys.exit(EXIT_CODES.get(error.code, 1))


def _plain() -> Iterable[click.Command]:
    from .plain import plain_commands

    return plain_commands(MODULES)


def show_warning(message: Warning | str, *_: object, **__: object) -> None:
    """Show a warning as one line."""
    click.secho(f"warning: {message}", fg="yellow", err=True)


def show_error(error: EmergeError, *, as_json: bool) -> None:
    if as_json:
        wire = error.to_wire()
        wire["details"] = {name: error.details[name] for name in ("limit", "traceback") if name in error.details}
        from .show import print_json

        print_json({"error": wire}, err=True)
        return
    click.secho(f"error: {error.message}", fg="red", err=True)
    if "traceback" in error.details:
        click.echo(str(error.details["traceback"]).rstrip(), err=True)
    if error.remedy:
        click.echo(f"  {error.remedy}", err=True)


@click.group(cls=EmergeGroup, context_settings={"help_option_names": ["--help"]})
@click.option(
    "-h",
    "--host",
    metavar="HOST:PORT",
    help="The node to talk to, or several: a,b (else EMERGE_HOST, emerge.ini, 127.0.0.1:5558).",
)
@click.option("--key", metavar="NAME|FILE", help="Your key, for a node that wants one (else EMERGE_KEY, emerge.ini).")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for machines.")
@click.option("--debug", is_flag=True, help="Show Python tracebacks of errors.")
@click.option("--transaction", metavar="NAME", default="", help="Be part of that open transaction (see begin).")
@click.option("--as", "user", metavar="USER", default="", help="On behalf of that user; only a superuser may.")
@click.option("--group", "groups", metavar="GROUP", multiple=True, help="With --as: a group of theirs; repeatable.")
@click.option("--umask", metavar="OCTAL", default="", help="The rights that new things do not get (else 027).")
@click.option(
    "--max-age", type=click.FloatRange(0), metavar="SECONDS", help="A copy nearby may answer, which is at most so old."
)
@click.version_option(package_name="emerge-wasm")
@click.pass_context
def main(
    context: click.Context,
    host: str | None,
    as_json: bool,
    debug: bool,
    transaction: str,
    user: str,
    groups: tuple[str, ...],
    umask: str,
    key: str | None,
    max_age: float | None,
) -> None:
    """An object filesystem for Python: store objects at paths, read them, run their methods."""
    context.obj = Session(host, as_json, debug, transaction, user, groups, umask, key, max_age)
