"""Requests about searches: the plan of one, and GraphQL. What a search finds is a table (`table`)."""

from __future__ import annotations

import json
import time

from ...clients.searches import wire_predicate
from ...errors import Invalid
from ...results import GraphQLAnswer, PlanInfo
from ..protocol import ExplainArgs, GraphQLArgs, GraphQLText, PlanView
from ..tab import Tab

TEXT_LIMIT = 1_000_000  # characters of a GraphQL answer


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
