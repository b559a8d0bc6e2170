"""The module name of the older project: `emerge`, which stands for `emerge_wasm.classic` where it was asked for.

Who asks: a program that imports it, with the extra `compat` installed, and a class bundle whose text imports it.
"""

from __future__ import annotations

import importlib
import re
import sys

ALIAS = "emerge"
CLASSIC = "emerge_wasm.classic"
_MODULES = ("", ".core", ".core.client", ".core.objects", ".data", ".compute", ".node", ".node.server")
_IMPORT = re.compile(rf"^[ \t]*(?:from|import)[ \t]+{ALIAS}(?:[. \t,]|$)", re.MULTILINE)


def install() -> None:
    """Give `emerge` and its modules in this process, unless something else has the name."""
    if ALIAS not in sys.modules:
        for name in _MODULES:
            sys.modules[ALIAS + name] = importlib.import_module(CLASSIC + name)


def is_imported_by(text: str) -> bool:
    """Tell whether a text imports the older project's name."""
    return _IMPORT.search(text) is not None


def real_name(module: str) -> str:
    """Return the name of a module without the alias, where that is in use here."""
    top, dot, rest = module.partition(".")
    if top == ALIAS and getattr(sys.modules.get(ALIAS), "__name__", "") == CLASSIC:
        return CLASSIC + dot + rest
    return module
