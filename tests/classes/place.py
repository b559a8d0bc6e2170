"""One place, in a process of its own: `python place.py PLACE FOLDER [HOST]`, also in Pyodide (`main(PLACE, FOLDER)`).

It reads `cases.json` in the folder and writes `PLACE.json`: by case and by step, "" or what went wrong. Only what every
Python has, and Emerge. The places: `store` is the process that makes the objects; `fresh` reads them, and has never
seen their modules; `own` has imported them; `bytes`, whatever its Python, has the bundles and states alone, and
captures the classes again from their files.
"""

from __future__ import annotations

import base64
import importlib
import itertools
import json
import sys
import traceback
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import UUID

NAMES = {
    one.__name__: one for one in (date, datetime, time, timedelta, timezone, Decimal, Fraction, UUID, Path)
}  # what an expected value may be written with
IMPORTS = """from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from uuid import UUID
"""
ROOT = "/cases"

Case = dict[str, Any]
Found = dict[str, dict[str, str]]
"""By case and step, "" or what went wrong."""


def module_of(case: Case) -> ModuleType:
    return importlib.import_module(case["module"])


def folder_of(case: Case) -> str:
    """A directory of its own for each, so that a search there reads no others."""
    return f"{ROOT}/{case['name']}"


def path_of(case: Case) -> str:
    return f"{folder_of(case)}/it"


def make(case: Case) -> Any:
    obj = eval(case["made"], vars(module_of(case)))
    obj.path, obj.name = folder_of(case), "it"
    return obj


def same(got: object, expected: object) -> bool:
    return type(got) is type(expected) and got == expected


def ask(case: Case, obj: Any, own: bool) -> str:
    """What an object answers otherwise than expected, "" when nothing."""
    names = vars(module_of(case)) | NAMES if own else NAMES
    for answer in case["answers"]:
        if answer["own"] and not own:
            continue
        expected = eval(answer["expected"], dict(names))
        got = eval(answer["text"], {**names, "o": obj})
        if not same(got, expected):
            return f"{answer['text']} is {got!r:.300}, not {expected!r:.300}"
    return ""


def attempt(step: Callable[[], str | None]) -> str:
    try:
        return step() or ""
    except BaseException as error:  # one case never ends the others'
        if isinstance(error, KeyboardInterrupt):
            raise
        return "".join(traceback.format_exception(error))[-3000:]


def arguments(text: str) -> tuple[str, tuple[Any, ...], dict[str, Any]] | None:
    """The method and arguments of `o.method(1, x=2)`; None for another expression."""
    import ast

    tree = ast.parse(text, mode="eval").body
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Attribute):
        return None
    if ast.unparse(tree.func.value) != "o" or tree.func.attr.startswith("_"):
        return None
    try:
        args = tuple(ast.literal_eval(arg) for arg in tree.args)
        kwargs = {str(word.arg): ast.literal_eval(word.value) for word in tree.keywords}
    except ValueError:
        return None
    return tree.func.attr, args, kwargs


def run_there(fs: Any, case: Case) -> str:
    """Run what its expressions call on the node; run none twice, since a method may change the object."""
    for answer in case["answers"]:
        call = None if answer["own"] else arguments(answer["text"])
        if call is None:
            continue
        name, args, kwargs = call
        got = fs.run(path_of(case), name, *args, **kwargs)
        expected = eval(answer["expected"], dict(NAMES))
        if not same(got, expected):
            return f"run {answer['text']} is {got!r:.300}, not {expected!r:.300}"
    return ""


_count = itertools.count()


def search_there(fs: Any, case: Case) -> str:
    from emerge_wasm.bundles.source import keep_source

    answers = [answer for answer in case["answers"] if not answer["own"]]
    if not answers:
        return ""
    test = " and ".join(f"({answer['text']}) == ({answer['expected']})" for answer in answers)
    text, filename = f"{IMPORTS}found = lambda o: {test}\n", f"<case {next(_count)}>"
    keep_source(filename, text)
    names: dict[str, Any] = {"__name__": "case_search"}
    exec(compile(text, filename, "exec"), names)
    found = fs.search(names["found"], path=folder_of(case))
    if found.errors["count"]:
        return f"the search failed: {found.errors['first'][:1]}"
    return "" if len(found) == 1 else "the search does not find it"


# --- the places
def store(cases: list[Case], folder: Path, host: str) -> Found:
    """Make the objects, keep their bytes for other Pythons, store them, and have the node search them."""
    from emerge_wasm import connect

    found: Found = {}
    kept: dict[str, Any] = {}
    with connect(host) as fs:
        for case in cases:
            found[case["name"]] = steps = {}
            if case["refused"]:
                steps["refused"] = attempt(lambda: refusal(fs, case))  # noqa: B023  # it is called at once
                continue
            steps["store"] = attempt(lambda: keep(fs, case, kept))  # noqa: B023  # likewise
            steps["here"] = attempt(lambda: ask(case, make(case), True))  # noqa: B023  # likewise
            if steps["store"]:
                continue
            steps["again"] = attempt(lambda: ask(case, fs.getobject(path_of(case)), True))  # noqa: B023  # likewise
            if "search" in case["asked"]:
                steps["search"] = attempt(lambda: search_there(fs, case))  # noqa: B023  # likewise
    (folder / "kept.json").write_text(json.dumps(kept))
    return found


