"""What one class needs, as it is collected: import lines, constants, classes, and parts with the names they use."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field

from ..errors import CannotShip
from .bundle import SourcePart
from .container_use import ContainerUse
from .name import FreeNames, names_of
from .scope import ABSENT, Scope
from .watch import Watch


@dataclass(eq=False)
class PartTable:
    """Holds what was collected. `classes` and `aliases` are name -> class, name -> part."""

    cls: type
    imports: dict[str, str] = field(default_factory=dict)
    constants: dict[str, object] = field(default_factory=dict)
    classes: dict[str, type] = field(default_factory=dict)
    parts: dict[str, SourcePart] = field(default_factory=dict)
    nodes: dict[str, list[ast.stmt]] = field(default_factory=dict)  # the trees of the parts
    names: dict[str, FreeNames] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    held: set[type] = field(default_factory=set)  # classes of instances among the constants
    watch: Watch = field(default_factory=Watch)  # what it looked at
    made: dict[int, tuple[str, object]] = field(default_factory=dict)  # functions without a name: name, function
    shadows: dict[str, str] = field(default_factory=dict)  # the names that they have in their texts
    places: dict[str, Scope] = field(default_factory=dict)  # where each constant is used
    effects: dict[str, list[str]] = field(default_factory=dict)  # the statements that complete a part, by its name
    sequences: list[list[str]] = field(default_factory=list)  # names of classes, in the order of their definition
    in_turn: list[type] = field(default_factory=list)  # classes, in the order of their definition
    again: set[str] = field(default_factory=set)  # those of them that run once more at the end
    _values: dict[str, object] = field(default_factory=dict)
    _bound: set[str] = field(default_factory=set)

    def resolve(self, name: str, scope: Scope, user: str) -> None:
        """Collect what a name means in a scope. Raises CannotShip for what cannot travel; `user` is what names it."""
        raise NotImplementedError

    def refusal(self, what: str, remedy: str) -> CannotShip:
        """Return the error that says what cannot travel."""
        raise NotImplementedError

    def check_imports(self, name: str, text: str, body: list[ast.stmt], scope: Scope) -> None:
        """Check the imports within a piece of source. Raises CannotShip for what is not installed elsewhere."""
        raise NotImplementedError

    def add_text(
        self,
        kind: str,
        name: str,
        text: str,
        scope: Scope,
        line: int,
        future: bool = False,
        node: ast.stmt | None = None,
    ) -> None:
        """Add a part of that text, with all that it names; `line` is where it was written.

        `node` is its tree, where that is known; its lines and columns may be others.
        """
        self._add(name, SourcePart(kind, name, text, future), scope, line, node)

    def add_effect(self, name: str, text: str, scope: Scope, again: bool = False) -> None:
        """Add a statement that completes the part of that name; it runs as late as what reads the part allows.

        `again`: and once more at the end, if other parts come after it.
        """
        key = f"{name} {sum(part.kind == 'statement' and part.name == name for part in self.parts.values())}"
        self.effects.setdefault(name, []).append(key)
        self.again |= {key} if again else set()
        self._add(key, SourcePart("statement", name, text, False), scope, 0)

    def settle(self, name: str, change: ContainerUse) -> None:
        """Say when the statements that complete a part run: also last, or only then, if other parts change the same."""
        if change is ContainerUse.SURE:
            self.effects[name] = []
        elif change is ContainerUse.MAYBE:
            self.again |= set(self.effects[name])

    def _add(self, key: str, part: SourcePart, scope: Scope, line: int, node: ast.stmt | None = None) -> None:
        self.parts[key] = part
        body = [node] if node else ast.parse(part.text).body
        self.nodes[key] = body
        self.names[key] = names = names_of(body)
        self.lines[key] = line
        self.check_imports(part.name, part.text, body, scope)
        for wanted in sorted(names.hard):
            if wanted not in self._bound:
                self.resolve(wanted, scope, part.name)
        for wanted in sorted(names.soft):
            if wanted not in self._bound and scope.find(wanted) is not ABSENT:
                self._resolve_soft(wanted, scope, part.name, part.future)

    def forget(self, name: str) -> None:
        """Take back what was added for a name that cannot travel: it may be one that the class does without."""
        self._values.pop(name, None)
        for key in [key for key, part in self.parts.items() if part.name == name and part.kind != "class"]:
            del self.parts[key], self.nodes[key], self.names[key], self.lines[key]
        self.effects.pop(name, None)

    def means(self, name: str, value: object) -> bool:
        """Tell whether a name is free in the bundle, or means this value there."""
        return self._values.get(name, value) is value

    def bind(self, name: str, value: object) -> None:
        """Say what a name made for the bundle means; it is looked up in no scope."""
        self._values[name] = value
        self._bound.add(name)

    def _resolve_soft(self, name: str, scope: Scope, user: str, future: bool) -> None:
        try:
            self.resolve(name, scope, user)
        except CannotShip:
            if not (future or sys.version_info >= (3, 14)):
                raise
