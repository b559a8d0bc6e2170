"""web/protocol.ts against Python: every request has a handler that reads what it holds, and all that Python sends is
what the page expects. mypy holds the handlers to their types, TypeScript the page to its own; here they meet."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from emerge_wasm.browser.protocol.argument import Deed
from emerge_wasm.browser.protocol.event import KernelReply, PageEvent
from emerge_wasm.browser.protocol.option import Options
from emerge_wasm.browser.requests.handlers import DEEDS, EACH_TIME, HANDLERS

ROOT = Path(__file__).parents[2]
PROTOCOL = ROOT / "web" / "protocol.ts"
SCRIPT = Path(__file__).with_name("protocol.mjs")
PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", NoneType: "null", object: "unknown"}

Spelt = dict[str, Any]
"""A type spelt out as JSON, the form that protocol.mjs prints."""


def read_typescript(*files: Path) -> list[dict[str, Spelt]]:
    """The exported types of TypeScript files, read together: the compiler reads its own libraries for seconds."""
    node = shutil.which("node")
    assert node, "Node.js is needed to read TypeScript"
    done = subprocess.run([node, SCRIPT, *files], capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    types: list[dict[str, Spelt]] = json.loads(done.stdout)
    return types


@cache
def spell(kind: Any) -> Spelt:
    """A Python type as protocol.mjs would print its TypeScript."""
    origin, args = get_origin(kind), get_args(kind)
    if kind in PLAIN:
        return {"plain": PLAIN[kind]}
    if is_typeddict(kind):
        return {"fields": {name: _field(each) for name, each in get_type_hints(kind, include_extras=True).items()}}
    if origin is Literal:
        return {"union": [{"literal": each} for each in args]}
    if origin in (Union, UnionType):
        return {"union": [spell(each) for each in args]}
    if origin is list:
        return {"array": spell(args[0])}
    if origin is tuple:
        return {"tuple": [spell(each) for each in args]}
    if origin is dict:
        return {"record": spell(args[1])}
    return {"opaque": str(kind)}


def _field(kind: Any) -> Spelt:
    optional = get_origin(kind) is NotRequired
    return {"type": spell(get_args(kind)[0] if optional else kind), "optional": optional}


def misfits(sent: Spelt, read: Spelt, at: str) -> Iterator[str]:
    """Why what is sent is not what is read, by field."""
    if read == {"plain": "unknown"}:
        return
    if "union" in sent:
        for member in sent["union"]:
            yield from misfits(member, read, at)
    elif "union" in read:
        tried = [list(misfits(sent, member, at)) for member in read["union"]]
        if all(tried):
            yield min(tried, key=len)[0] if len(tried) == 1 else f"{at}: {_short(sent)} is none of {_short(read)}"
    elif "fields" in sent and "fields" in read:
        yield from _misfits_of_fields(sent["fields"], read["fields"], at)
    elif "array" in sent and "array" in read:
        yield from misfits(sent["array"], read["array"], f"{at}[]")
    elif "record" in sent and "record" in read:
        yield from misfits(sent["record"], read["record"], f"{at}{{}}")
    elif "tuple" in sent and "tuple" in read and len(sent["tuple"]) == len(read["tuple"]):
        for number, pair in enumerate(zip(sent["tuple"], read["tuple"], strict=True)):
            yield from misfits(*pair, f"{at}[{number}]")
    elif "literal" in sent and "plain" in read:
        yield from misfits({"plain": PLAIN[type(sent["literal"])]}, read, at)
    elif sent != read:
        yield f"{at}: {_short(sent)} is sent, {_short(read)} is read"


def _misfits_of_fields(sent: Spelt, read: Spelt, at: str) -> Iterator[str]:
    for name, field in read.items():
        if name in sent and (field["optional"] or not sent[name]["optional"]):
            yield from misfits(sent[name]["type"], field["type"], f"{at}.{name}")
        elif not field["optional"]:
            yield f"{at}.{name} is read and not always sent"
    for name in sent.keys() - read.keys():
        if not sent[name]["optional"]:
            yield f"{at}.{name} is sent and never read"


def _short(spelt: Spelt) -> str:
    return json.dumps(spelt)[:200]


def by_name(events: Spelt) -> dict[str, Spelt]:
    """The members of a union of events, by the name that each bears."""
    return {each["fields"]["event"]["type"]["literal"]: each for each in events["union"]}


def problems(types: dict[str, Spelt]) -> Iterator[str]:
    """All that page and kernel would misunderstand."""
    yield from _unequal("request", types["Calls"]["fields"].keys(), HANDLERS.keys())
    yield from _unequal("deed", {each["literal"] for each in types["DeedKind"]["union"]}, DEEDS)
    yield from misfits(types["Deed"], spell(Deed), "deed")
    yield from _problems_of_requests(types["Calls"]["fields"])
    yield from _problems_of_events(by_name(types["Event"]))
    yield from misfits(spell(KernelReply), types["Reply"], "reply")
    yield from misfits(types["Options"], spell(Options), "options")


def _unequal(what: str, page: Any, kernel: Any) -> Iterator[str]:
    yield from (f"{what} {name}: the kernel does not know it" for name in page - kernel)
    yield from (f"{what} {name}: the page does not know it" for name in kernel - page)


def _problems_of_requests(calls: dict[str, Spelt]) -> Iterator[str]:
    for kind in calls.keys() & HANDLERS.keys():
        args, result = calls[kind]["type"]["tuple"]
        taken, given = spell_handler(kind)
        yield from misfits(args, taken, kind)
        yield from misfits(given, result, f"{kind}: answer")


@cache
def spell_handler(kind: str) -> tuple[Spelt, Spelt]:
    """What the kernel takes with a request, and what it answers."""
    hints = get_type_hints(HANDLERS[kind])
    return spell(hints["args"]), spell(hints["return"])


@cache
def spell_events() -> dict[str, Spelt]:
    """What the kernel tells the page, by name."""
    kernel = {}
    for each in map(deepcopy, map(spell, get_args(PageEvent))):
        (name,) = each["fields"]["event"]["type"]["union"]
        each["fields"]["event"]["type"] = name
        kernel[name["literal"]] = each
    return kernel


def _problems_of_events(page: dict[str, Spelt]) -> Iterator[str]:
    kernel = spell_events()
    yield from _unequal("event", page.keys(), kernel.keys())
    for event in page.keys() & kernel.keys():
        yield from misfits(kernel[event], page[event], event)


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Spelt]]:
    """The protocol, and one with two mistakes."""
    file = tmp_path_factory.mktemp("mistaken") / "protocol.ts"
    file.write_text(PROTOCOL.read_text().replace("; variables: string }", " }").replace("  diff: [", "  compare: ["))
    return read_typescript(PROTOCOL, file)


@pytest.fixture(scope="module")
def types(read: list[dict[str, Spelt]]) -> dict[str, Spelt]:
    return read[0]


def test_page_and_kernel_speak_the_same(types: dict[str, Spelt]) -> None:
    assert list(problems(types)) == []


def test_deeds_are_requests_that_are_not_made_each_time() -> None:
    assert not DEEDS & EACH_TIME
    assert DEEDS | EACH_TIME <= HANDLERS.keys()


# --- that this can fail
def is_optional(field: object) -> bool:
    return isinstance(field, dict) and field.get("optional") is True


def mutants(whole: Any, part: Any, at: str) -> Iterator[tuple[str, Any]]:
    """The whole with one field of a part removed, or with one plain type changed; the part is changed back after.

    A field that is not always there may be left unread.
    """
    if isinstance(part, list):
        for number, each in enumerate(part):
            yield from mutants(whole, each, f"{at}[{number}]")
    elif isinstance(part, dict):
        if part.get("plain") in ("string", "number", "boolean", "null"):
            kept = part["plain"]
            part["plain"] = "number" if kept != "number" else "string"
            yield f"{at}: {kept}", whole
            part["plain"] = kept
        for name in [*part.get("fields", ())]:
            if is_optional(part["fields"][name]):
                continue
            field = part["fields"].pop(name)
            yield f"{at}.{name}", whole
            part["fields"][name] = field
        for key, each in part.items():
            yield from mutants(whole, each, f"{at}.{key}")


@pytest.mark.parametrize("part", ["Calls", "Event", "Options"])
def test_every_field_that_is_removed_or_changed_is_noticed(types: dict[str, Spelt], part: str) -> None:
    changed = deepcopy(types)
    unnoticed = []
    count = 0
    for at, mutant in mutants(changed, changed[part], part):
        count += 1
        try:
            noticed = any(problems(mutant))
        except KeyError:  # the event has no name any more
            noticed = True
        if not noticed:
            unnoticed.append(at)
    assert not unnoticed
    assert count >= len(types[part].get("fields", types[part].get("union")))


def test_a_field_removed_from_the_file_is_named(read: list[dict[str, Spelt]]) -> None:
    found = list(problems(read[1]))
    assert "graphql.variables is read and not always sent" in found
    assert "request compare: the kernel does not know it" in found
    assert "request diff: the page does not know it" in found
