"""Writes what clients have of the operation table: python -m buildtools.sync_client, whenever that or `Client` changes.

`clients/plain.py` has the operations that need nothing of a client, `clients/sync.py` the methods of `Client` without
`await`. Both are checked in, so that editors and type checkers know every method; a test says when they are stale.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

from emerge_wasm.operations import TABLE, Operations

from . import environment
from .step import ROOT

CLIENTS = ROOT / "py" / "emerge_wasm" / "clients"
PLAIN, SYNC = CLIENTS / "plain.py", CLIENTS / "sync.py"

BY_HAND = (
    "operations.py",
    "class_loader.py",
    "pointer_reads.py",
    "reads.py",
    "writes.py",
    "searches.py",
    "files.py",
    "client.py",
)
"""Modules whose classes have the operations that do more than call."""

OTHERWISE = {"classes"}
"""Operations that no method of a client is named after."""

PLAIN_HEAD = '''"""The operations that need nothing of a client: their arguments and results are those of the table.

Written by `python -m buildtools.sync_client` from `operations.py`: change that, then run it.
"""

from __future__ import annotations

'''

PLAIN_CLASS = '''

class PlainOperations(ClientOperations):
    """The operations that clients call as the table declares them."""
'''

HEAD = '''"""SyncClient: `Client` without `await`, on CPython and in a console cell alike.

