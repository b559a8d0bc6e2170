"""What mutations do: objects made, changed and removed, methods run; each by the operation of the table."""

from __future__ import annotations

from typing import Any

from ..codec import encode
from ..errors import Conflict, Invalid, NotFound
from ..operations import Wire
from .caller import Caller
from .inputs import Inputs
from .listing import within
from .node import Node, Request
from .shape import Shape


async def create(request: Request, inputs: Inputs, shape: Shape, path: str, fields: Wire, perms: str) -> Node:
    """A new object of a class, by its newest bundle. Conflict when something is there already."""
    path = within(request, path)
    state = encode(inputs.state(fields, shape, whole=True))
    bundle = shape.bundles[-1] if shape.bundles else ""
    members = {hash: member.data for hash, member in request.book.shapes.members.items()}

    async def make(caller: Caller) -> Wire:
        if await is_there(caller, path):
            raise Conflict(f"something is at {path} already", path=path, remedy="update it, or choose another name")
        simple = shape.class_name.rpartition(".")[2]
        made: Wire = await caller.call("store", path, state, simple, bundle, 0, "file", perms, members)
        return made

    request.forget()
    return _changed(await request.caller.at_once(make))


async def is_there(caller: Caller, path: str) -> bool:
    try:
        await caller.call("get", path)
    except NotFound:
        return False
    return True


async def update(request: Request, inputs: Inputs, shape: Shape, path: str, fields: Wire, version: int) -> Node:
    """Set the given fields. Conflict as in the operation `update`; Invalid for an object of another class."""
    path = within(request, path)
    request.forget()
    pointer = await request.caller.call("get", path)
    if request.book.class_of(pointer) != shape.class_name:
        raise Invalid(f"{path} is no {shape.class_name}", path=path, remedy=f"it is a {pointer['class_name']}")
    state = encode(inputs.state(fields, shape, whole=False))
    return _changed(await request.caller.call("update", path, state, version))


async def remove(request: Request, path: str, recursive: bool) -> int:
    request.forget()
    return int(await request.caller.call("rm", within(request, path), recursive))


async def run(request: Request, path: str, method: str, args: list[Any], kwargs: Wire) -> Any:
    """Run a method of an object; its result."""
    request.forget()
    if not isinstance(kwargs, dict):
        raise Invalid("kwargs are a map of names to values")
    return await request.caller.call("run", within(request, path), method, args, kwargs)


def _changed(pointer: Wire) -> Node:
    return Node(pointer, pointer.get("merged"), pointer["version"])
