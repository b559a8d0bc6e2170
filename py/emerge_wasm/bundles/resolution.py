"""Resolve a bundle to a class that this process has already, so that what is read is an instance of its own class.

A class is the bundle's when it captures to the same code, whichever module defines it. None of its code runs for that,
and nothing is imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress

from ..errors import EmergeError, NotFound
from .bundle import Bundle, Find, code_hash, parse, read_bundle
from .capture_class import capture
from .home import MAIN, Look, is_current, is_loaded, module_of, own_class, own_classes
from .registry import LOOKS, REFUSED, SAME
from .watch import current_bundle


def is_settled(hash: str, known: type) -> bool:
    """Tell whether the class that is known for a hash is still the one to use: nothing was defined since."""
    if not is_unchanged(hash, known):
        return False
    if not is_loaded(known) and is_current(known):
        return True
    look = LOOKS.get(hash)
    return look is not None and look.is_fresh()


def is_unchanged(hash: str, known: type) -> bool:
    """Tell whether a class still has the code of a hash: a function that it uses may have been defined anew."""
    if is_loaded(known):
        return True
    bundle = current_bundle(known)
    return bundle is not None and bundle.hash == SAME.get(hash, hash)


def resolve(bundle: Bundle, find: Find) -> type | None:
    """Return the class of this process that has the code of a bundle, the newest one, else None."""
    content = bundle.content
    LOOKS[bundle.hash] = Look(content.module, content.class_name)
    if not (content.parts or content.within):  # an installed class, which every process imports
        return None
    return next((cls for cls in own_classes(content.module, content.class_name) if _has_code(cls, bundle, find)), None)


def own_hashes(hashes: Iterable[str], find: Find) -> set[str]:
    """Return which of these bundles are code of this process's own: that of its classes, and what those require."""
    found: set[str] = set()
    for hash in hashes:
        with suppress(EmergeError):
            if hash not in found and resolve(read_bundle(hash, find), find) is not None:
                todo = [hash]
                while todo:
                    one = todo.pop()
                    data = find(one)
                    if one not in found and data is not None:
                        found.add(one)
                        todo += parse(data, one).requires
    return found


def current_class(bundle: Bundle) -> type:
    """Return this process's own class of a bundle's module and name, as it is now, whatever its code.

    Raises:
        NotFound: there is none.
    """
    module, name = bundle.content.module, bundle.class_name
    found = own_class(module, name)
    if found is not None:
        return found
    elsewhere = module in ("", MAIN)  # it was typed, or stored before bundles said where
    others = [cls for cls in own_classes(module, name) if elsewhere or module_of(cls) == module]
    if len({cls.__module__ for cls in others}) == 1:
        return others[0]
    raise NotFound(
        f"no class {name} is defined here" if elsewhere else f"no class {name} of the module {module} is here",
        remedy="define it, or import it, first" if elsewhere else f"import {module} first",
        module=module,
        class_name=name,
    )


def _has_code(cls: type, bundle: Bundle, find: Find) -> bool:
    names = len(vars(sys.modules[cls.__module__])) if cls.__module__ in sys.modules else 0
    if REFUSED.get(cls) == names:
        return False
    try:
        *_, own = captured = capture(cls)
    except Exception:  # it cannot travel, so it is not what travelled; and it must not keep others from being read
        REFUSED[cls] = names
        return False
    if own.hash == bundle.hash:
        return True
    return code_hash(own, {one.hash: one.data for one in captured}.get) == code_hash(bundle, find)
