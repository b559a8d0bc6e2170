"""One object holds the msgpack functions in use, so that a tab can exchange them."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import emerge_wasm
from emerge_wasm.codec import decode, encode
from emerge_wasm.codec.msgpack_engine import MsgpackEngine

PACKAGE = Path(emerge_wasm.__file__).parent
FUNCTIONS = {"pack", "packb", "unpack", "unpackb", "Packer", "Unpacker"}


def test_another_implementation_is_used_at_once() -> None:
    class Loud:
        def pack(self, value: object) -> bytes:
            return encode(["loud", value])

    module = ModuleType("loud_msgpack")
    module.__dict__.update(Packer=Loud, Unpacker=None, unpackb=lambda data: ("loud", data))
    engine = MsgpackEngine(module)
    assert decode(engine.packb(1)) == ["loud", 1]
    assert engine.unpackb(b"x") == ("loud", b"x")


def test_no_module_keeps_a_function_of_msgpack_by_name() -> None:
    texts = {path: path.read_text() for path in PACKAGE.rglob("*.py")}
    concerned = {path: text for path, text in texts.items() if "from msgpack" in text}
    assert concerned
    for path, text in concerned.items():
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and node.module == "msgpack":
                assert FUNCTIONS.isdisjoint(alias.name for alias in node.names), path
