"""A schema with what its resolvers need to know of the classes that it was made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from graphql import GraphQLSchema

from ..objects import DIRECTORY, METADATA
from ..operations import Wire
from .shape import Shapes

PLAIN = "EmergeObject"
"""The type of objects that have no class, or one that cannot be read."""
FILE = "EmergeFile"
FOLDER = "EmergeDirectory"
SURE = frozenset({*METADATA, "id"})


@dataclass
class Book:
    """`names`: the types' names by (class name, nested); `others`: whether there are objects without a class; `known`:
    the class bundles that were found; `stale`: that there are others (on other nodes, whose logs are not followed)."""

    shapes: Shapes
    names: dict[tuple[str, bool], str]
    others: bool
    known: frozenset[str]
    stale: bool = False
    schema: GraphQLSchema = field(init=False)
    _classes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for shape in self.shapes.objects.values():
            self._classes.update(dict.fromkeys(shape.bundles, shape.class_name))

    def class_of(self, pointer: Wire) -> str:
        """The class name of an object as the schema has it; "" when it has none there."""
        if pointer["type"] == DIRECTORY:
            return ""
        found = self._classes.get(pointer["bundle"])
        if found is None:
            name = pointer["class_name"]
            known = name in self.shapes.objects and (pointer["bundle"] or name == FILE)
            found = name if known else ""
        return str(found)

    def notice(self, pointer: Wire) -> None:
        """Look whether the class of an object below the path is one of those that were found."""
        if pointer["bundle"] and pointer["bundle"] not in self.known:
            self.stale = True

    def type_of(self, pointer: Wire) -> str:
        """The name of an object's type."""
        if pointer["type"] == DIRECTORY:
            return FOLDER
        return self.names.get((self.class_of(pointer), False), PLAIN)

    def has_others(self, class_name: str) -> bool:
        """Whether objects of other classes may lie among those of one."""
        return self.others or any(
            shape.bundles and shape.class_name != class_name for shape in self.shapes.objects.values()
        )

    def sure(self, class_name: str | None) -> frozenset[str]:
        """The attributes that every object has among which those of a class (None: all) are looked for."""
        if class_name is None or self.has_others(class_name):
            return SURE
        shape = self.shapes.objects[class_name]
        every = [field.name for field in shape.fields.values() if len(field.defaults) == len(shape.bundles)]
        return SURE.union(every)
