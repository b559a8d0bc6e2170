"""Requests of the page that find: by predicate and by GraphQL; how a search would be answered. Nothing runs but what a
predicate names beyond comparisons, and that is asked for."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Any

from ...clients.searches import wire_predicate
from ...codec import decode, show
from ...errors import EmergeError, Invalid
from ...objects import METADATA

if TYPE_CHECKING:
    from ..tab import Tab

Message = dict[str, Any]

SHOWN = 4  # fields of a row
LONGEST = 80  # characters of a value in a row


async def search(tab: Tab, args: Message) -> Message:
    """A page of the objects for which an expression over `o` is true, with the fields it names first."""
    place, text = tab.switch.find(args["where"]), args["text"].strip()
    predicate, _ = wire_predicate(text or None)
    started = time.perf_counter()
    asked = [args["path"], predicate, args["order"], args["descending"], args["limit"], args["cursor"]]
    page = await place.call("search", asked)
    named = re.findall(r"\bo\.(\w+)", text)
    return {
        "rows": [{"pointer": row["pointer"], "fields": _fields(row["state"], named)} for row in page["objects"]],
        "cursor": page["cursor"],
        "scanned": page["scanned"],
        "errors": page["errors"],
        "milliseconds": (time.perf_counter() - started) * 1000,
    }


def _fields(state: bytes | None, named: list[str]) -> list[list[str]]:
    """[name, value as text] of the fields that say most about an object."""
    try:
        values = decode(state) if state else {}
    except EmergeError:
        return []
    names = dict.fromkeys([*(name for name in named if name in values), *values])
    shown = [name for name in names if name not in METADATA and (name in named or name not in ("id", "data"))]
    return [[name, _short(show(values[name]))] for name in shown[:SHOWN]]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


async def count(tab: Tab, args: Message) -> Message:
    predicate, _ = wire_predicate(args["text"].strip() or None)
    counted: Message = await tab.switch.find(args["where"]).call("count", [args["path"], predicate])
    return counted


async def explain(tab: Tab, args: Message) -> Message:
    predicate, _ = wire_predicate(args["text"].strip() or None)
    plan = await tab.switch.find(args["where"]).call("explain", [args["path"], predicate, args["order"]])
    return {name: plan[name] for name in ("text", "scans", "of", "code", "suggestion")}


async def graphql(tab: Tab, args: Message) -> Message:
    """The answer to a GraphQL document, as JSON to read."""
    try:
        variables = json.loads(args["variables"] or "{}")
    except ValueError as error:
        raise Invalid(f"the variables are not JSON: {error}", remedy='write {"name": "value"}') from None
    started = time.perf_counter()
    answer = await tab.switch.find(args["where"]).call("graphql", [args["path"], args["query"], variables, ""])
    text = json.dumps(answer, indent=2, ensure_ascii=False, default=str)
    return {
        "text": text[:1_000_000],
        "failed": bool(answer.get("errors")),
        "milliseconds": (time.perf_counter() - started) * 1000,
    }


HANDLERS = {"search": search, "count": count, "explain": explain, "graphql": graphql}
