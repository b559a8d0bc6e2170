"""Answer a document: check its limits, find the schema of the path, validate it, check its cost, and run it."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import cast
from weakref import WeakKeyDictionary

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    execute,
    parse,
    specified_rules,
    validate,
)
from graphql.execution import create_source_event_stream
from graphql.execution.values import get_variable_values
from graphql.validation.specified_rules import recommended_rules

from ..context import asker
from ..errors import EmergeError, Invalid, LimitExceeded
from ..operations import Wire
from ..paths import join_path, split_path
from ..results import GraphQLAnswer
from .caller import GraphQLCaller
from .class_catalogue import ClassCatalogue
from .class_schema import ClassSchema
from .error_format import write_error
from .limit import Cost, check_form, check_text, check_variables, fragments_of
from .request import GraphQLRequest
from .schema import make_schema

RENEW_SECONDS = 1.0
"""Least time before everything is listed again because a document does not fit the classes."""

KEPT = 64
"""Schemas that are kept for one place. Each path and caller has its own, because each sees other classes."""

ERRORS = 5
"""Errors of validation that are reported."""

SchemaKey = tuple[str, str]
"""Path, and who asks (`asker`)."""

RULES = list(dict.fromkeys((*specified_rules, *recommended_rules)))


@dataclass
class CachedSchema:
    """The classes at a path for a caller, and the schema of one edition of them."""

    catalogue: ClassCatalogue
    edition: int = 0
    class_schema: ClassSchema | None = None
    renewed: float = 0.0


@dataclass
class SchemaCache:
    """The schemas of one place that were used last."""

    kept: OrderedDict[SchemaKey, CachedSchema] = field(default_factory=OrderedDict)

    async def find(self, caller: GraphQLCaller, path: str) -> ClassSchema:
        """Return the schema of the objects at or below a path that this caller may see.

        In a transaction it is made anew, because nobody else sees its objects.
        """
        context = caller.context
        if context.transaction:
            catalogue = ClassCatalogue(path)
            await catalogue.refresh(caller)
            return make_schema(await catalogue.classes(caller), catalogue.others, catalogue.bundles)
        key = (path, asker(context))
        kept = self.kept.setdefault(key, CachedSchema(ClassCatalogue(path)))
        self.kept.move_to_end(key)
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        found = kept.catalogue
        found.stale |= kept.class_schema is not None and kept.class_schema.stale
        edition = await found.refresh(caller)
        if (
            kept.class_schema is None
            or kept.class_schema.stale
            or kept.edition != edition
            or kept.class_schema.others != found.others
        ):
            kept.class_schema = make_schema(await found.classes(caller), found.others, found.bundles)
            kept.edition = edition
        return kept.class_schema

    async def renew(self, caller: GraphQLCaller, path: str) -> bool:
        """Make the next `find` list everything again, when other nodes may have classes that the schema lacks.

        The log has the changes of this node only. Returns whether it will.
        """
        context = caller.context
        kept = self.kept.get((path, asker(context)))
        now = time.monotonic()
        if kept is None or context.transaction or now < kept.renewed + RENEW_SECONDS or not await _has_others(caller):
            return False
        kept.catalogue.stale = True
        kept.renewed = now
        return True


async def _has_others(caller: GraphQLCaller) -> bool:
    try:
        return len(await caller.call("nodes")) > 1
    except Invalid:  # a filesystem without a cluster
        return False


_CACHES: WeakKeyDictionary[object, SchemaCache] = WeakKeyDictionary()


@dataclass
class CheckedDocument:
    """A document that may be run: one of its operations, with its variables."""

    request: GraphQLRequest
    document: DocumentNode
    operation: OperationDefinitionNode
    variables: Wire
    cost: int


async def answer(
    caller: GraphQLCaller, place: object, path: str, query: str, variables: Wire, name: str
) -> GraphQLAnswer:
    """Answer a query or mutation."""
    checked = await _prepare(caller, place, path, query, variables, name)
    if not isinstance(checked, CheckedDocument):
        return checked
    if checked.operation.operation is OperationType.SUBSCRIPTION:
        return _refused(Invalid("a subscription has many answers", remedy="ask for it with `subscribe`"))
    return await _run(checked, None)


async def follow(
    caller: GraphQLCaller, place: object, path: str, query: str, variables: Wire, name: str
) -> AsyncGenerator[GraphQLAnswer, None]:
    """Yield the answers to a subscription; a single one, with errors, when something is wrong with it."""
    checked = await _prepare(caller, place, path, query, variables, name)
    if not isinstance(checked, CheckedDocument):
        yield checked
        return
    if checked.operation.operation is not OperationType.SUBSCRIPTION:
        yield _refused(Invalid("this is no subscription", remedy="ask for it with `graphql`"))
        return
    request = checked.request
    events = await create_source_event_stream(
        request.class_schema.schema, checked.document, None, request, checked.variables, name or None
    )
    if isinstance(events, ExecutionResult):
        yield _refused(*(events.errors or []))
        return
    async with aclosing(cast(AsyncGenerator[Wire, None], events)) as changes:  # the one of `follow_changes`
        async for change in changes:
            checked.request = GraphQLRequest(caller, request.root, request.class_schema)
            yield await _run(checked, change)


async def _prepare(
    caller: GraphQLCaller, place: object, path: str, query: str, variables: Wire, name: str
) -> CheckedDocument | GraphQLAnswer:
    """Check a document; return it, or the answer that says what is wrong with it."""
    try:
        check_text(query)
        check_variables(variables)
        document = parse(query)
        check_form(document)
    except (GraphQLError, EmergeError) as error:
        return _refused(error)
    except RecursionError:
        return _refused(LimitExceeded("the document nests too deep", limit="depth"))
    root = join_path(*split_path(path))
    cache = _CACHES.setdefault(place, SchemaCache())
    checked = _checked(GraphQLRequest(caller, root, await cache.find(caller, root)), document, variables, name)
    if not isinstance(checked, CheckedDocument) and await cache.renew(caller, root):
        checked = _checked(GraphQLRequest(caller, root, await cache.find(caller, root)), document, variables, name)
    return checked


def _checked(
    request: GraphQLRequest, document: DocumentNode, variables: Wire, name: str
) -> CheckedDocument | GraphQLAnswer:
    try:
        return _check(request, document, variables, name)
    except (GraphQLError, EmergeError) as error:
        return _refused(error)
    except RecursionError:
        return _refused(LimitExceeded("the document nests too deep", limit="depth"))


def _check(
    request: GraphQLRequest, document: DocumentNode, variables: Wire, name: str
) -> CheckedDocument | GraphQLAnswer:
    schema = request.class_schema.schema
    errors = validate(schema, document, RULES, max_errors=ERRORS)
    if errors:
        return _refused(*errors)
    operation = _operation(document, name)
    values = get_variable_values(schema, operation.variable_definitions or (), variables, max_errors=ERRORS)
    if isinstance(values, list):
        return _refused(*values)
    cost = Cost(schema, fragments_of(document), values).check(operation)
    return CheckedDocument(request, document, operation, variables, cost)


def _operation(document: DocumentNode, name: str) -> OperationDefinitionNode:
    """Find the operation to run. Raises Invalid when the name does not say which."""
    found = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if name:
        found = [each for each in found if each.name and each.name.value == name]
        if not found:
            raise Invalid(f"the document has no operation {name[:80]!r}")
    if len(found) != 1:
        raise Invalid(f"the document has {len(found)} operations", remedy="name the one to run")
    return found[0]


async def _run(checked: CheckedDocument, root: Wire | None) -> GraphQLAnswer:
    request = checked.request
    name = checked.operation.name.value if checked.operation.name else None
    try:
        running = execute(request.class_schema.schema, checked.document, root, request, checked.variables, name)
        result = running if isinstance(running, ExecutionResult) else await running
    finally:
        await request.close()
    errors = [write_error(error) for error in result.errors or ()]
    errors += [{**write_error(error), "path": place} for place, error in request.notes]
    return _answer(result.data, errors, checked.cost)


def _answer(data: Wire | None, errors: list[Wire], cost: int) -> GraphQLAnswer:
    return {"data": data, "errors": errors, "extensions": {"cost": cost}}


def _refused(*errors: GraphQLError | EmergeError) -> GraphQLAnswer:
    return _answer(None, [write_error(error) for error in errors], 0)
