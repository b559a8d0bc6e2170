"""The schema of a set of classes: a type for each, and the fields by which they are asked for and changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLField,
    GraphQLFieldMap,
    GraphQLInputType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLString,
)

from ..errors import Invalid
from . import mutations
from .class_schema import FILE, FOLDER, PLAIN, Book
from .inputs import Inputs
from .kind import JSON as ANYTHING
from .kind import Kind
from .limit import LIST, PAGED, REFERENCES
from .listing import list_objects, list_references, within
from .naming import fits, free_name, name_types, plural, singular
from .node import Node, Request, registry_path
from .scalar import JSON, SCALARS
from .shape import Field, Shape, Shapes
from .subscriptions import follow_changes

ID, INT, BOOLEAN, BIG = SCALARS["ID"], SCALARS["Int"], SCALARS["Boolean"], SCALARS["BigInt"]
TEXT = ("name", "path", "type", "perms", "owner", "group", "revision", "date", "node")
OWN = {"uuid", *TEXT, "fullPath", "className", "size", "version", "state", "references", "backReferences"}
"""Fields of every object; one of a class's that has such a name gets a `_` behind it."""

RESERVED = {
    *SCALARS,
    *(f"{name}{suffix}" for name in SCALARS for suffix in ("Filter", "ListFilter")),
    *("Query", "Mutation", "Subscription", "Object", "ObjectPage", "ObjectFilter", "ObjectOrder", "Change"),
    *(PLAIN, FOLDER),
}


def make_book(shapes: Shapes, others: bool, known: Iterable[str]) -> Book:
    """The schema of these classes. `others`: whether there are objects that have none; `known`: all bundles found."""
    shapes.objects.setdefault(FILE, _file_shape())
    wanted = {name: (name, False) for name in shapes.objects}
    for name in shapes.nested:
        wanted[f"{name}Value" if name in shapes.objects else name] = (name, True)
    names = {wanted[name]: type_name for name, type_name in name_types(wanted, RESERVED).items()}
    book = Book(shapes, names, others, frozenset(known))
    book.schema = _Schema(book).make()
    return book


def _file_shape() -> Shape:
    fields = {
        "id": Field("id", Kind("String"), "str", defaults={"": ""}),
        "data": Field("data", ANYTHING, "Any", defaults={"": None}),
    }
    return Shape(FILE, doc="An object of Emerge's own class, with free data.", fields=fields, bundles=[])


