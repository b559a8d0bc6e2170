"""Load the class of a bundle: the one place that runs the source in a bundle, and only when asked to."""

from __future__ import annotations
import __future__

import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType

from ..codec import decode
from ..codec.state import InstanceMaker
from ..errors import EmergeError, ExecutionFailed, Invalid, LimitExceeded, PermissionDenied
from . import alias
from .absent_module import reason
from .bundle import CHAIN_LIMIT, Bundle, Content, Find, code_hash, constants_text, imports_text, read_bundle
from .home import LOADED_MODULE, LOADED_MODULES
from .needed_python import check_python
from .registry import CLASSES, LOADED, bundle_of_hash, one_at_a_time, register, register_same
from .resolution import is_settled, is_unchanged, resolve
from .source import keep_source

_FUTURE = __future__.annotations.compiler_flag
_MODULE_PATH = re.compile(r"(?<=') \([^()\n]*\)$", re.MULTILINE)
"""The path of a module that lacks a name, in Python's message."""
_CONTENTS = re.compile(r"[\w.]+(\.clear\(\)\n|\[:\] = )")
"""How a statement begins that gives a container all its contents."""
_loading: list[str] = []


class CodeNotAllowed(PermissionDenied):
    """The text of a bundle would have to be run, which is not allowed; `details["bundle"]` is its hash."""


@one_at_a_time
def load(hash: str, find: Find, allows: Callable[[str], bool] | None = None) -> type:
    """Load the class of a bundle: this process's own one where it has the same code, else by running its source, once.

    No module is imported for it. What is run shows the shipped lines in tracebacks, and inspect.getsource works.
    `allows` is asked before the source is run, with that of all that the bundle requires (None: all are allowed).

    Raises:
        CodeNotAllowed: its source would have to be run, and may not be.
        NotFound: a bundle is missing; `details["bundle"]` is its hash.
        Invalid: a bundle's bytes are not right.
        LimitExceeded: the bundle needs itself, or too long a chain of others.
        ExecutionFailed: its source failed; `details["traceback"]` says where.
    """
    known = CLASSES.get(hash)
    if known is not None and is_settled(hash, known):
        return known
    bundle = read_bundle(hash, find) if known is None else bundle_of_hash(hash)
    own = resolve(bundle, find)
    if own is not None:
        register_same(own, bundle)
        return own
    if known is not None and is_unchanged(hash, known):
        return known
    if allows is not None and not allows(hash):
        raise CodeNotAllowed(f"the class {bundle.class_name} may not run here", bundle=hash)
    if hash in _loading or len(_loading) >= CHAIN_LIMIT:
        raise LimitExceeded(
            f"the class bundle {hash[:12]} needs itself, or a chain of more than {CHAIN_LIMIT}", limit="requires"
        )
    _loading.append(hash)
    try:
        for required in bundle.requires:
            load(required, find)
        code = code_hash(bundle, find)
        same = LOADED.get(code)
        if same is not None:
            register_same(same, bundle)
            return same
        cls = LOADED[code] = _member(bundle) if bundle.content.within else _run(bundle)
    finally:
        _loading.remove(hash)
    register(cls, bundle)
    _register_others(cls, bundle)
    return cls


def _register_others(cls: type, bundle: Bundle) -> None:
    """Register the other classes of the same text: they have bundles of their own, which point into this one."""
    names = vars(sys.modules[cls.__module__])
    for part in bundle.content.parts:
        other = names.get(part.name)
        if part.kind == "class" and other is not cls and isinstance(other, type):
            register(other, Bundle.of(Content.of_member(part.name, bundle)))


def _member(bundle: Bundle) -> type:
    """Return a class whose text is in another bundle."""
    outer = CLASSES[bundle.content.within]
    head = bundle.class_name.partition(".")[0]
    if outer.__name__ == head:
        return _class_in({head: outer}, bundle)
    return _class_in(vars(sys.modules.get(outer.__module__, sys)), bundle)


def _class_in(names: dict[str, object], bundle: Bundle) -> type:
    head, *steps = bundle.class_name.split(".")
    found = names.get(head)
    for step in steps:
        found = getattr(found, step, None)
    if not isinstance(found, type):
        raise Invalid(f"the class bundle {bundle.hash[:12]} does not define {bundle.class_name}")
    return found


