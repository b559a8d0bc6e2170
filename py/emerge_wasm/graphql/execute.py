"""From a document to its answer: limits, the schema of the path, validation, cost, and then it is run."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any
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

from ..errors import EmergeError, Invalid, LimitExceeded
from ..operations import Wire
from ..paths import join_path, split_path
from .caller import Caller
from .catalogue import Catalogue
from .class_schema import Book
from .failure import write_error
from .limit import Cost, check_form, check_text, check_variables, fragments_of
from .node import Request
from .schema import make_book

RENEW_SECONDS = 1.0
"""Between two times that everything is listed again for the sake of a document that does not fit the classes."""

KEPT = 64
"""Schemas that are kept for one place: each path and caller has its own, for each sees other classes."""

ERRORS = 5
"""Errors of validation that are told."""

RULES = list(dict.fromkeys((*specified_rules, *recommended_rules)))


@dataclass
class Kept:
    """The classes at a path for a caller, and the schema of one edition of them."""

    catalogue: Catalogue
    edition: int = 0
    book: Book | None = None
    renewed: float = 0.0


@dataclass
class Books:
    """The schemas of one place, those used last kept."""

    kept: OrderedDict[tuple[Any, ...], Kept] = field(default_factory=OrderedDict)

    async def find(self, caller: Caller, path: str) -> Book:
        """The schema of the objects at or below a path, as this caller may see them; in a transaction it is made anew,
        for nobody else sees what is there."""
        context = caller.context
        if context.transaction:
            catalogue = Catalogue(path)
            await catalogue.refresh(caller)
            return make_book(await catalogue.shapes(caller), catalogue.others, catalogue.bundles)
        key = (path, context.principal, context.groups, context.superuser)
        kept = self.kept.setdefault(key, Kept(Catalogue(path)))
        self.kept.move_to_end(key)
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        found = kept.catalogue
        found.stale |= kept.book is not None and kept.book.stale
        edition = await found.refresh(caller)
        if kept.book is None or kept.book.stale or kept.edition != edition or kept.book.others != found.others:
            kept.book = make_book(await found.shapes(caller), found.others, found.bundles)
            kept.edition = edition
        return kept.book

    async def renew(self, caller: Caller, path: str) -> bool:
        """Whether classes may have come that the schema lacks: the log tells of those on this node only. Then the next
        `find` lists everything again."""
        context = caller.context
        kept = self.kept.get((path, context.principal, context.groups, context.superuser))
        now = time.monotonic()
        if kept is None or context.transaction or now < kept.renewed + RENEW_SECONDS or not await _has_others(caller):
            return False
        kept.catalogue.stale = True
        kept.renewed = now
        return True


async def _has_others(caller: Caller) -> bool:
    try:
        return len(await caller.call("nodes")) > 1
    except Invalid:  # a filesystem without a cluster
        return False


_PLACES: WeakKeyDictionary[Any, Books] = WeakKeyDictionary()


@dataclass
class Asked:
    """A document that may be run: one of its operations, with its variables."""

    request: Request
    document: DocumentNode
    operation: OperationDefinitionNode
    variables: Wire
    cost: int


async def answer(caller: Caller, place: Any, path: str, query: str, variables: Wire, name: str) -> Wire:
    """{"data", "errors", "extensions"} of a query or mutation."""
    asked = await _ask(caller, place, path, query, variables, name)
    if not isinstance(asked, Asked):
        return asked
    if asked.operation.operation is OperationType.SUBSCRIPTION:
        return _refused(Invalid("a subscription has many answers", remedy="ask for it with `subscribe`"))
    return await _run(asked, None)


async def follow(
    caller: Caller, place: Any, path: str, query: str, variables: Wire, name: str
) -> AsyncGenerator[Wire, None]:
    """The answers to a subscription; one alone, with errors, when there is something wrong with it."""
    asked = await _ask(caller, place, path, query, variables, name)
    if not isinstance(asked, Asked):
        yield asked
        return
    if asked.operation.operation is not OperationType.SUBSCRIPTION:
        yield _refused(Invalid("this is no subscription", remedy="ask for it with `graphql`"))
        return
    request = asked.request
    events = await create_source_event_stream(
        request.book.schema, asked.document, None, request, asked.variables, name or None
    )
    if isinstance(events, ExecutionResult):
        yield _refused(*(events.errors or []))
        return
    generator: Any = events  # that of `follow_changes`
    async with aclosing(generator) as changes:
        async for change in changes:
            asked.request = Request(caller, request.root, request.book)
            yield await _run(asked, change)


async def _ask(caller: Caller, place: Any, path: str, query: str, variables: Wire, name: str) -> Asked | Wire:
    """The document, checked; or the answer that says what is wrong with it."""
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
    books = _PLACES.setdefault(place, Books())
    asked = _checked(Request(caller, root, await books.find(caller, root)), document, variables, name)
    if not isinstance(asked, Asked) and await books.renew(caller, root):
        asked = _checked(Request(caller, root, await books.find(caller, root)), document, variables, name)
    return asked


def _checked(request: Request, document: DocumentNode, variables: Wire, name: str) -> Asked | Wire:
    try:
        return _check(request, document, variables, name)
    except (GraphQLError, EmergeError) as error:
        return _refused(error)
    except RecursionError:
        return _refused(LimitExceeded("the document nests too deep", limit="depth"))


def _check(request: Request, document: DocumentNode, variables: Wire, name: str) -> Asked | Wire:
    schema = request.book.schema
    errors = validate(schema, document, RULES, max_errors=ERRORS)
    if errors:
        return _refused(*errors)
    operation = _operation(document, name)
    values = get_variable_values(schema, operation.variable_definitions or (), variables, max_errors=ERRORS)
    if isinstance(values, list):
        return _refused(*values)
    cost = Cost(schema, fragments_of(document), values).check(operation)
    return Asked(request, document, operation, variables, cost)


def _operation(document: DocumentNode, name: str) -> OperationDefinitionNode:
    """The operation to run. Invalid when the name does not say which."""
    found = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if name:
        found = [each for each in found if each.name and each.name.value == name]
        if not found:
            raise Invalid(f"the document has no operation {name[:80]!r}")
    if len(found) != 1:
        raise Invalid(f"the document has {len(found)} operations", remedy="name the one to run")
    return found[0]


async def _run(asked: Asked, root: Any) -> Wire:
    request = asked.request
    name = asked.operation.name.value if asked.operation.name else None
    try:
        result: Any = execute(request.book.schema, asked.document, root, request, asked.variables, name)
        if not isinstance(result, ExecutionResult):
            result = await result
    finally:
        await request.close()
    errors = [write_error(error) for error in result.errors or ()]
    errors += [{**write_error(error), "path": place} for place, error in request.notes]
    return _answer(result.data, errors, asked.cost)


def _answer(data: Any, errors: list[Wire], cost: int) -> Wire:
    return {"data": data, "errors": errors, "extensions": {"cost": cost}}


def _refused(*errors: GraphQLError | EmergeError) -> Wire:
    return _answer(None, [write_error(error) for error in errors], 0)
