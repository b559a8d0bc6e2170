"""Limit what a document may ask for, before anything of it runs.

It is checked three times: its tokens before it is parsed (the parser recurses), its form before it is validated
(validation compares fields of one name pairwise), and its cost with the variables' values before it is run. The parser
can count tokens too, but brackets and digits must be counted before it recurses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLSchema,
    GraphQLType,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    Source,
    TokenKind,
    get_named_type,
    type_from_ast,
)
from graphql.execution.values import get_argument_values
from graphql.language.lexer import Lexer

from ..errors import Invalid, LimitExceeded
from ..operations import Wire

SIZE = 64 * 1024
"""Characters of a document."""
TOKENS = 2000
DIGITS = 1000
"""Digits of one number."""
BRACKETS = 40
"""Brackets within brackets."""
FRAGMENTS = 50
ALIASES = 50
SAME = 100
"""Fields of one name in a document."""
DEPTH = 12
INTROSPECTION_DEPTH = 20
COST = 20_000
VARIABLES = 10_000
"""Values in the variables."""
VARIABLES_DEPTH = 32
LIST = 100
"""Objects of a list without a `limit`."""
REFERENCES = 20
"""Objects of `references` without a `limit`; and the length that a plain list is taken to have."""
PAGED = "paged"
"""Marks a field whose list is as long as the `limit` of the field around it."""

_NUMBERS = {TokenKind.INT, TokenKind.FLOAT}
_OPEN = {TokenKind.BRACE_L, TokenKind.BRACKET_L, TokenKind.PAREN_L}
_CLOSE = {TokenKind.BRACE_R, TokenKind.BRACKET_R, TokenKind.PAREN_R}

Fragments = dict[str, FragmentDefinitionNode]


def exceeded(limit: str, found: int | str, most: int, what: str) -> LimitExceeded:
    return LimitExceeded(
        f"the document has {found} {what}; the limit is {most}",
        remedy="ask for less, or in several documents",
        limit=limit,
    )


def check_text(text: str) -> None:
    """Check the size, tokens and brackets of a document before it is parsed.

    Raises:
        LimitExceeded: there are too many.
        GraphQLSyntaxError: the text is no GraphQL.
    """
    if len(text) > SIZE:
        raise exceeded("size", len(text), SIZE, "characters")
    lexer = Lexer(Source(text))
    tokens = depth = 0
    while (token := lexer.advance()).kind is not TokenKind.EOF:
        tokens += 1
        depth += (token.kind in _OPEN) - (token.kind in _CLOSE)
        if token.kind in _NUMBERS and token.end - token.start > DIGITS:
            raise exceeded("digits", token.end - token.start, DIGITS, "digits in a number")
        if tokens > TOKENS:
            raise exceeded("tokens", f"more than {TOKENS}", TOKENS, "tokens")
        if depth > BRACKETS:
            raise exceeded("brackets", f"more than {BRACKETS}", BRACKETS, "brackets within brackets")


def check_variables(variables: Wire) -> None:
    """Check how much the variables hold, and how deep. Raises LimitExceeded."""
    count, depth = 0, 0
    level: list[object] = [variables]
    while level:
        depth += 1
        level = [item for each in level if isinstance(each, (dict, list, tuple)) for item in _items(each)]
        count += len(level)
        if count > VARIABLES:
            raise exceeded("variables", f"more than {VARIABLES}", VARIABLES, "values in its variables")
        if depth > VARIABLES_DEPTH:
            raise exceeded("variables", f"more than {VARIABLES_DEPTH}", VARIABLES_DEPTH, "levels in its variables")


def _items(value: dict[str, object] | list[object] | tuple[object, ...]) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value


def check_form(document: DocumentNode) -> None:
    """Check depth, aliases, fragments and repeated fields, whatever the schema is. Raises LimitExceeded."""
    fragments = fragments_of(document)
    if len(fragments) > FRAGMENTS:
        raise exceeded("fragments", len(fragments), FRAGMENTS, "fragments")
    names: Counter[str] = Counter()
    aliases = 0
    for each in document.definitions:
        if isinstance(each, (OperationDefinitionNode, FragmentDefinitionNode)):
            for node in _fields(each.selection_set):
                aliases += node.alias is not None
                names[(node.alias or node.name).value] += 1
    if aliases > ALIASES:
        raise exceeded("aliases", aliases, ALIASES, "aliases")
    for name, count in names.items():
        if count > SAME:
            raise exceeded("repeated fields", count, SAME, f"fields {name[:40]!r}")
    depths = _Depths(fragments)
    for operation in document.definitions:
        if isinstance(operation, OperationDefinitionNode):
            plain, introspection = depths.of(operation.selection_set)
            if plain > DEPTH:
                raise exceeded("depth", plain, DEPTH, "levels of fields")
            if introspection > INTROSPECTION_DEPTH:
                raise exceeded("introspection depth", introspection, INTROSPECTION_DEPTH, "levels of introspection")


def fragments_of(document: DocumentNode) -> Fragments:
    return {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}


def _fields(selections: SelectionSetNode) -> list[FieldNode]:
    """Return every field that is written in a selection, at any depth; fragments are not followed."""
    found: list[FieldNode] = []
    todo = [selections]
    while todo:
        for node in todo.pop().selections:
            if isinstance(node, FieldNode):
                found.append(node)
            if isinstance(node, (FieldNode, InlineFragmentNode)) and node.selection_set:
                todo.append(node.selection_set)
    return found


class _Walk:
    """Walks through fragments, each once."""

    def __init__(self, fragments: Fragments) -> None:
        self.fragments = fragments
        self.open: list[str] = []

    def enter(self, node: FragmentSpreadNode) -> FragmentDefinitionNode | None:
        name = node.name.value
        if name in self.open:
            raise Invalid(f"the fragment {name[:40]} contains itself: {' → '.join([*self.open, name])[:200]}")
        return self.fragments.get(name)


class _Depths(_Walk):
    """Counts (levels of fields, levels of introspection) of selections."""

    def __init__(self, fragments: Fragments) -> None:
        super().__init__(fragments)
        self.known: dict[str, tuple[int, int]] = {}

    def of(self, selections: SelectionSetNode | None) -> tuple[int, int]:
        plain = introspection = 0
        for node in selections.selections if selections else ():
            one, two = self._of_node(node)
            plain, introspection = max(plain, one), max(introspection, two)
        return plain, introspection

    def _of_node(self, node: SelectionNode) -> tuple[int, int]:
        if isinstance(node, FieldNode):
            plain, introspection = self.of(node.selection_set)
            if node.name.value.startswith("__"):
                return 1, 1 + max(plain, introspection)
            return 1 + plain, introspection
        if not isinstance(node, FragmentSpreadNode):
            return self.of(getattr(node, "selection_set", None))
        name = node.name.value
        if name not in self.known:
            fragment = self.enter(node)
            self.open.append(name)
            self.known[name] = self.of(fragment.selection_set) if fragment else (0, 0)
            self.open.pop()
        return self.known[name]


class Cost(_Walk):
    """Computes the cost of a valid operation: one for each field, for each object that the list around it may have."""

    def __init__(self, schema: GraphQLSchema, fragments: Fragments, variables: Wire) -> None:
        super().__init__(fragments)
        self._schema = schema
        self._variables = variables
        self._known: dict[str, int] = {}

    def check(self, operation: OperationDefinitionNode) -> int:
        cost = self._of(operation.selection_set, self._schema.get_root_type(operation.operation))
        if cost > COST:
            raise LimitExceeded(
                f"the document may come to {cost} fields; the limit is {COST}",
                remedy="give its lists a smaller `limit`, or ask for fewer fields",
                limit="cost",
            )
        return cost

    def _of(self, selections: SelectionSetNode | None, parent: GraphQLType | None) -> int:
        return sum(self._of_node(node, parent) for node in selections.selections) if selections else 0

    def _of_node(self, node: SelectionNode, parent: GraphQLType | None) -> int:
        if isinstance(node, FieldNode):
            if node.name.value.startswith("__"):
                return 1
            field = getattr(parent, "fields", {}).get(node.name.value)
            inner = self._of(node.selection_set, get_named_type(field.type) if field else None)
            return 1 + inner * (self._objects(field, node) if field and node.selection_set else 1)
        if isinstance(node, InlineFragmentNode):
            on = type_from_ast(self._schema, node.type_condition) if node.type_condition else parent
            return self._of(node.selection_set, on)
        assert isinstance(node, FragmentSpreadNode)
        name = node.name.value
        if name not in self._known:
            fragment = self.enter(node)
            on = type_from_ast(self._schema, fragment.type_condition) if fragment else None
            self._known[name] = self._of(fragment.selection_set, on) if fragment else 0
        return self._known[name]

    def _objects(self, field: GraphQLField, node: FieldNode) -> int:
        """Return how many objects a field may have."""
        if "limit" not in field.args:
            return 1 if PAGED in field.extensions or "[" not in str(field.type) else REFERENCES
        try:
            limit = get_argument_values(field, node, self._variables).get("limit")
        except GraphQLError:  # running the document reports it
            limit = None
        return max(1, limit if isinstance(limit, int) else LIST)