class _Schema:
    """The making of one schema."""

    def __init__(self, book: Book) -> None:
        self.book = book
        self.inputs = Inputs(book.shapes, book.names)
        self.types: dict[tuple[str, bool], GraphQLObjectType] = {}
        self.object = GraphQLInterfaceType(
            "Object",
            self._own_fields,
            resolve_type=lambda node, info, type: book.type_of(node.pointer),
            description="Whatever is at a path: where it is, whose, at which version.",
        )
        self.object_page = self._page_type("ObjectPage", self.object)

    def make(self) -> GraphQLSchema:
        for (class_name, nested), name in self.book.names.items():
            shapes = self.book.shapes.nested if nested else self.book.shapes.objects
            self.types[class_name, nested] = self._type(name, shapes[class_name])
        more = [GraphQLObjectType(name, self._own_fields, interfaces=[self.object]) for name in (PLAIN, FOLDER)]
        query: GraphQLFieldMap = {"object": self._single(self.object, None), "objects": self._list("Object", None, {})}
        change: GraphQLFieldMap = {"remove": _remove(), "run": _run()}
        watch: GraphQLFieldMap = {"changes": _changes(self._change_type("Change", self.object), None)}
        for shape in self.book.shapes.objects.values():
            self._add_class(shape, query, change, watch)
        return GraphQLSchema(
            GraphQLObjectType("Query", query),
            GraphQLObjectType("Mutation", change),
            GraphQLObjectType("Subscription", watch),
            types=[*self.types.values(), *more],
        )

    def _add_class(self, shape: Shape, query: GraphQLFieldMap, change: GraphQLFieldMap, watch: GraphQLFieldMap) -> None:
        type_name = self.book.names[shape.class_name, False]
        type = self.types[shape.class_name, False]
        one = singular(type_name)
        fields = self._fields(shape)
        query[free_name(one, query)] = self._single(type, shape)
        query[free_name(plural(one), query)] = self._list(type_name, shape, fields)
        watch[free_name(f"{one}Changed", watch)] = _changes(self._change_type(f"{type_name}Change", type), shape)
        given = self.inputs.fields(type_name, fields)
        if given is not None:
            change[f"create{type_name}"] = self._create(type, shape, given)
            change[f"update{type_name}"] = self._update(type, shape, given)

    # --- types
    def _fields(self, shape: Shape) -> dict[str, Field]:
        """The fields of a class that GraphQL can name, by their names there."""
        own = () if shape.nested else OWN
        found: dict[str, Field] = {}
        for field in shape.fields.values():
            if fits(field.name):
                found[free_name(field.name, {*own, *found})] = field
        return found

    def _type(self, name: str, shape: Shape) -> GraphQLObjectType:
        def fields() -> GraphQLFieldMap:
            own = {} if shape.nested else self._own_fields()
            return own | {
                name: GraphQLField(self._output(field.kind), resolve=_reader(field), description=field.annotation)
                for name, field in self._fields(shape).items()
            } or {"_": GraphQLField(JSON)}

        interfaces = [] if shape.nested else [self.object]
        return GraphQLObjectType(name, fields, interfaces=interfaces, description=shape.doc or None)

    def _output(self, kind: Kind) -> GraphQLOutputType:
        if kind.of:
            return GraphQLList(self._output(kind.of))
        if kind.name == "Reference":
            return self.object
        if kind.name == "Nested":
            return self.types[kind.target, True]
        return SCALARS.get(kind.name, GraphQLString)

    def _own_fields(self) -> GraphQLFieldMap:
        paging = {"limit": GraphQLArgument(INT, REFERENCES), "cursor": GraphQLArgument(GraphQLString)}
        page = GraphQLNonNull(self.object_page)
        return {
            "uuid": _of_pointer("uuid", ID),
            **{name: _of_pointer(name, GraphQLString) for name in TEXT},
            "className": _of_pointer("class_name", GraphQLString),
            "size": _of_pointer("size", INT),
            "version": _of_pointer("version", INT),
            "fullPath": GraphQLField(GraphQLNonNull(GraphQLString), resolve=_full_path),
            "state": GraphQLField(JSON, resolve=_state, description="All that it holds, as JSON."),
            "references": GraphQLField(page, paging, resolve=_references, description="What it refers to."),
            "backReferences": GraphQLField(page, paging, resolve=_back_references, description="What refers to it."),
        }

    def _page_type(self, name: str, of: Any) -> GraphQLObjectType:
        objects = GraphQLNonNull(GraphQLList(GraphQLNonNull(of)))
        return GraphQLObjectType(
            name,
            lambda: {
                "objects": GraphQLField(objects, extensions={PAGED: True}),
                "cursor": GraphQLField(
                    GraphQLString, resolve=lambda page, info: page.cursor or None, description="null: there is no more."
                ),
                "count": GraphQLField(BIG, resolve=_count, description="How many there are on all pages."),
                "scanned": GraphQLField(INT, description="How many objects were looked at."),
            },
        )

    def _change_type(self, name: str, of: Any) -> GraphQLObjectType:
        text = GraphQLNonNull(GraphQLString)
        return GraphQLObjectType(
            name,
            lambda: {
                "operation": GraphQLField(text),
                "path": GraphQLField(text),
                "from": GraphQLField(text, description="Where it was before it was moved or copied."),
                "position": GraphQLField(GraphQLNonNull(BIG), description="In the log of changes."),
                "object": GraphQLField(of, description="As of this change; null once it is removed."),
            },
        )

    # --- fields
    def _single(self, type: GraphQLOutputType, shape: Shape | None) -> GraphQLField:
        async def resolve(root: Any, info: GraphQLResolveInfo, **given: Any) -> Node:
            request: Request = info.context
            path, uuid = given.get("path"), given.get("uuid")
            if (path is None) == (uuid is None):
                raise Invalid("give either a path or a uuid")
            where = within(request, path) if path is not None else registry_path(str(uuid))
            node = await request.load(where, given.get("version") or 0, given.get("asOf") or "")
            if shape is not None and self.book.class_of(node.pointer) != shape.class_name:
                raise Invalid(f"{path or uuid} is no {shape.class_name}", path=path)
            return node

        return GraphQLField(type, _args(path=GraphQLString, uuid=ID, version=INT, asOf=GraphQLString), resolve)

    def _list(self, type_name: str, shape: Shape | None, fields: dict[str, Field]) -> GraphQLField:
        async def resolve(root: Any, info: GraphQLResolveInfo, **given: Any) -> Any:
            name = shape.class_name if shape else None
            return await list_objects(info.context, info.path.as_list(), name, given)

        type = self._page_type(f"{type_name}Page", self.types[shape.class_name, False]) if shape else self.object_page
        given = _args(
            filter=self.inputs.filter(type_name, fields),
            orderBy=self.inputs.order(type_name, fields),
            cursor=GraphQLString,
            path=GraphQLString,
            asOf=GraphQLString,
        )
        given |= {"limit": GraphQLArgument(INT, LIST), "descending": GraphQLArgument(BOOLEAN, False)}
        return GraphQLField(GraphQLNonNull(type), given, resolve, description=shape.doc if shape else None)

    def _create(self, type: GraphQLOutputType, shape: Shape, fields: GraphQLInputType) -> GraphQLField:
        async def resolve(root: Any, info: GraphQLResolveInfo, path: str, fields: Any, perms: str = "") -> Node:
            return await mutations.create(info.context, self.inputs, shape, path, fields, perms)

        given = _args(path=GraphQLNonNull(GraphQLString), fields=GraphQLNonNull(fields), perms=GraphQLString)
        return GraphQLField(type, given, resolve)

    def _update(self, type: GraphQLOutputType, shape: Shape, fields: GraphQLInputType) -> GraphQLField:
        async def resolve(root: Any, info: GraphQLResolveInfo, path: str, fields: Any, version: int = 0) -> Node:
            return await mutations.update(info.context, self.inputs, shape, path, fields, version)

        given = _args(path=GraphQLNonNull(GraphQLString), fields=GraphQLNonNull(fields), version=INT)
        return GraphQLField(type, given, resolve)


