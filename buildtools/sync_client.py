"""Writes the sync client from the async one: python -m buildtools.sync_client, whenever a method of `Client` changes.

The file is checked in, so that editors and type checkers know every method; a test says when it is stale.
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

from . import environment
from .step import ROOT

FILE = ROOT / "py" / "emerge_wasm" / "clients" / "sync.py"

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
    "transaction": "return SyncTransaction(self, SyncClient, name, seconds, join)",
}
"""Methods whose result has a sync face of its own."""

RESULTS = {
    "AsyncIterator": "Generator",
    "ClientTransaction": "SyncTransaction",
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
}

Method = Callable[..., object]


def text() -> str:
    """The whole file, formatted."""
    methods = list(_methods())
    names = {"SyncSession"}.union(*map(_names, methods))
    imports = sorted({_import(name, methods) for name in names} - {""})
    source = HEAD + "\n".join(imports) + CLASS + "".join(map(_method, methods))
    ruff = str(environment.tool("ruff"))
    for command in (["check", "--select", "I", "--fix", "--quiet"], ["format"]):
        command = [ruff, *command, "--stdin-filename", str(FILE), "-"]
        source = subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout
    return source


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
    result = _result(str(signature.return_annotation))
    parameters = ", ".join(map(_parameter, _with_marks(list(signature.parameters.values()))))
    body = BODIES.get(function.__name__) or _body(function, list(signature.parameters.values())[1:])
    doc = f'        """{function.__doc__}"""\n'
    return f"\n    def {function.__name__}({parameters}) -> {result}:\n{doc}        {body}\n"


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


def _names(function: Method) -> set[str]:
    """The names that the annotations of a method need, but for those of the language."""
    signature = inspect.signature(function)
    annotations = [str(p.annotation) for p in list(signature.parameters.values())[1:]]
    trees = map(ast.parse, [*annotations, _result(str(signature.return_annotation))])
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
                return f"from {'.' * node.level}{node.module or ''} import {name}"
            defined = node.targets[0] if isinstance(node, ast.Assign) else node
            if name == (defined.id if isinstance(defined, ast.Name) else getattr(defined, "name", "")):
                return f"from .{module.rpartition('.')[2]} import {name}"
    raise LookupError(f"{name}, in an annotation of Client, is imported nowhere")


def main() -> None:
    """Write the file; the one that is there is not imported, for it may no longer fit."""
    stub = ModuleType("emerge_wasm.clients.sync")
    vars(stub)["SyncClient"] = object
    sys.modules[stub.__name__] = stub
    FILE.write_text(text())


if __name__ == "__main__":
    main()
