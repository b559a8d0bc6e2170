"""Make the schema of a set of classes: a type for each, and the fields that query and change their objects."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from typing import TypedDict, Unpack

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
    GraphQLScalarType,
    GraphQLSchema,
    GraphQLString,
)

from ..errors import Invalid
from ..operations import Values, Wire
from . import mutations
from .class_schema import FILE, FOLDER, PLAIN, ClassSchema
from .field_kind import JSON as ANYTHING
from .field_kind import FieldKind
from .inputs import Inputs
from .limit import LIST, PAGED, REFERENCES
from .object_list import ListArguments, ListPage, PageArguments, list_objects, list_references, within
from .request import GraphQLRequest, NestedNode, ObjectNode, registry_path
from .scalar import JSON, SCALARS
from .schema_class import SchemaClass, SchemaClasses, SchemaField
from .subscriptions import follow_changes
from .type_name import fits, free_name, name_types, plural, singular

ID, INT, BOOLEAN, BIG = SCALARS["ID"], SCALARS["Int"], SCALARS["Boolean"], SCALARS["BigInt"]
TEXT = ("name", "path", "type", "perms", "owner", "group", "revision", "date", "node")
OWN = {"uuid", *TEXT, "fullPath", "className", "size", "version", "state", "references", "backReferences"}
"""Fields of every object; a class's own field of such a name gets a `_` at its end."""

RESERVED = {
    *SCALARS,
    *(f"{name}{suffix}" for name in SCALARS for suffix in ("Filter", "ListFilter")),
    *("Query", "Mutation", "Subscription", "Object", "ObjectPage", "ObjectFilter", "ObjectOrder", "Change"),
    *(PLAIN, FOLDER),
}


def make_schema(classes: SchemaClasses, others: bool, known: Iterable[str]) -> ClassSchema:
    """Make the schema of these classes. `others`: some objects have no class; `known`: all bundles that were found."""
    classes.objects.setdefault(FILE, _file_class())
    wanted = {name: (name, False) for name in classes.objects}
    for name in classes.nested:
        wanted[f"{name}Value" if name in classes.objects else name] = (name, True)
    names = {wanted[name]: type_name for name, type_name in name_types(wanted, RESERVED).items()}
    class_schema = ClassSchema(classes, names, others, frozenset(known))
    class_schema.schema = _SchemaMaker(class_schema).make()
    return class_schema


def _file_class() -> SchemaClass:
    fields = {
        "id": SchemaField("id", FieldKind("String"), "str", defaults={"": ""}),
        "data": SchemaField("data", ANYTHING, "Any", defaults={"": None}),
    }
    return SchemaClass(FILE, doc="An object of Emerge's own class, with free data.", fields=fields, bundles=[])


class ObjectArguments(TypedDict, total=False):
    """The arguments that name one object, as a document gives them."""

    path: str | None
    uuid: str | None
    version: int | None
    asOf: str | None


