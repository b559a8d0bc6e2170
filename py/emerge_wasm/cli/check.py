"""The command that checks a whole store: check."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import click

from ..errors import NotFound
from ..stores import open_store
from .session import Session, pass_session
from .show import counted, print_json, print_table

if TYPE_CHECKING:
    from ..filesystem.check.audit import Report


@click.command()
@click.argument("store", metavar="STORE-URL")
@pass_session
def check(session: Session, store: str) -> None:
    """Check that objects, directories, indexes and log of a store agree; exit with 1 when not.

    Reads all of it, so no node should be writing to it meanwhile.
    """
    path = store.removeprefix("sqlite:///").partition("?")[0]
    if store.startswith("sqlite:") and not os.path.exists(path):
        raise NotFound(f"there is no store {store}", path=path, remedy="check its name")
    report = asyncio.run(_audit(store))
    if session.json:
        print_json({"counts": report.counts, "faults": report.faults})
    else:
        print_table([[str(number), what] for what, number in report.counts.items()], right=(0,))
        for fault in report.faults:
            click.secho(f"fault: {fault}", fg="red", err=True)
        click.echo(counted(len(report.faults), "fault") if report.faults else "no fault")
    if report.faults:
        sys.exit(1)


async def _audit(url: str) -> Report:
    from ..filesystem.check.audit import audit  # the filesystem takes as long to import as the rest of the command line

    opened = await open_store(url)
    try:
        return await audit(opened)
    finally:
        await opened.close()


COMMANDS = (check,)
