"""A filesystem, and a way to ask it in GraphQL as one of several users.

In memory; by command on SQLite too, though GraphQL asks no store itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from emerge_wasm.clients import Client
from emerge_wasm.clients.transports.local import LocalTransport
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.filesystem.runs.inside.here import Here
from emerge_wasm.operations import Context
from emerge_wasm.stores import open_store
from tests.scale import SCALE

Answer = dict[str, Any]
ANNA = Context("anna", superuser=True)


class Place:
    """A filesystem, a client of it, and GraphQL at a path of it."""

    def __init__(self, filesystem: Filesystem) -> None:
        self.filesystem = filesystem
        self.client = Client(LocalTransport(filesystem, ANNA))

    async def ask(
        self, query: str, path: str = "/inventory", context: Context = ANNA, name: str = "", **variables: Any
    ) -> Answer:
        """The answer to a document."""
        answer = self.filesystem.dispatch("graphql", [path, query, variables, name], context)
        assert not isinstance(answer, AsyncIterator)
        return dict(await answer)

    async def data(self, query: str, path: str = "/inventory", **variables: Any) -> Any:
        """The data of an answer that has no errors."""
        answer = await self.ask(query, path, **variables)
        assert answer["errors"] == []
        return answer["data"]

    async def refusal(self, query: str, path: str = "/inventory", **variables: Any) -> Answer:
        """The one error of an answer."""
        (error,) = (await self.ask(query, path, **variables))["errors"]
        return dict(error)

    def follow(self, query: str, path: str = "/inventory", **variables: Any) -> AsyncIterator[Answer]:
        """The answers to a subscription."""
        answers = self.filesystem.dispatch("subscribe", [path, query, variables, ""], ANNA)
        assert isinstance(answers, AsyncIterator)
        return answers


@pytest.fixture(params=["memory"] if SCALE == 1 else ["memory", "sqlite"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    url = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/emerge.db"
    filesystem = await Filesystem.open(await open_store(url), node="here", url=url, runner=Here())
    yield Place(filesystem)
    await filesystem.close()
