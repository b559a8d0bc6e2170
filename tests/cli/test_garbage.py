"""What a server has when it has started is not looked at by each collection of garbage, which would hold up answers."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT

SERVER = """
import gc
from contextlib import AsyncExitStack
from emerge_wasm.cli.server import run_until_stopped

async def serve(stack: AsyncExitStack) -> dict[str, str]:
    before = len(gc.get_objects())
    stack.callback(lambda: print(before, gc.get_freeze_count(), len(gc.get_objects())))
    return {}

run_until_stopped(serve, lambda found: None, while_input=True)
"""


def test_what_a_server_has_once_it_has_started_is_left_out() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVER], cwd=ROOT, input="", capture_output=True, text=True, timeout=60, check=True
    )
    before, frozen, seen = map(int, done.stdout.split())
    assert frozen > before / 2, "it was frozen"
    assert seen < before / 10, "and is not looked at"
