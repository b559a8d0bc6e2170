"""A GraphQL schema with the classes that it was made from, as its resolvers need them."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphql import GraphQLSchema

from ..objects import DIRECTORY, METADATA
from ..results import PointerRow
from .schema_class import SchemaClasses

PLAIN = "EmergeObject"
"""The type of objects that have no class, or one that cannot be read."""
FILE = "EmergeFile"
FOLDER = "EmergeDirectory"
SURE = frozenset({*METADATA, "id"})


@dataclass
class ClassSchema:
    """The schema of the classes at a path.

    `names`: the types' names by (class name, nested). `others`: some objects have no class. `known`: the class bundles
    that were found. `stale`: there are other bundles (of other nodes, whose logs are not followed).
    """

    classes: SchemaClasses
    names: dict[tuple[str, bool], str]
    others: bool
    known: frozenset[str]
    stale: bool = False
    schema: GraphQLSchema = field(init=False)
    _classes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for schema_class in self.classes.objects.values():
            self._classes.update(dict.fromkeys(schema_class.bundles, schema_class.class_name))

    def class_of(self, pointer: PointerRow) -> str:
        """Return the class name of an object in the schema, "" when it has none there."""
        if pointer["type"] == DIRECTORY:
            return ""
        found = self._classes.get(pointer["bundle"])
        if found is None:
            name = pointer["class_name"]
            known = name in self.classes.objects and (pointer["bundle"] or name == FILE)
            found = name if known else ""
        return found

    def notice(self, pointer: PointerRow) -> None:
        """Note when the class of an object below the path is none of those that were found."""
        if pointer["bundle"] and pointer["bundle"] not in self.known:
            self.stale = True

    def type_of(self, pointer: PointerRow) -> str:
        """Return the name of an object's type."""
        if pointer["type"] == DIRECTORY:
            return FOLDER
        return self.names.get((self.class_of(pointer), False), PLAIN)

    def has_others(self, class_name: str) -> bool:
        """Tell whether objects of other classes may lie among those of one."""
        return self.others or any(
            schema_class.bundles and schema_class.class_name != class_name
            for schema_class in self.classes.objects.values()
        )

    def sure(self, class_name: str | None) -> frozenset[str]:
        """Return the attributes that every object has which a list of a class (None: of all classes) looks at."""
        if class_name is None or self.has_others(class_name):
            return SURE
        schema_class = self.classes.objects[class_name]
        every = [
            field.name for field in schema_class.fields.values() if len(field.defaults) == len(schema_class.bundles)
        ]
        return SURE.union(every)
