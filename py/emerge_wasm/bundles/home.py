"""Tell in which module of this process a class lives, by the name that other processes know the module by.

Nothing is imported here, and no code of the modules runs: a lazy one stays unloaded.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from types import ModuleType

from ..codec import class_name_of
from ..objects import EmergeObject
from .origin import is_installed

MAIN = "__main__"
_MAINS = (MAIN, "__mp_main__")
"""The program, and the same one in a child that multiprocessing spawned."""
LOADED_MODULE = "emerge_class_"
"""The names of the modules that bundles run in begin so."""
LOADED_MODULES: set[str] = set()
"""Those that there are: they have none of this process's own classes."""


def is_loaded(cls: type) -> bool:
    """Tell whether a class was made from a bundle, rather than by this process's own code."""
    return cls.__module__.startswith(LOADED_MODULE)


def module_of(cls: type) -> str:
    """Return the name of the module that defines a class: for a script, the name that `import` knows it by."""
    return module_name(cls.__module__)


def module_name(name: str) -> str:
    """Return the name that other processes know this module by."""
    return main_name() if name in _MAINS else name


def main_name() -> str:
    """Return the name of the running program: `shop` for `python shop.py` and `python -m shop`; else `__main__`."""
    main = sys.modules.get(MAIN)
    spec = getattr(main, "__spec__", None)
    file = getattr(main, "__file__", None)
    return spec.name if spec is not None else _stem(file) if file else MAIN


@lru_cache(maxsize=4)
def _stem(file: str) -> str:
    return PurePath(file).stem


class Look:
    """What a class's first name means in a module and in the program, to see whether it was defined anew since."""

    __slots__ = ("_count", "_found", "_head", "_home", "_main", "_mine")

    def __init__(self, module: str, class_name: str) -> None:
        self._head = class_name.partition(".")[0]
        self._home, self._main = _names(sys.modules.get(module)), _names(sys.modules.get(MAIN))
        self._found, self._mine = self._home.get(self._head), self._main.get(self._head)
        self._count = _own_count()

    def is_fresh(self) -> bool:
        """Tell whether nothing of that name, and no module, has come since. This is asked for each object read."""
        if self._count != _own_count():
            return False
        return self._home.get(self._head) is self._found and self._main.get(self._head) is self._mine


def _own_count() -> int:
    return len(sys.modules) - len(LOADED_MODULES)


def own_class(module: str, class_name: str) -> type | None:
    """Return this process's own class of that (dotted) name in a module, or else in the program itself."""
    for name in (MAIN, module) if module == main_name() else (module, MAIN):
        found = _class_in(sys.modules.get(name), class_name)
        if found is not None:
            return found
    return None


def own_classes(module: str, class_name: str) -> Iterator[type]:
    """Yield this process's own classes of that name, the likeliest first: of that module, the program, the others,
    of those that functions made the newest first."""
    first = own_class(module, class_name)
    found = [] if first is None else [first]
    head = class_name.partition(".")[0]
    for other in list(sys.modules.values()):
        cls = _class_in(other, class_name) if head in _names(other) else None
        if cls is not None and cls not in found:
            found.append(cls)
    yield from found
    yield from _made_in_functions(class_name)


def is_current(cls: type) -> bool:
    """Tell whether the name of a class still means it, or it never had one: a function made it."""
    if "<locals>" in cls.__qualname__:
        return _newest(cls) is cls
    module = sys.modules.get(cls.__module__)
    return module is not None and _find(module, cls.__qualname__) is cls


def _class_in(module: ModuleType | None, class_name: str) -> type | None:
    """Return the class of the user's that a module has under this name, wherever it was defined."""
    found = None if module is None else _find(module, class_name)
    if not isinstance(found, type) or class_name_of(found) != class_name:
        return None
    return None if is_loaded(found) or is_installed(found.__module__) else found


def _find(module: ModuleType, class_name: str) -> object:
    head, _, rest = class_name.partition(".")
    found = _names(module).get(head)
    return _inner(found, rest) if rest else found


def _names(module: ModuleType | None) -> dict[str, object]:
    if type(module) is ModuleType:
        return module.__dict__
    try:
        names: dict[str, object] = object.__getattribute__(module, "__dict__")  # a lazy module is imported by others
    except AttributeError:  # None, and anything else that stands in sys.modules
        return _NONE
    return names


_NONE: dict[str, object] = {}


def _inner(found: object, steps: str) -> object:
    for step in steps.split("."):
        found = vars(found).get(step) if isinstance(found, type) else None
    return found


def _made_in_functions(class_name: str) -> Iterator[type]:
    """Yield the live classes of that name that functions defined, the newest of each base first."""
    head, _, rest = class_name.partition(".")
    todo: list[type] = [EmergeObject, Enum]
    while todo:
        below: list[type] = type.__subclasses__(todo.pop())
        for cls in reversed(below):
            todo.append(cls)
            if cls.__name__ == head and "<locals>" in cls.__qualname__ and not is_loaded(cls):
                found = _inner(cls, rest) if rest else cls
                if isinstance(found, type) and not is_installed(found.__module__):
                    yield found


def _newest(cls: type) -> type:
    """Return the class that the same statement, run again, made last."""
    base = cls.__mro__[1]
    if base is not object:  # which has thousands
        siblings: list[type] = type.__subclasses__(base)
        for other in reversed(siblings):
            if (other.__qualname__, other.__module__) == (cls.__qualname__, cls.__module__):
                return other
    return cls
