"""Commands that find: search, searchtext, aggregate, explain, index, GraphQL. No class of what is found is loaded."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import click

from ..clients.searches import Aggregation, SearchStatistics
from ..codec import decode, plain
from ..errors import Invalid
from ..objects import Pointer
from ..operations import Wire
from ..results import IndexRow, ScoredPage, SearchPage
from .code import read_word
from .session import Session, as_of_option, pass_session
from .show import counted, path_text, pointer_row, print_json, print_table, show_value

TEXT_LIMIT = 20
"""How many objects a search for words shows unless more are asked for."""

where_argument = click.argument("expression", default="")


@click.command()
@click.argument("path")
@where_argument
@click.option("--order-by", metavar="FIELD", default="", help="In the order of a field.")
@click.option("--descending", is_flag=True, help="The largest first.")
@click.option("--limit", type=click.IntRange(1), default=None, help="At most so many.")
@click.option("--count", is_flag=True, help="Only how many.")
@click.option("-l", "long", is_flag=True, help="As `ls -l` does.")
@click.option("--show", metavar="FIELD,…", default="", help="Print these fields of each.")
@as_of_option
@pass_session
def search(
    session: Session,
    path: str,
    expression: str,
    order_by: str,
    descending: bool,
    limit: int | None,
    count: bool,
    long: bool,
    show: str,
    as_of: str | None,
) -> None:
    """Find objects at or below PATH: EXPRESSION is Python over the object `o`, as in 'o.unit_price < 3.5'.

    `search FIELD WORDS`, without a path, is `searchtext / FIELD WORDS`.
    """
    if path.isidentifier() and expression:
        _print_scored(session, session.fs.text_pages(path, expression, "/", limit or TEXT_LIMIT))
        return
    if count:
        number = session.fs.count(expression or None, path, as_of=as_of)
        print_json(int(number)) if session.json else click.echo(number)
        _tell_errors(number)
        return
    statistics = SearchStatistics()
    rows = _rows(session.fs.search_pages(expression or None, path, order_by, descending, limit, "", as_of), statistics)
    fields = [name.strip() for name in show.split(",") if name.strip()]
    if session.json:
        for row in rows:
            print_json(row.plain())
    elif long:
        print_table([pointer_row(row.pointer, path_text(row.pointer)) for row in rows], right=(2, 3))
    elif fields:
        print_table([[path_text(row.pointer), *(_field(row.state, name) for name in fields)] for row in rows])
    else:
        for row in rows:
            click.echo(path_text(row.pointer))
    _tell_errors(statistics)


class FoundObject(NamedTuple):
    """An object that was found: its state as plain data; its score, where words were searched for."""

    pointer: Pointer
    state: dict[str, object]
    score: float | None = None

    def plain(self) -> dict[str, object]:
        """What is printed as JSON."""
        row: dict[str, object] = {"pointer": self.pointer.to_wire(), "state": self.state}
        return row if self.score is None else {**row, "score": self.score}


def _rows(pages: Iterable[SearchPage], statistics: SearchStatistics) -> Iterator[FoundObject]:
    for page in pages:
        statistics.add_statistics(page)
        for row in page["objects"]:
            yield FoundObject(Pointer.from_wire(row["pointer"]), decode(row["state"]))


def _scored_rows(pages: Iterable[ScoredPage]) -> Iterator[FoundObject]:
    for page in pages:
        for row in page["objects"]:
            yield FoundObject(Pointer.from_wire(row["pointer"]), decode(row["state"]), row["score"])


def _tell_errors(statistics: SearchStatistics) -> None:
    if number := statistics.errors["count"]:
        first = statistics.errors["first"][0]
        click.secho(f"{counted(number, 'object')} not judged; {first['path']}: {first['error']}", fg="yellow", err=True)


def _field(state: dict[str, object], name: str) -> str:
    return show_value(state[name]) if name in state else "-"


@click.command()
@click.argument("path")
@click.argument("field")
@click.argument("words", nargs=-1, required=True)
@click.option("--limit", type=click.IntRange(1), default=TEXT_LIMIT, show_default=True, help="At most so many.")
@pass_session
def searchtext(session: Session, path: str, field: str, words: tuple[str, ...], limit: int) -> None:
    """Find objects at or below PATH whose FIELD has all WORDS (`wor*`: all that begin so), the best first."""
    _print_scored(session, session.fs.text_pages(field, " ".join(words), path, limit))


def _print_scored(session: Session, pages: Iterable[ScoredPage]) -> None:
    rows = _scored_rows(pages)
    if session.json:
        for row in rows:
            print_json(row.plain())
        return
    print_table([[f"{row.score:.2f}", path_text(row.pointer)] for row in rows], right=(0,))


@click.command()
@click.argument("path")
@click.argument("figures", nargs=-1, required=True)
@click.option("--by", metavar="FIELD,…", default="", help="For each value of these fields.")
@click.option("--where", metavar="EXPRESSION", default="", help="Only of those objects: Python over `o`.")
@as_of_option
@pass_session
def aggregate(session: Session, path: str, figures: tuple[str, ...], by: str, where: str, as_of: str | None) -> None:
    """Print figures over the objects at or below PATH: count, mean:FIELD, percentile:FIELD:95, total=sum:FIELD, …"""
    groups = [name.strip() for name in by.split(",") if name.strip()]
    values = dict(map(_figure, figures))
    rows = session.fs.aggregate(path, groups, where or None, as_of, **values)
    _tell_errors(rows)
    if session.json:
        print_json(rows)
        return
    names = [*groups, *values]
    print_table(
        [names, *([show_value(row[name]) for name in names] for row in rows)], right=range(len(groups), len(names))
    )


def _figure(text: str) -> tuple[str, Aggregation]:
    """`total=sum:revenue` as its name and what it is made of."""
    name, sign, value = text.partition("=")
    parts = (value if sign else text).split(":")
    if not all(parts) or (sign and not name.isidentifier()):
        raise Invalid(
            f"{text!r} is not a figure", remedy="write for example count, mean:price, top=percentile:price:95"
        )
    return name if sign else "_".join(parts), [*parts[:2], *map(read_word, parts[2:])]


@click.command()
@click.argument("path")
@where_argument
@click.option("--order-by", metavar="FIELD", default="", help="As in search.")
@as_of_option
@pass_session
def explain(session: Session, path: str, expression: str, order_by: str, as_of: str | None) -> None:
    """Show how a search would be answered, and which index would help."""
    plan = session.fs.explain(expression or None, path, order_by=order_by, as_of=as_of)
    print_json(plan) if session.json else click.echo(plan["text"])


@click.command()
@click.argument("path", default="/")
@click.argument("fields", nargs=-1)
@click.option("--unique", is_flag=True, help="No two objects may agree in these fields.")
@click.option("--text", is_flag=True, help="Over the words of one field, for searchtext.")
@click.option("--drop", is_flag=True, help="Keep it no longer.")
@click.option("--no-wait", is_flag=True, help="Do not wait until it is built.")
@pass_session
def index(
    session: Session, path: str, fields: tuple[str, ...], unique: bool, text: bool, drop: bool, no_wait: bool
) -> None:
    """Keep an index over FIELDS of the objects at or below PATH; without FIELDS list the indexes there."""
    rows = session.fs.index(path, *fields, unique=unique, text=text, drop=drop, wait=not no_wait)
    if session.json:
        print_json(rows)
        return
    print_table([[row["path"], ", ".join(row["fields"]), _kind(row), _progress(row)] for row in rows])


def _kind(row: IndexRow) -> str:
    return "text" if row["text"] else "unique" if row["unique"] else "-"


def _progress(row: IndexRow) -> str:
    if row["state"] == "building" and row["total"]:
        return f"building, {row['done']} of {counted(row['total'], 'object')}"
    return f"failed: {row['error']}" if row["state"] == "failed" else row["state"]


def graphql_options(command: Callable[..., None]) -> Callable[..., None]:
    """What both commands on GraphQL documents are given."""
    for add in (
        click.option("--operation", metavar="NAME", default="", help="Which of its operations."),
        click.option("--variables", metavar="JSON", default="", help="Its variables."),
        click.argument("document", default=""),
        click.argument("path", metavar="[PATH]"),
    ):
        command = add(command)
    return command


@click.command()
@graphql_options
@pass_session
def graphql(session: Session, path: str, document: str, variables: str, operation: str) -> None:
    """Answer a GraphQL DOCUMENT (- reads it from standard input) over the objects at or below PATH."""
    path, text = _document(path, document)
    answer = session.fs.graphql(text, path, _variables(variables), operation)
    click.echo(json.dumps(plain(answer), ensure_ascii=False, indent=None if session.json else 2))
    if answer.get("errors"):
        sys.exit(1)


@click.command()
@graphql_options
@pass_session
def subscribe(session: Session, path: str, document: str, variables: str, operation: str) -> None:
    """Print the answers to a GraphQL subscription as they come, one a line, until Ctrl-C."""
    path, text = _document(path, document)
    for answer in session.fs.subscribe(text, path, _variables(variables), operation):
        print_json(answer)


def _document(path: str, text: str) -> tuple[str, str]:
    """The path and the document; a document alone is one over all objects."""
    if not text:
        if path.startswith("/"):
            raise Invalid("there is no document", path=path, remedy="give it after the path, or - to read it")
        path, text = "/", path
    return path, sys.stdin.read() if text == "-" else text


def _variables(text: str) -> Wire:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise Invalid(f"the variables are not JSON: {error}", remedy="""write --variables '{"limit": 3}'""") from None
    if not isinstance(found, dict):
        raise Invalid("the variables are not a map", remedy="""write --variables '{"limit": 3}'""")
    return found


COMMANDS = (search, searchtext, aggregate, explain, index, graphql, subscribe)
