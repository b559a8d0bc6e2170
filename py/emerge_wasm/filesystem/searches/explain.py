"""Explain a search: its plan as a tree and as text, and an estimate of how many objects it reads.

Runs no code. Reads only rows to count, up to a limit, and a few objects to see whether their classes compute what the
predicate uses.
"""

from __future__ import annotations

from contextlib import aclosing

from ...context import Context
from ...operations import Wire
from ...paths import join_path, split_path
from ...results import PlanInfo, PlanStep
from ..core import Core
from ..indexes.index import Index
from .column import check_field
from .directories import Whereabouts
from .ordered import Path, plan_order
from .plan import Branch, Way
from .query import Search, open_search
from .scan import hits_of, scan_plan
from .seek import seek
from .suggestion import suggest

SEEN = 16

COUNTED = 10_000
"""Most rows that are counted; a larger number is shown as this many or more."""


async def explain(
    core: Core,
    context: Context,
    path: str,
    predicate: Wire | None,
    order_by: str,
    as_of: str,
    bundles: dict[str, bytes] | None,
) -> PlanInfo:
    asked = await open_search(core, context, path, predicate, as_of, bundles)
    of = await asked.scanner.count(COUNTED)
    along: Path | None = None
    if order_by:
        way, along = await plan_order(asked, check_field(order_by))
    else:
        way = await asked.plan()
    plan, scans = await _access(asked, way, along, of)
    code = await _needs_code(asked, way)
    plan = _judged(asked, plan, code)
    if order_by and along is None:
        plan = _step("sort", f"sort by {order_by}, keep the first of a page", plan)
    suggestion = _suggestion(asked, suggest(asked, order_by))
    return {
        "plan": plan,
        "text": _draw(plan, scans, of, suggestion),
        "scans": scans,
        "of": of,
        "code": code,
        "suggestion": suggestion,
    }


def _step(step: str, text: str, *inputs: PlanStep, scans: int | None = None, index: Index | None = None) -> PlanStep:
    made: PlanStep = {"step": step, "text": text, "inputs": list(inputs)}
    if index is not None:
        made["fields"], made["directory"] = list(index.fields), index.directory.hex()
    if scans is not None:
        made["scans"] = scans
    return made


async def _access(asked: Search, way: Way | None, along: Path | None, of: int) -> tuple[PlanStep, int]:
    """Return the step that finds the objects, and about how many it reads."""
    if along is not None:
        count = await _count(asked, along.index, (along.low, along.high)) + await _count(
            asked, along.index, None, along.lacking
        )
        return _step("order", f"{_name(along.index)}, in its order", index=along.index, scans=count), count
    if way is None:
        when = f" as of {asked.moment}" if asked.moment else ""
        return _step("walk", f"all objects at or below {asked.top.path}{when}", scans=of), of
    scans = [await _range(asked, branch) for branch in way]
    for index in {branch.index: None for branch in way}:
        rest = await _count(asked, index, None)
        if rest:
            scans.append(_step("rest", f"{_name(index)}: objects without a place in it", index=index, scans=rest))
    total = sum(int(scan["scans"]) for scan in scans)
    if len(scans) == 1:
        return scans[0], total
    return _step("union" if scans else "nothing", "any of" if scans else "no object can fit", *scans), total


async def _range(asked: Search, branch: Branch) -> PlanStep:
    count = await _count(asked, branch.index, branch.bounds)
    return _step("index", f"{_name(branch.index)}: {branch.text}", index=branch.index, scans=count)


async def _count(asked: Search, index: Index, bounds: tuple[bytes, bytes | None] | None, lacking: bool = False) -> int:
    """Count the rows of an index range (`bounds` None: of its rest) that the caller may see, up to COUNTED."""
    if asked.context.superuser:
        if bounds is None:
            return await asked.planner.count_rest(index, COUNTED, lacking=lacking)
        return await asked.planner.count_range(index, *bounds, COUNTED)
    whereabouts, total = Whereabouts(asked.core, asked.context, asked.top), 0
    async with aclosing(hits_of(asked.core, index, bounds, lacking=lacking)) as pages:
        async for hits in pages:
            total += len(await seek(asked.core, asked.context, whereabouts, hits))
            if total >= COUNTED:
                break
    return min(total, COUNTED)


def _name(index: Index) -> str:
    return f"{'unique ' if index.unique else ''}index on {', '.join(index.fields)}"


async def _needs_code(asked: Search, way: Way | None) -> bool:
    """Whether the predicate, or one of the first objects that it is tested on, needs shipped code."""
    if not asked.predicate.simple:
        return True
    async with aclosing(asked.scanner.scan(None if way is None else scan_plan(way), first=SEEN)) as pages:
        async for page in pages:
            return await asked.judge.needs_code(page)
    return False


def _judged(asked: Search, plan: PlanStep, code: bool) -> PlanStep:
    if asked.expression is None:
        return plan
    if code:
        return _step("code", f"run what is more than comparisons: {asked.predicate.text}", plan)
    return _step("filter", asked.predicate.text, plan)


def _suggestion(asked: Search, field: str) -> str:
    return f"index {join_path(*split_path(asked.top.path))} {field}" if field else ""


def _draw(plan: PlanStep, scans: int, of: int, suggestion: str) -> str:
    lines = _lines(plan, "")
    lines.append(f"looks at {_about(scans)} of {_about(of)} objects")
    if suggestion:
        lines.append(f"an index would help: {suggestion}")
    return "\n".join(lines)


def _lines(plan: PlanStep, indent: str) -> list[str]:
    count = f" ({_about(plan['scans'])})" if "scans" in plan else ""
    head = f"{indent}{'-> ' if indent else ''}{plan['step']}: {plan['text']}{count}"
    return [head, *(line for each in plan["inputs"] for line in _lines(each, indent + "  "))]


def _about(count: int) -> str:
    return f"{count} or more" if count >= COUNTED else str(count)