def _run(bundle: Bundle) -> type:
    """Run the parts of a bundle in a module of its own, and return the class."""
    check_python(bundle)
    tag = f"{bundle.class_name}:{bundle.hash[:8]}"
    module = ModuleType(f"{LOADED_MODULE}{bundle.hash[:16]}", f"The class bundle {tag}.")
    module.__file__ = f"<emerge:{tag}>"
    sys.modules[module.__name__] = module  # dataclasses and typing look there
    LOADED_MODULES.add(module.__name__)
    try:
        with _failures(bundle):
            _fill(vars(module), bundle, module.__file__)
            _restore(bundle, set())
        return _class_in(vars(module), bundle)
    except BaseException:
        del sys.modules[module.__name__]
        LOADED_MODULES.discard(module.__name__)
        raise


@contextmanager
def _failures(bundle: Bundle) -> Iterator[None]:
    try:
        yield
    except EmergeError:
        raise
    except (Exception, SystemExit) as error:
        if isinstance(error, SyntaxError):
            check_python(bundle, error)
        raise ExecutionFailed(
            f"the class {bundle.class_name} cannot be loaded: {_reason(error)}",
            remedy=_remedy(error),
            bundle=bundle.hash,
            traceback=_shown_trace(error),
        ) from None


def _reason(error: BaseException) -> str:
    """Return what failed; a name that a module lacks without the path of that module, which is this machine's."""
    lacks = re.fullmatch(r"cannot import name '(\w+)' from '([\w.]+)'", _MODULE_PATH.sub("", str(error)))
    if lacks and isinstance(error, ImportError):
        python = f"Python {sys.version_info.major}.{sys.version_info.minor}"
        standard = lacks[2].partition(".")[0] in sys.stdlib_module_names
        return f"{lacks[2]} has no {lacks[1]}" + (f" in {python}, which runs here" if standard else " here")
    return f"{type(error).__name__}: {error}"


def _shown_trace(error: BaseException) -> str:
    """Return the traceback from the bundle's own text on: what is above it are paths of this machine."""
    frame = error.__traceback__
    while frame is not None and not frame.tb_frame.f_code.co_filename.startswith("<emerge:"):
        frame = frame.tb_next
    head = "" if frame else "Traceback (most recent call last):\n"
    shown = head + "".join(traceback.format_exception(type(error), error, frame))
    return _MODULE_PATH.sub("", shown)


def _remedy(error: BaseException) -> str | None:
    """Return what to do about a module that is missing; the sandbox's own error says it already."""
    if isinstance(error, ModuleNotFoundError) and error.name and str(error).startswith("No module"):
        return reason(error.name)
    return None


def _fill(names: dict[str, object], bundle: Bundle, filename: str) -> None:
    content = bundle.content
    chunks = [(part.text, part.future) for part in content.parts]
    before = [text for text in (imports_text(content), constants_text(content)) if text]
    keep_source(filename, "\n\n\n".join([*before, *(text for text, _ in chunks)]) + "\n")
    if any(map(alias.is_imported_by, [*before, *(text for text, _ in chunks)])):
        alias.install()
    _execute(imports_text(content), False, filename, 0, names)
    names.update((name, CLASSES[hash]) for name, hash in content.classes)
    for name, value in content.constants:
        names[name] = decode(value, maker=InstanceMaker(_required))
    line = sum(text.count("\n") + 3 for text in before)
    for part in content.parts:
        _execute(part.text, part.future, filename, line, names)
        names.update((alias, names[target]) for alias, target in content.aliases if target == part.name)
        line += part.text.count("\n") + 3


def _restore(bundle: Bundle, seen: set[str]) -> None:
    """Give the containers of required bundles the contents again that these say.

    A class that a registry has stands in the registry's own bundle. So what defining this one has added to a base's
    registry had been taken out where it was captured.
    """
    for hash in bundle.requires:
        required = bundle_of_hash(hash)
        if hash in seen:
            continue
        seen.add(hash)
        _restore(required, seen)
        module = CLASSES[hash].__module__
        if module in LOADED_MODULES:
            names = vars(sys.modules[module])
            for part in required.content.parts:
                if part.kind == "statement" and _CONTENTS.match(part.text):
                    _execute(part.text, part.future, str(names["__file__"]), 0, names)


def _required(bundle: str, name: str) -> type:
    if bundle not in CLASSES:
        raise Invalid(f"a constant needs the class {name}, which its bundle does not require")
    return CLASSES[bundle]


def _execute(text: str, future: bool, filename: str, line: int, names: dict[str, object]) -> None:
    code = compile("\n" * line + text, filename, "exec", _FUTURE if future else 0, dont_inherit=True)
    exec(code, names)
