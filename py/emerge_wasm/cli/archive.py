"""Commands that write and read files: export, import."""

from __future__ import annotations

from typing import cast

import click

from ..clients.exchange import Format
from ..errors import Invalid
from .session import Session, pass_session
from .show import counted, print_json

FORMATS = ("emerge", "json", "jsonl", "csv")


@click.command()
@click.argument("path")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option("--format", "format", type=click.Choice(FORMATS), help="Else what the file's name ends in, or emerge.")
@click.option("--newest", is_flag=True, help="Leave older versions out of an archive.")
@pass_session
def export(session: Session, path: str, file: str, format: str | None, newest: bool) -> None:
    """Write all at or below PATH to an archive, with versions, classes and permissions; or fields as JSON, JSON lines
    or CSV, which says what of which field is lost."""
    fs, format = session.fs, format or format_of(file)
    if newest and format != "emerge":
        raise Invalid(f"{format} holds no versions", remedy="leave --newest out")
    if format == "emerge":
        count, lost = fs.export(path, file, not newest)["records"], {}
    else:
        report = fs.export_fields(path, file, cast("Format", format))
        count, lost = report.count, report.told()
    what = counted(count, "record" if format == "emerge" else "object")
    if session.json:
        print_json({"exported": count, "file": file, **({"lost": lost} if lost else {})})
        return
    click.echo(f"{what} to {file}")
    for field, said in lost.items():
        click.echo(f"not exact: {field}: {said}", err=True)


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.argument("path", default="/")
@click.option("--format", "format", type=click.Choice(FORMATS), help="Else what the file's name ends in, or emerge.")
@pass_session
def import_command(session: Session, file: str, path: str, format: str | None) -> None:
    """Store what a file of `export` holds below PATH."""
    fs, format = session.fs, format or format_of(file)
    count = fs.load(file, path) if format == "emerge" else fs.load_fields(file, path, cast("Format", format))
    what = counted(count, "entry", "entries")
    print_json({"imported": count}) if session.json else click.echo(f"{what} to {path}")


def format_of(file: str) -> str:
    """The format that a file's name says."""
    ending = file.rpartition(".")[2].lower().replace("ndjson", "jsonl")
    return ending if ending in FORMATS else "emerge"


COMMANDS = (export, import_command)
