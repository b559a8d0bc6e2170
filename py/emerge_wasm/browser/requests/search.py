"""Requests about searches: the plan of one, and GraphQL. What a search finds is a table (`table`)."""

from __future__ import annotations

import json
import time

from ...clients.searches import wire_predicate
from ...errors import Invalid
from ...results import GraphQLAnswer, PlanInfo
from ..protocol.argument import ExplainArgs, GraphQLArgs, PathArgs
from ..protocol.view import GraphQLText, PlanView, SchemaText
from ..tab import Tab

TEXT_LIMIT = 1_000_000  # characters of a GraphQL answer

_TYPE = "kind name " + "ofType { kind name " * 6 + "}" * 6
_INPUT = f"name description defaultValue type {{ {_TYPE} }}"
INTROSPECTION = f"""{{ __schema {{
  queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }}
  types {{
    kind name description interfaces {{ {_TYPE} }} possibleTypes {{ {_TYPE} }} inputFields {{ {_INPUT} }}
    enumValues {{ name description }} fields {{ name description args {{ {_INPUT} }} type {{ {_TYPE} }} }}
  }}
  directives {{ name description locations args {{ {_INPUT} }} }}
}} }}"""
"""All that clients build a schema from. graphql-core would write it, too: it is not loaded for the cluster's."""


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


async def schema(tab: Tab, args: PathArgs) -> SchemaText:
    answer: GraphQLAnswer = await tab.find(args).call("graphql", [args["path"], INTROSPECTION, {}, ""])
    if errors := answer.get("errors"):
        raise Invalid(f"the schema cannot be read: {errors[0]['message']}", path=args["path"])
    return {"text": json.dumps(answer["data"], ensure_ascii=False)}
