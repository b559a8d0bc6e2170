"""What the relay has for cells, and how it is asked. Only `ask` needs a browser; imports js late."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...errors import EmergeError, Unavailable, error_from_wire
from .pin import normalise

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "/packages"
LockedPackage = dict[str, object]


@dataclass(frozen=True, slots=True)
class CellCatalogue:
    """`imports` are the packages to load for a module, `locked` those of Pyodide's distribution by name, `indexes` the
    hosts that the relay asks for others, `failed` what is wrong with one just now. `left_out` are packages of which
    there is a file that is of no use: which one, and why."""

    imports: dict[str, list[str]] = field(default_factory=dict)
    locked: dict[str, LockedPackage] = field(default_factory=dict)
    indexes: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def advice(self, module: str) -> str:
        """What to do about a module that cannot be imported."""
        if normalise(module) in self.left_out:
            return (
                f"the relay has {self.left_out[normalise(module)]}: its operator can put one for browsers in its place"
                " (py3-none-any, or built for Pyodide)"
            )
        if self.failed:
            return f"the relay cannot say what there is just now: {self.failed[0]}"
        if self.indexes:
            where = " and ".join(self.indexes)
            return f"no package is known for it here; %pip install NAME asks {where}, if you know its package's name"
        return (
            f"the relay has no package with {module}: its operator can put a wheel for browsers (py3-none-any, or built"
            " for Pyodide) into a folder that --wheels names, or allow more: emerge up --packages pypi"
        )


def origin() -> str:
    """The origin of the page, which is the relay's."""
    import js

    return str(js.location.origin)


async def ask(path: str) -> Mapping[str, object]:
    """Ask the relay for JSON; what it said last holds while it is away.

    Raises:
        Unavailable: it is away, and was not asked this before.
        EmergeError: what it answers.
    """
    from pyodide.ffi import JsException
    from pyodide.http import pyfetch

    try:
        answer = await pyfetch(origin() + PREFIX + path)
        text, good = await answer.string(), answer.ok
    except (OSError, JsException) as error:
        raise Unavailable(
            f"the relay is out of reach: {error}", remedy="packages that were used before load without it"
        ) from None
    try:
        body = json.loads(text)
    except ValueError:
        body = {"code": "Unavailable", "message": f"the relay answers {answer.status}"}
    if good:
        return dict(body)
    if answer.status in (401, 403):
        body["remedy"] = "packages load for those who are signed in: open the link that the relay printed"
    raise error_from_wire(body)


async def fetch_catalogue() -> CellCatalogue:
    """Ask for the catalogue; an empty one, which says why, when it cannot be had."""
    try:
        found = await ask("/catalogue")
    except EmergeError as error:
        return CellCatalogue(failed=[str(error)])
    return CellCatalogue(**found)  # type: ignore[arg-type]  # the relay's repository.PackageCatalogue


async def find_file(name: str, sha256: str) -> str | None:
    """The address of a package's file of that hash; None when the relay has it not.

    Raises:
        EmergeError: there is nothing of that name, and why.
    """
    found = await ask(f"/simple/{name}/")
    files = found["files"]
    assert isinstance(files, list)
    return next((file["url"] for file in files if file["hashes"]["sha256"] == sha256), None)