class _SchemaMaker:
    """Makes one schema."""

    def __init__(self, class_schema: ClassSchema) -> None:
        self.class_schema = class_schema
        self.inputs = Inputs(class_schema.classes, class_schema.names)
        self.types: dict[tuple[str, bool], GraphQLObjectType] = {}
        self.object = GraphQLInterfaceType(
            "Object",
            self._own_fields,
            resolve_type=lambda node, info, type: class_schema.type_of(node.pointer),
            description="Whatever is at a path: where it is, whose, at which version.",
        )
        self.object_page = self._page_type("ObjectPage", self.object)

    def make(self) -> GraphQLSchema:
        for (class_name, nested), name in self.class_schema.names.items():
            classes = self.class_schema.classes.nested if nested else self.class_schema.classes.objects
            self.types[class_name, nested] = self._type(name, classes[class_name])
        more = [GraphQLObjectType(name, self._own_fields, interfaces=[self.object]) for name in (PLAIN, FOLDER)]
        query: GraphQLFieldMap = {"object": self._single(self.object, None), "objects": self._list("Object", None, {})}
        change: GraphQLFieldMap = {"remove": _remove(), "run": _run()}
        watch: GraphQLFieldMap = {"changes": _changes(self._change_type("Change", self.object), None)}
        for schema_class in self.class_schema.classes.objects.values():
            self._add_class(schema_class, query, change, watch)
        return GraphQLSchema(
            GraphQLObjectType("Query", query),
            GraphQLObjectType("Mutation", change),
            GraphQLObjectType("Subscription", watch),
            types=[*self.types.values(), *more],
        )

    def _add_class(
        self, schema_class: SchemaClass, query: GraphQLFieldMap, change: GraphQLFieldMap, watch: GraphQLFieldMap
    ) -> None:
        type_name = self.class_schema.names[schema_class.class_name, False]
        type = self.types[schema_class.class_name, False]
        one = singular(type_name)
        fields = self._fields(schema_class)
        query[free_name(one, query)] = self._single(type, schema_class)
        query[free_name(plural(one), query)] = self._list(type_name, schema_class, fields)
        watch[free_name(f"{one}Changed", watch)] = _changes(self._change_type(f"{type_name}Change", type), schema_class)
        given = self.inputs.fields(type_name, fields)
        if given is not None:
            change[f"create{type_name}"] = self._create(type, schema_class, given)
            change[f"update{type_name}"] = self._update(type, schema_class, given)

    # --- types
    def _fields(self, schema_class: SchemaClass) -> dict[str, SchemaField]:
        """Return the fields of a class that GraphQL can name, by their names there."""
        own = () if schema_class.nested else OWN
        found: dict[str, SchemaField] = {}
        for field in schema_class.fields.values():
            if fits(field.name):
                found[free_name(field.name, {*own, *found})] = field
        return found

    def _type(self, name: str, schema_class: SchemaClass) -> GraphQLObjectType:
        def fields() -> GraphQLFieldMap:
            own = {} if schema_class.nested else self._own_fields()
            return own | {
                name: GraphQLField(self._output(field.kind), resolve=_reader(field), description=field.annotation)
                for name, field in self._fields(schema_class).items()
            } or {"_": GraphQLField(JSON)}

        interfaces = [] if schema_class.nested else [self.object]
        return GraphQLObjectType(name, fields, interfaces=interfaces, description=schema_class.doc or None)

    def _output(self, kind: FieldKind) -> GraphQLOutputType:
        if kind.of:
            return GraphQLList(self._output(kind.of))
        if kind.name == "Reference":
            return self.object
        if kind.name == "Nested":
            return self.types[kind.target, True]
        if kind.name == "Flag":
            return JSON
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

    def _page_type(self, name: str, of: GraphQLObjectType | GraphQLInterfaceType) -> GraphQLObjectType:
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

    def _change_type(self, name: str, of: GraphQLOutputType) -> GraphQLObjectType:
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
    def _single(self, type: GraphQLOutputType, schema_class: SchemaClass | None) -> GraphQLField:
        async def resolve(root: object, info: GraphQLResolveInfo, **given: Unpack[ObjectArguments]) -> ObjectNode:
            request: GraphQLRequest = info.context
            path, uuid = given.get("path"), given.get("uuid")
            if (path is None) == (uuid is None):
                raise Invalid("give either a path or a uuid")
            where = within(request, path) if path is not None else registry_path(str(uuid))
            node = await request.load(where, given.get("version") or 0, given.get("asOf") or "")
            if schema_class is not None and self.class_schema.class_of(node.pointer) != schema_class.class_name:
                raise Invalid(f"{path or uuid} is no {schema_class.class_name}", path=path)
            return node

        return GraphQLField(type, _args(path=GraphQLString, uuid=ID, version=INT, asOf=GraphQLString), resolve)

    def _list(self, type_name: str, schema_class: SchemaClass | None, fields: dict[str, SchemaField]) -> GraphQLField:
        async def resolve(root: object, info: GraphQLResolveInfo, **given: Unpack[ListArguments]) -> ListPage:
            name = schema_class.class_name if schema_class else None
            return await list_objects(info.context, info.path.as_list(), name, given)

        type = (
            self._page_type(f"{type_name}Page", self.types[schema_class.class_name, False])
            if schema_class
            else self.object_page
        )
        given = _args(
            filter=self.inputs.filter(type_name, fields),
            orderBy=self.inputs.order(type_name, fields),
            cursor=GraphQLString,
            path=GraphQLString,
            asOf=GraphQLString,
        )
        given |= {"limit": GraphQLArgument(INT, LIST), "descending": GraphQLArgument(BOOLEAN, False)}
        return GraphQLField(
            GraphQLNonNull(type), given, resolve, description=schema_class.doc if schema_class else None
        )

    def _create(self, type: GraphQLOutputType, schema_class: SchemaClass, fields: GraphQLInputType) -> GraphQLField:
        async def resolve(
            root: object, info: GraphQLResolveInfo, path: str, fields: Wire, perms: str = ""
        ) -> ObjectNode:
            return await mutations.create(info.context, self.inputs, schema_class, path, fields, perms)

        given = _args(path=GraphQLNonNull(GraphQLString), fields=GraphQLNonNull(fields), perms=GraphQLString)
        return GraphQLField(type, given, resolve)

    def _update(self, type: GraphQLOutputType, schema_class: SchemaClass, fields: GraphQLInputType) -> GraphQLField:
        async def resolve(
            root: object, info: GraphQLResolveInfo, path: str, fields: Wire, version: int = 0
        ) -> ObjectNode:
            return await mutations.update(info.context, self.inputs, schema_class, path, fields, version)

        given = _args(path=GraphQLNonNull(GraphQLString), fields=GraphQLNonNull(fields), version=INT)
        return GraphQLField(type, given, resolve)


