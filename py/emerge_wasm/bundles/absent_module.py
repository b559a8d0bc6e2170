"""Says why a module is missing and what to do: one of the standard library is never to be installed."""

from __future__ import annotations

import sys

from ..sync import IN_PYODIDE

ADDED = {
    "annotationlib": (3, 14),
    "compression": (3, 14),
    "pathlib.types": (3, 14),
    "string.templatelib": (3, 14),
    "concurrent.interpreters": (3, 14),
    "concurrent.futures.interpreter": (3, 14),
}
"""Modules of newer Pythons than the oldest that Emerge runs on, with the first version that has them."""
REMOVED = {
    **dict.fromkeys("asynchat asyncore distutils imp smtpd".split(), (3, 12)),
    **dict.fromkeys(
        "aifc audioop cgi cgitb chunk crypt imghdr lib2to3 mailcap msilib nis nntplib ossaudiodev pipes sndhdr spwd "
        "sunau telnetlib uu xdrlib".split(),
        (3, 13),
    ),
}
"""Modules that newer Pythons no longer have, with the first version that lacks them."""


def absence(name: str, *, sandbox: bool = False, installed: bool = False) -> ModuleNotFoundError:
    """Return the error for a module that cannot be imported: in a node's sandbox or in another process.

    `installed`: it is there for the node, which only has not loaded it.
    """
    return ModuleNotFoundError(
        f"{name} is not in this {_place(sandbox)}: {reason(name, sandbox, installed)}", name=name
    )


def reason(name: str, sandbox: bool = False, installed: bool = False) -> str:
    """Return why a module is missing, and what to do."""
    top = name.partition(".")[0]
    python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    for each in (name, top):
        if sys.version_info[:2] < ADDED.get(each, (0, 0)):
            return f"it came with Python {'.'.join(map(str, ADDED[each]))}, and this is {python}"
        if sys.version_info[:2] >= REMOVED.get(each, (9, 9)):
            return f"{python} no longer has it, since Python {'.'.join(map(str, REMOVED[each]))}"
    if top in sys.stdlib_module_names:
        return f"this {python} was built without it, or has no such module"
    if installed:
        return f"emerge node start --preload {top}"
    if sandbox:
        return f"install {top} where the node runs, then emerge node start --preload {top}"
    return f"install {top}"


def _place(sandbox: bool) -> str:
    return "sandbox" if sandbox else "page" if IN_PYODIDE else "Python"
