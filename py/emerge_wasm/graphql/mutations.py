"""Mutations: make, change and remove objects, run methods, each by an operation of the table."""

from __future__ import annotations

from ..codec import encode
from ..errors import Conflict, Invalid, NotFound
from ..operations import Values, Wire
from ..results import PointerRow
from .caller import GraphQLCaller
from .inputs import Inputs
from .object_list import within
from .request import GraphQLRequest, ObjectNode
from .schema_class import SchemaClass


async def create(
    request: GraphQLRequest, inputs: Inputs, schema_class: SchemaClass, path: str, fields: Wire, perms: str
) -> ObjectNode:
    """Make an object of a class, by its newest bundle.

    Raises:
        Conflict: something is at the path already.
    """
    path = within(request, path)
    known: PointerRow | None = await request.caller.recall("store", path)
    if known is not None:
        return _changed(known)
    state = encode(inputs.state(fields, schema_class, whole=True))
    bundle = schema_class.bundles[-1] if schema_class.bundles else ""
    members = {hash: member.data for hash, member in request.class_schema.classes.members.items()}

    async def make(caller: GraphQLCaller) -> PointerRow:
        if await is_there(caller, path):
            raise Conflict(f"something is at {path} already", path=path, remedy="update it, or choose another name")
        simple = schema_class.class_name.rpartition(".")[2]
        made: PointerRow = await caller.call(
            "store", path=path, state=state, class_name=simple, bundle=bundle, perms=perms, bundles=members
        )
        return made

    request.forget()
    return _changed(await request.caller.in_transaction(make))


async def is_there(caller: GraphQLCaller, path: str) -> bool:
    try:
        await caller.call("get", path=path)
    except NotFound:
        return False
    return True


async def update(
    request: GraphQLRequest, inputs: Inputs, schema_class: SchemaClass, path: str, fields: Wire, version: int
) -> ObjectNode:
    """Set the given fields of an object.

    Raises:
        Conflict: see the operation `update`.
        Invalid: the object is of another class.
    """
    path = within(request, path)
    request.forget()
    known: PointerRow | None = await request.caller.recall("update", path)
    if known is not None:
        return _changed(known)
    pointer: PointerRow = await request.caller.call("get", path=path)
    if request.class_schema.class_of(pointer) != schema_class.class_name:
        raise Invalid(f"{path} is no {schema_class.class_name}", path=path, remedy=f"it is a {pointer['class_name']}")
    state = encode(inputs.state(fields, schema_class, whole=False))
    return _changed(await request.caller.call("update", path=path, changes=state, version=version))


async def remove(request: GraphQLRequest, path: str, recursive: bool) -> int:
    request.forget()
    return int(await request.caller.call("rm", path=within(request, path), recursive=recursive))


async def run(request: GraphQLRequest, path: str, method: str, args: Values, kwargs: Wire) -> object:
    """Run a method of an object, and return its result."""
    request.forget()
    if not isinstance(kwargs, dict):
        raise Invalid("kwargs are a map of names to values")
    return await request.caller.call("run", path=within(request, path), method=method, args=args, kwargs=kwargs)


def _changed(pointer: PointerRow) -> ObjectNode:
    return ObjectNode(pointer, pointer.get("merged"), pointer["version"])