def _args(**types: GraphQLInputType) -> dict[str, GraphQLArgument]:
    return {name: GraphQLArgument(type) for name, type in types.items()}


def _remove() -> GraphQLField:
    async def resolve(root: Any, info: GraphQLResolveInfo, path: str, recursive: bool) -> int:
        return await mutations.remove(info.context, path, recursive)

    given = _args(path=GraphQLNonNull(GraphQLString)) | {"recursive": GraphQLArgument(BOOLEAN, False)}
    return GraphQLField(INT, given, resolve, description="How many entries went.")


def _run() -> GraphQLField:
    async def resolve(
        root: Any, info: GraphQLResolveInfo, path: str, method: str, args: Any = None, kwargs: Any = None
    ) -> Any:
        return await mutations.run(info.context, path, method, args or [], kwargs or {})

    text = GraphQLNonNull(GraphQLString)
    given = _args(path=text, method=text, args=GraphQLList(JSON), kwargs=JSON)
    return GraphQLField(JSON, given, resolve, description="The result of a method, run where the object lives.")


def _changes(type: GraphQLObjectType, shape: Shape | None) -> GraphQLField:
    def subscribe(root: Any, info: GraphQLResolveInfo, **given: Any) -> AsyncIterator[Any]:
        request: Request = info.context
        path = within(request, given.get("path") or request.root)
        since = given.get("since")
        return follow_changes(request, path, -1 if since is None else since, shape.class_name if shape else None)

    given = _args(path=GraphQLString, since=BIG)
    return GraphQLField(GraphQLNonNull(type), given, subscribe=subscribe, resolve=lambda change, info, **given: change)


def _of_pointer(name: str, type: Any) -> GraphQLField:
    def resolve(node: Node, info: GraphQLResolveInfo) -> Any:
        return node.pointer[name]

    return GraphQLField(GraphQLNonNull(type), resolve=resolve)


def _full_path(node: Node, info: GraphQLResolveInfo) -> str:
    path, name = node.pointer["path"], node.pointer["name"]
    return f"{path.rstrip('/')}/{name}" if name else "/"


async def _state(node: Node, info: GraphQLResolveInfo) -> Any:
    return await info.context.load_state(node)


async def _references(node: Node, info: GraphQLResolveInfo, **given: Any) -> Any:
    return await list_references(info.context, node, False, given)


async def _back_references(node: Node, info: GraphQLResolveInfo, **given: Any) -> Any:
    return await list_references(info.context, node, True, given)


async def _count(page: Any, info: GraphQLResolveInfo) -> int | None:
    return await page.listing.count() if page.listing else None


def _reader(field: Field) -> Any:
    def resolve(source: Any, info: GraphQLResolveInfo) -> Any:
        return info.context.resolve(source, field)

    return resolve