def run(cases: list[Case], folder: Path, host: str) -> Found:
    """Run the methods on the node, from a process that knows nothing of them."""
    from emerge_wasm import connect

    with connect(host) as fs:
        asked = [case for case in cases if "run" in case["asked"]]
        return {case["name"]: {"run": attempt(lambda: run_there(fs, case))} for case in asked}  # noqa: B023


def refusal(fs: Any, case: Case) -> str:
    from emerge_wasm import CannotShip

    obj = make(case)
    try:
        fs.store(obj)
    except CannotShip as error:
        missing = [words for words in case["refused"].split(" … ") if words not in str(error)]
        return f"{missing} not in: {error}" if missing else ""
    return "it was stored"


def keep(fs: Any, case: Case, kept: dict[str, Any]) -> None:
    from emerge_wasm.bundles import capture
    from emerge_wasm.codec import pack_state

    obj = make(case)
    bundles: dict[str, Any] = {}

    def bundle_of(cls: type) -> str:
        captured = capture(cls)
        bundles.update({bundle.hash: bundle for bundle in captured})
        return captured[-1].hash

    hash = bundle_of(type(obj))
    state = pack_state(obj, bundle_of)
    encoded = {key: base64.b64encode(bundle.data).decode() for key, bundle in bundles.items()}
    kept[case["name"]] = {"hash": hash, "state": base64.b64encode(state).decode(), "bundles": encoded}
    fs.store(obj)


def fresh(cases: list[Case], folder: Path, host: str) -> Found:
    from emerge_wasm import connect

    with connect(host) as fs:
        return {
            case["name"]: {"fresh": attempt(lambda: ask(case, fs.getobject(path_of(case)), False))}  # noqa: B023
            for case in cases
        }


def own(cases: list[Case], folder: Path, host: str) -> Found:
    from emerge_wasm import connect

    def step(case: Case) -> str:
        mine = make(case)
        obj = fs.getobject(path_of(case))
        if type(obj) is not type(mine):
            return f"it is a {type(obj)!r}, not the module's own {type(mine)!r}"
        return ask(case, obj, True)

    with connect(host) as fs:
        return {case["name"]: {"own": attempt(lambda: step(case))} for case in cases}  # noqa: B023


def from_bytes(cases: list[Case], folder: Path, host: str) -> Found:
    from emerge_wasm.bundles import capture, load
    from emerge_wasm.bundles.registry import forget
    from emerge_wasm.codec import unpack_state

    kept = json.loads((folder / "kept.json").read_text())
    found: Found = {}

    def read(entry: dict[str, Any], case: Case) -> str:
        table = {hash: base64.b64decode(data) for hash, data in entry["bundles"].items()}
        cls = load(entry["hash"], table.get)
        obj = unpack_state(base64.b64decode(entry["state"]), cls, lambda hash, name: load(hash, table.get))
        return ask(case, obj, False)

    def captured(entry: dict[str, Any], case: Case) -> str:
        hash = capture(type(make(case)))[-1].hash
        return "" if hash == entry["hash"] else "the bundle captured here has other bytes"

    here = "{}.{}".format(*sys.version_info)
    ours = [case for case in cases if here in case["others"] and version(case["oldest"]) <= sys.version_info[:2]]
    for case in ours:
        found[case["name"]] = {"read": attempt(lambda: read(kept[case["name"]], case))}  # noqa: B023
    forget()
    for case in ours:
        found[case["name"]]["capture"] = attempt(lambda: captured(kept[case["name"]], case))  # noqa: B023
    return found


def version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


PLACES: dict[str, Callable[[list[Case], Path, str], Found]] = {
    "store": store,
    "run": run,
    "fresh": fresh,
    "own": own,
    "bytes": from_bytes,
}


def main(place: str, folder: str, host: str = "") -> None:
    where = Path(folder)
    sys.path.insert(0, str(where / "modules"))
    cases = list(wanted(json.loads((where / "cases.json").read_text()), place, where))
    name = f"{place}{sys.version_info[0]}.{sys.version_info[1]}" if place == "bytes" else place
    (where / f"{name}.json").write_text(json.dumps(PLACES[place](cases, where, host)))


def wanted(cases: list[Case], place: str, folder: Path) -> Iterator[Case]:
    """Those of the cases that there is something to do with: what was stored, or all."""
    if place == "store":
        yield from cases
        return
    kept = json.loads((folder / "kept.json").read_text())
    yield from (case for case in cases if case["name"] in kept)


if __name__ == "__main__":
    main(*sys.argv[1:])
