"""emerge flow: list, show, work, cancel, resume. What runs flows is imported only by these commands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from .session import Session, pass_session
from .show import counted, date_text, print_json, print_table, show_value

if TYPE_CHECKING:
    from ..flows.replay import StepState


@click.group("flow")
def flow_group() -> None:
    """Durable flows: where they are, and running them."""


@flow_group.command("list")
@click.argument("root", default="/flows")
@pass_session
def list_command(session: Session, root: str) -> None:
    """List the flows in a directory."""
    from ..flows import list_flows

    found = list_flows(session.fs, root)
    if session.json:
        print_json(found)
        return
    rows = [[each["path"].rpartition("/")[2], each["status"], _wake(each["wake"]), each["error"]] for each in found]
    print_table(rows)


@flow_group.command("show")
@click.argument("path")
@pass_session
def show_command(session: Session, path: str) -> None:
    """Show a flow and its steps."""
    from ..flows import flow_status

    found = flow_status(session.fs, path)
    if session.json:
        print_json(found)
        return
    click.echo(f"{path}  {found['status']}" + (f": {found['error']}" if found["error"] else ""))
    print_table([_step_row(each) for each in found["steps"]])


def _step_row(state: StepState) -> list[str]:
    tried = counted(state["attempts"], "attempt") if state["attempts"] else ""
    outcome = show_value(state["result"]) if state["status"] == "done" else _wake(state["wake"]) or state["error"]
    return [f"  {state['number']}", state["step"], state["status"], tried, outcome]


def _wake(moment: str) -> str:
    return f"until {date_text(moment)}" if moment else ""


@flow_group.command("work")
@click.argument("root", default="/flows")
@click.option("--engine", default="", metavar="dask://HOST:PORT", help="Run them on the workers of an engine.")
@click.option("--until-idle", is_flag=True, help="End when all have ended.")
@pass_session
def work_command(session: Session, root: str, engine: str, until_idle: bool) -> None:
    """Run all flows in a directory that are due, until Ctrl-C. Their code runs here, with your rights."""
    from ..flows import work

    work(session.fs, root, engine=engine, until_idle=until_idle)


@flow_group.command("cancel")
@click.argument("path")
@pass_session
def cancel_command(session: Session, path: str) -> None:
    """Have a flow go on no further."""
    from ..flows import cancel

    _tell(session, cancel(session.fs, path), "cancelled", f"{path} has ended already")


@flow_group.command("resume")
@click.argument("path")
@pass_session
def resume_command(session: Session, path: str) -> None:
    """Have a flow that failed or was cancelled go on, at the step that failed."""
    from ..flows import resume

    _tell(session, resume(session.fs, path), "ready", f"{path} has not failed")


def _tell(session: Session, done: bool, what: str, otherwise: str) -> None:
    print_json(done) if session.json else click.echo(what if done else otherwise)


COMMANDS = (flow_group,)
