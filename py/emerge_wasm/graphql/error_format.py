"""Write errors as GraphQL has them: the code, the object's path, remedy and details are in `extensions`."""

from __future__ import annotations

import logging

from graphql import GraphQLError

from ..codec import plain
from ..errors import EmergeError
from ..operations import Wire

log = logging.getLogger("emerge.graphql")


def write_error(error: GraphQLError | EmergeError) -> Wire:
    """Write an error as {"message", "locations", "path", "extensions"}. An unexpected error is logged, not shown."""
    if isinstance(error, EmergeError):
        return {"message": error.message, "extensions": _extensions(error)}
    formatted: Wire = dict(error.formatted)
    cause = original(error)
    if isinstance(cause, EmergeError):
        return {**formatted, "message": cause.message, "extensions": _extensions(cause)}
    if isinstance(cause, RecursionError):
        return {
            **formatted,
            "message": "the document nests too deep",
            "extensions": {"code": "LimitExceeded", "limit": "depth"},
        }
    if cause is not None:
        log.error("a GraphQL field failed", exc_info=cause)
        return {**formatted, "message": f"it failed: {type(cause).__name__}", "extensions": {"code": "Error"}}
    return {**formatted, "extensions": {"code": "Invalid", **formatted.get("extensions", {})}}


def original(error: GraphQLError) -> BaseException | None:
    """Return the error that a field raised, None when it was GraphQL's own."""
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _extensions(error: EmergeError) -> Wire:
    found: Wire = {"code": error.code}
    if error.path:
        found["path"] = error.path
    if error.remedy:
        found["remedy"] = error.remedy
    if error.details.get("limit"):
        found["limit"] = error.details["limit"]
    details = {name: plain(_read(value)) for name, value in error.details.items() if name != "limit"}
    return {**found, "details": details} if details else found


def _read(value: object) -> object:
    """Decode the states among an error's details."""
    if isinstance(value, bytes):
        from ..codec import decode

        try:
            return decode(value)
        except EmergeError:
            return value
    return value
