"""A bundle to its class: the one place that runs what a bundle holds, and only when asked to."""

from __future__ import annotations
import __future__

import ast
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from ..codec import decode
from ..codec.state import build
from ..errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, NotFound
from .bundle import Bundle, Content, constants_text, imports_text, parse
from .registry import CLASSES, register
from .source import keep_source

Find = Callable[[str], bytes | None]

CHAIN_LIMIT = 64
"""Bundles that need bundles that need bundles…"""

_FUTURE = __future__.annotations.compiler_flag
_loading: list[str] = []


def load(hash: str, find: Find) -> type:
    """The class of a bundle, made by running its source; once per process.

    `find` gives the bytes of a bundle by its hash. Its functions' tracebacks show the shipped lines, and
    inspect.getsource works. Raises NotFound when a bundle is missing (`details["bundle"]`), Invalid for one that is
    not right, ExecutionFailed with a traceback when its source fails.
    """
    known = CLASSES.get(hash)
    if known is not None:
        return known
    if hash in _loading or len(_loading) >= CHAIN_LIMIT:
        raise LimitExceeded(
            f"the class bundle {hash[:12]} needs itself, or a chain of more than {CHAIN_LIMIT}", limit="requires"
        )
    bundle = read(hash, find)
    _loading.append(hash)
    try:
        for required in bundle.requires:
            load(required, find)
        cls = _member(bundle) if bundle.content.within else _run(bundle)
    finally:
        _loading.remove(hash)
    register(cls, bundle)
    _register_others(cls, bundle)
    return cls


def _register_others(cls: type, bundle: Bundle) -> None:
    """The other classes of the same text: they have bundles of their own, which point into this one."""
    names = vars(sys.modules[cls.__module__])
    for part in bundle.content.parts:
        other = names.get(part.name)
        if part.kind == "class" and other is not cls and isinstance(other, type):
            register(other, Bundle.of(Content.of_member(part.name, bundle)))


def read(hash: str, find: Find) -> Bundle:
    """The bundle of that hash, without running it. Raises NotFound, Invalid."""
    data = find(hash)
    if data is None:
        raise NotFound(f"the class bundle {hash[:12]} is not here", remedy="store an object of it again", bundle=hash)
    return parse(data, hash)


def _member(bundle: Bundle) -> type:
    """A class within the text of another bundle."""
    outer = CLASSES[bundle.content.within]
    head = bundle.class_name.partition(".")[0]
    names = {head: outer} if outer.__name__ == head else vars(sys.modules.get(outer.__module__, sys))
    return _class_in(names, bundle)


def _class_in(names: dict[str, Any], bundle: Bundle) -> type:
    head, *steps = bundle.class_name.split(".")
    found = names.get(head)
    for step in steps:
        found = getattr(found, step, None)
    if not isinstance(found, type):
        raise Invalid(f"the class bundle {bundle.hash[:12]} does not define {bundle.class_name}")
    return found


def _run(bundle: Bundle) -> type:
    """Run the parts in a module of their own."""
    tag = f"{bundle.class_name}:{bundle.hash[:8]}"
    module = ModuleType(f"emerge_class_{bundle.hash[:16]}", f"The class bundle {tag}.")
    module.__file__ = f"<emerge:{tag}>"
    sys.modules[module.__name__] = module  # dataclasses and typing look there
    try:
        with _failures(bundle):
            _fill(vars(module), bundle, module.__file__)
        return _class_in(vars(module), bundle)
    except BaseException:
        del sys.modules[module.__name__]
        raise


@contextmanager
def _failures(bundle: Bundle) -> Iterator[None]:
    try:
        yield
    except EmergeError:
        raise
    except (Exception, SystemExit) as error:
        remedy = f"install {error.name}" if isinstance(error, ImportError) and error.name else None
        raise ExecutionFailed(
            f"the class {bundle.class_name} cannot be loaded: {type(error).__name__}: {error}",
            remedy=remedy,
            bundle=bundle.hash,
            traceback="".join(traceback.format_exception(error)),
        ) from None


def _fill(names: dict[str, Any], bundle: Bundle, filename: str) -> None:
    content = bundle.content
    chunks = [(part.text, part.future) for part in content.parts]
    before = [text for text in (imports_text(content), constants_text(content)) if text]
    keep_source(filename, "\n\n\n".join([*before, *(text for text, _ in chunks)]) + "\n")
    _execute(imports_text(content), False, filename, 0, names)
    names.update((name, CLASSES[hash]) for name, hash in content.classes)
    for name, value in content.constants:
        names[name] = decode(value, make_record=_make)
    line = sum(text.count("\n") + 3 for text in before)
    for part in content.parts:
        _execute(part.text, part.future, filename, line, names)
        names.update((alias, names[target]) for alias, target in content.aliases if target == part.name)
        line += part.text.count("\n") + 3


def _make(name: str, bundle: str, fields: dict[str, Any]) -> Any:
    if bundle not in CLASSES:
        raise Invalid(f"a constant needs the class {name}, which its bundle does not require")
    return build(CLASSES[bundle], fields)


def _execute(text: str, future: bool, filename: str, line: int, names: dict[str, Any]) -> None:
    tree = ast.increment_lineno(ast.parse(text, filename), line)
    exec(compile(tree, filename, "exec", _FUTURE if future else 0, dont_inherit=True), names)
