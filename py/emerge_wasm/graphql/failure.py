"""Errors as GraphQL tells them: the code, the object's path, remedy and details in `extensions`."""

from __future__ import annotations

import logging
from typing import Any

from graphql import GraphQLError

from ..codec import plain
from ..errors import EmergeError
from ..operations import Wire

log = logging.getLogger(__name__)


def write_error(error: GraphQLError | EmergeError) -> Wire:
    """{"message", "locations", "path", "extensions"} of an error. What is none of ours is logged and not told."""
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
    """What a field raised, when that was no GraphQLError."""
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):
        cause = cause.original_error
    return cause


def _extensions(error: EmergeError) -> Wire:
    told: Wire = {"code": error.code}
    if error.path:
        told["path"] = error.path
    if error.remedy:
        told["remedy"] = error.remedy
    limit: Any = error.details.get("limit")
    if limit:
        told["limit"] = limit
    details = {name: plain(_read(value)) for name, value in error.details.items() if name != "limit"}
    return {**told, "details": details} if details else told


def _read(value: Any) -> Any:
    """States travel encoded; here they are read."""
    if isinstance(value, bytes):
        from ..codec import decode

        try:
            return decode(value)
        except EmergeError:
            return value
    return value