def _args(**types: GraphQLInputType) -> dict[str, GraphQLArgument]:
    return {name: GraphQLArgument(type) for name, type in types.items()}


def _remove() -> GraphQLField:
    async def resolve(root: object, info: GraphQLResolveInfo, path: str, recursive: bool) -> int:
        return await mutations.remove(info.context, path, recursive)

    given = _args(path=GraphQLNonNull(GraphQLString)) | {"recursive": GraphQLArgument(BOOLEAN, False)}
    return GraphQLField(INT, given, resolve, description="How many entries went.")


def _run() -> GraphQLField:
    async def resolve(
        root: object,
        info: GraphQLResolveInfo,
        path: str,
        method: str,
        args: Values | None = None,
        kwargs: Wire | None = None,
    ) -> object:
        return await mutations.run(info.context, path, method, args or [], kwargs or {})

    text = GraphQLNonNull(GraphQLString)
    given = _args(path=text, method=text, args=GraphQLList(JSON), kwargs=JSON)
    return GraphQLField(JSON, given, resolve, description="The result of a method, run where the object lives.")


def _changes(type: GraphQLObjectType, schema_class: SchemaClass | None) -> GraphQLField:
    def subscribe(
        root: object, info: GraphQLResolveInfo, path: str | None = None, since: int | None = None
    ) -> AsyncIterator[Wire]:
        request: GraphQLRequest = info.context
        below = within(request, path or request.root)
        name = schema_class.class_name if schema_class else None
        return follow_changes(request, below, -1 if since is None else since, name)

    given = _args(path=GraphQLString, since=BIG)
    return GraphQLField(GraphQLNonNull(type), given, subscribe=subscribe, resolve=lambda change, info, **given: change)


def _of_pointer(name: str, type: GraphQLScalarType) -> GraphQLField:
    def resolve(node: ObjectNode, info: GraphQLResolveInfo) -> object:
        return node.pointer.get(name)

    return GraphQLField(GraphQLNonNull(type), resolve=resolve)


def _full_path(node: ObjectNode, info: GraphQLResolveInfo) -> str:
    path, name = node.pointer["path"], node.pointer["name"]
    return f"{path.rstrip('/')}/{name}" if name else "/"


async def _state(node: ObjectNode, info: GraphQLResolveInfo) -> object:
    request: GraphQLRequest = info.context
    return await request.load_state(node)


async def _references(node: ObjectNode, info: GraphQLResolveInfo, **given: Unpack[PageArguments]) -> ListPage:
    return await list_references(info.context, node, False, given)


async def _back_references(node: ObjectNode, info: GraphQLResolveInfo, **given: Unpack[PageArguments]) -> ListPage:
    return await list_references(info.context, node, True, given)


async def _count(page: ListPage, info: GraphQLResolveInfo) -> int | None:
    return await page.listing.count() if page.listing else None


def _reader(field: SchemaField) -> Callable[[ObjectNode | NestedNode, GraphQLResolveInfo], object]:
    def resolve(source: ObjectNode | NestedNode, info: GraphQLResolveInfo) -> object:
        request: GraphQLRequest = info.context
        return request.resolve(source, field)

    return resolve
