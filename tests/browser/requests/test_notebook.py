"""Notebooks, as the page opens them."""

from __future__ import annotations

import asyncio
from itertools import product
from random import Random
from typing import Any, cast

from emerge_wasm.browser.requests.notebook import keep_notebook, notebook
from emerge_wasm.browser.tab import Tab
from emerge_wasm.context import Context
from emerge_wasm.errors import PermissionDenied
from emerge_wasm.filesystem import Filesystem
from emerge_wasm.notebook import Notebook, make_cell
from emerge_wasm.stores import open_store

from .test_right import ANNA, BEN, tab_of
from .test_table import OneTab


async def keeps(tab: OneTab, path: str) -> bool:
    args: dict[str, Any] = {"where": "local", "path": path, "version": 0, "cells": [make_cell("b", "2")]}
    try:
        await keep_notebook(cast("Tab", tab), cast(Any, {**args, "requirements": []}))
    except PermissionDenied:
        return False
    return True


def test_who_opens_a_notebook_is_told_whether_they_may_change_it() -> None:
    async def run() -> None:
        dice, filesystem = Random(3), await Filesystem.open(await open_store("memory:"))
        admin = (await tab_of(filesystem, Context(superuser=True))).place.reader
        await admin.mkdir("/n")
        await admin.chmod("/n", "rwxr-xr-x")
        tabs = [await tab_of(filesystem, who) for who in (ANNA, BEN, Context("zoë"), Context(superuser=True))]
        told: set[bool] = set()
        for number, (owner, group) in enumerate(product(("anna", "ben", "eve"), ("crew", "", "other"))):
            path = f"/n/book {number}"
            await admin.store(Notebook(name=f"book {number}", path="/n", cells=[make_cell("a", "1")]))
            await admin.chown(path, owner, group)
            await admin.chmod(path, "".join(letter if dice.random() < 0.6 else "-" for letter in "rwxrwxrwx"))
            for tab in tabs:
                try:
                    view = await notebook(cast("Tab", tab), {"where": "local", "path": path, "version": 0})
                except PermissionDenied:
                    continue
                assert view["may"] == await keeps(tab, path), (path, view["pointer"]["perms"])
                told.add(view["may"])
        assert told == {True, False}
        await filesystem.close()

    asyncio.run(run())