Written by `python -m buildtools.sync_client` from `Client`: change that, then run it.
"""

from __future__ import annotations

'''

CLASS = '''

class SyncClient(SyncSession):
    """The methods of `Client`, waiting for their results; streams become plain generators."""
'''

BODIES = {
    "proxy": "return self._wait(lambda client: open_proxy(client, path, SyncProxy))",
    "open": "return open_stream(self._wait("
    "lambda client: client.open(path, mode, version=version, as_of=as_of, raid=raid, perms=perms, "
    "chunking=chunking, block_size=block_size)))",
    "transaction": "return SyncTransaction(self, SyncClient, name, seconds, join)",
}
"""Methods whose result has a sync face of its own."""

RESULTS = {
    "AsyncIterator": "Generator",
    "ClientTransaction": "SyncTransaction",
    "FileReader": "FileInput",
    "FileWriter": "FileOutput",
    "Proxy": "SyncProxy",
    "Self": "SyncClient",
}
"""What stands for the types of the async client."""

IMPORTS = {
    "Generator": "from collections.abc import Generator",
    "SyncProxy": "from .proxy import SyncProxy, open_proxy",
    "SyncSession": "from .sync_session import SyncSession",
    "SyncTransaction": "from .sync_session import SyncTransaction",
    "SyncClient": "",
    "FileInput": "from .file_stream import FileInput, FileOutput, open_stream",
    "FileOutput": "",
}

Method = Callable[..., object]


def plain_text() -> str:
    """The whole of `plain.py`."""
    trees = [ast.parse((CLIENTS / name).read_text()) for name in BY_HAND]
    written = {node.name for tree in trees for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef)}
    methods = [getattr(Operations, name) for name in TABLE if name not in written | OTHERWISE]
    imports = {"from .operations import ClientOperations", *_imports(methods)}
    if any(map(_streams, methods)):
        imports |= {"from .remote import ending"}
    return _formatted(PLAIN, PLAIN_HEAD + "\n".join(imports) + PLAIN_CLASS + "".join(map(_plain_method, methods)))


def sync_text() -> str:
    """The whole of `sync.py`."""
    methods = list(_methods())
    imports = {IMPORTS["SyncSession"], *_imports(methods, _result)}
    return _formatted(SYNC, HEAD + "\n".join(imports) + CLASS + "".join(map(_method, methods)))


def _formatted(path: Path, source: str) -> str:
    ruff = str(environment.tool("ruff"))
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format"]):
        command = [ruff, *command, "--stdin-filename", str(path), "-"]
        source = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    return source


def _streams(function: Method) -> bool:
    return not inspect.iscoroutinefunction(function)


def _plain_method(function: Method) -> str:
    """The source of a method that calls the operation."""
    signature = inspect.signature(function)
    call = f"self.remote.{function.__name__}({', '.join(list(signature.parameters)[1:])})"
    body = f"return await {call}"
    if _streams(function):
        body = f"async with ending({call}) as items:\n            async for item in items:\n                yield item"
    return _source("async def", function, str(signature.return_annotation), body)


def _methods() -> Iterator[Method]:
    """The public methods of Client, those of each base class together, in the order of their source."""
    from emerge_wasm.clients.client import Client

    for cls in reversed(Client.__mro__):
        for name, function in vars(cls).items():
            if inspect.isfunction(function) and not name.startswith("_") and name != "close":
                yield function


def _method(function: Method) -> str:
    """The source of one method."""
    signature = inspect.signature(function)
    body = BODIES.get(function.__name__) or _body(function, list(signature.parameters.values())[1:])
    return _source("def", function, _result(str(signature.return_annotation)), body)


def _source(word: str, function: Method, result: str, body: str) -> str:
    parameters = list(inspect.signature(function).parameters.values())
    shown = ", ".join(map(_parameter, _with_marks(parameters)))
    doc = f'        """{function.__doc__}"""\n'
    return f"\n    {word} {function.__name__}({shown}) -> {result}:\n{doc}        {body}\n"


def _body(function: Method, parameters: list[inspect.Parameter]) -> str:
    call = f"client.{function.__name__}({', '.join(map(_argument, parameters))})"
    if inspect.iscoroutinefunction(function):
        return f"return self._wait(lambda client: {call})"
    if inspect.isasyncgenfunction(function):
        return f"return self._iterate(lambda client: {call})"
    return f"return SyncClient(self._derive(lambda client: {call}), self._name)"


def _with_marks(parameters: list[inspect.Parameter]) -> Iterator[inspect.Parameter | str]:
    """The parameters, with the marks `/` and `*` between their kinds."""
    before = parameters[0]
    for parameter in parameters:
        if before.kind is before.POSITIONAL_ONLY and parameter.kind is not before.POSITIONAL_ONLY:
            yield "/"
        if parameter.kind is parameter.KEYWORD_ONLY and before.kind not in (before.KEYWORD_ONLY, before.VAR_POSITIONAL):
            yield "*"
        yield parameter
        before = parameter


def _parameter(parameter: inspect.Parameter | str) -> str:
    if isinstance(parameter, str) or parameter.name == "self":
        return str(parameter)
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
    return f"{stars}{parameter.name}: {parameter.annotation}{default}"


def _argument(parameter: inspect.Parameter) -> str:
    marks = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**", parameter.KEYWORD_ONLY: f"{parameter.name}="}
    return marks.get(parameter.kind, "") + parameter.name


def _result(annotation: str) -> str:
    """The type of what the sync method gives."""
    tree = ast.parse(annotation, mode="eval").body
    if isinstance(tree, ast.Subscript) and ast.unparse(tree.value) == "AsyncIterator":
        return f"Generator[{ast.unparse(tree.slice)}, None, None]"
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = RESULTS.get(node.id, node.id)
    return ast.unparse(tree)


def _imports(methods: list[Method], result: Callable[[str], str] = str) -> set[str]:
    """The lines that import what the annotations of these methods need."""
    names: set[str] = set().union(*(_names(function, result) for function in methods))
    return {_import(name, methods) for name in names} - {""}


def _names(function: Method, result: Callable[[str], str]) -> set[str]:
    """The names that the annotations of a method need, but for those of the language."""
    signature = inspect.signature(function)
    annotations = [str(p.annotation) for p in list(signature.parameters.values())[1:]]
    trees = map(ast.parse, [*annotations, result(str(signature.return_annotation))])
    found = {node.id for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return {name for name in found if not hasattr(builtins, name)}


def _import(name: str, methods: list[Method]) -> str:
    """The line that imports a name as the modules of these methods have it."""
    if name in IMPORTS:
        return IMPORTS[name]
    for module in dict.fromkeys(function.__module__ for function in methods):
        tree = ast.parse(Path(str(sys.modules[module].__file__)).read_text())
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
                dots = "." * (node.level + (module.count(".") == 1 and node.level > 0))  # as seen from clients/
                return f"from {dots}{node.module or ''} import {name}"
            defined = node.targets[0] if isinstance(node, ast.Assign) else node
            if name == (defined.id if isinstance(defined, ast.Name) else getattr(defined, "name", "")):
                return f"from {'..' if module.count('.') == 1 else '.'}{module.rpartition('.')[2]} import {name}"
    raise LookupError(f"{name}, in an annotation of Client, is imported nowhere")


def main() -> None:
    """Write both files; the sync client that is there is not imported, for it may no longer fit."""
    stub = ModuleType("emerge_wasm.clients.sync")
    vars(stub)["SyncClient"] = object
    sys.modules[stub.__name__] = stub
    PLAIN.write_text(plain_text())
    SYNC.write_text(sync_text())


if __name__ == "__main__":
    main()
