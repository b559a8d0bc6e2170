"""Requests that search objects, by predicate and by GraphQL. Code in a predicate needs consent before it runs."""

from __future__ import annotations

import json
import re
import time

from ...clients.searches import wire_predicate
from ...codec import decode, show
from ...errors import EmergeError, Invalid
from ...objects import METADATA
from ...results import GraphQLAnswer, PlanInfo, SearchCount, SearchPage
from ..protocol import (
    CountArgs,
    CountResult,
    ExplainArgs,
    FoundPage,
    GraphQLArgs,
    GraphQLText,
    PlanView,
    SearchArgs,
)
from ..tab import Tab

SHOWN = 4  # fields of a row
LONGEST = 80  # characters of a value in a row
TEXT_LIMIT = 1_000_000  # characters of a GraphQL answer


async def search(tab: Tab, args: SearchArgs) -> FoundPage:
    """Find a page of the objects for which an expression over `o` is true; fields that it names come first."""
    text = args["text"].strip()
    predicate, _ = wire_predicate(text or None)
    started = time.perf_counter()
    asked = [args["path"], predicate, args["order"], args["descending"], args["limit"], args["cursor"]]
    page: SearchPage = await tab.find(args).call("search", asked)
    named = re.findall(r"\bo\.(\w+)", text)
    return {
        "rows": [{"pointer": row["pointer"], "fields": _fields(row["state"], named)} for row in page["objects"]],
        "cursor": page["cursor"],
        "scanned": page["scanned"],
        "errors": page["errors"],
        "missing": page.get("missing", []),
        "stale": page.get("stale", ""),
        "milliseconds": (time.perf_counter() - started) * 1000,
    }


def _fields(state: bytes | None, named: list[str]) -> list[tuple[str, str]]:
    """Select the fields of a state to show in a row: those named by the expression first."""
    try:
        values = decode(state) if state else {}
    except EmergeError:
        return []
    names = dict.fromkeys([*(name for name in named if name in values), *values])
    shown = [name for name in names if name not in METADATA and (name in named or name not in ("id", "data"))]
    return [(name, _short(show(values[name]))) for name in shown[:SHOWN]]


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


async def count(tab: Tab, args: CountArgs) -> CountResult:
    predicate, _ = wire_predicate(args["text"].strip() or None)
    counted: SearchCount = await tab.find(args).call("count", [args["path"], predicate])
    return {"count": counted["count"], "scanned": counted["scanned"], "errors": counted["errors"]}


async def explain(tab: Tab, args: ExplainArgs) -> PlanView:
    predicate, _ = wire_predicate(args["text"].strip() or None)
    plan: PlanInfo = await tab.find(args).call("explain", [args["path"], predicate, args["order"]])
    return {
        "text": plan["text"],
        "scans": plan["scans"],
        "of": plan["of"],
        "code": plan["code"],
        "suggestion": plan["suggestion"],
    }


async def graphql(tab: Tab, args: GraphQLArgs) -> GraphQLText:
    try:
        variables = json.loads(args["variables"] or "{}")
    except ValueError as error:
        raise Invalid(f"the variables are not JSON: {error}", remedy='write {"name": "value"}') from None
    started = time.perf_counter()
    answer: GraphQLAnswer = await tab.find(args).call("graphql", [args["path"], args["query"], variables, ""])
    text = json.dumps(answer, indent=2, ensure_ascii=False, default=str)
    return {
        "text": text[:TEXT_LIMIT],
        "failed": bool(answer.get("errors")),
        "milliseconds": (time.perf_counter() - started) * 1000,
    }
