"""Commands on the past: versions, diff, restore, retain."""

from __future__ import annotations

import click

from .session import Session, as_of_option, pass_session, version_option
from .show import date_text, print_json, print_table, print_value, show_value, size_text


@click.command()
@click.argument("path")
@as_of_option
@pass_session
def versions(session: Session, path: str, as_of: str | None) -> None:
    """List an object's versions, newest first."""
    rows = session.fs.versions(path, as_of=as_of)
    if session.json:
        print_json(rows)
        return
    cells = [
        [f"v{r['version']}", date_text(r["date"]), r["operation"], r["author"] or "-", size_text(r["size"])]
        for r in rows
    ]
    print_table(cells, right=(0,))


@click.command()
@click.argument("path")
@click.argument("before", type=int)
@click.argument("after", type=int, default=0)
@pass_session
def diff(session: Session, path: str, before: int, after: int) -> None:
    """Show what differs between two versions of an object, field by field; AFTER is the newest unless given."""
    found = session.fs.diff(path, before, after)
    if session.json:
        print_json(found)
        return
    for row in found["fields"]:
        if "before" in row:
            click.echo(f"- {row['field']}  {show_value(row['before'])}")
        if "after" in row:
            click.echo(f"+ {row['field']}  {show_value(row['after'])}")


@click.command()
@click.argument("path")
@version_option
@as_of_option
@pass_session
def restore(session: Session, path: str, version: int, as_of: str | None) -> None:
    """Make an older version the newest one, or bring back what was removed last from PATH."""
    pointer = session.fs.restore(path, version, as_of)
    print_json(pointer.to_wire()) if session.json else click.echo(f"{pointer.full_path} v{pointer.version}")


@click.command()
@click.argument("path")
@click.argument("keep", required=False)
@pass_session
def retain(session: Session, path: str, keep: str | None) -> None:
    """Say how many versions of the objects in a directory are kept: all, 10, "30 days", or "" as the one above."""
    kept = session.fs.retain(path, keep)
    print_json(kept) if session.json else print_value(kept)


COMMANDS = (versions, diff, restore, retain)
