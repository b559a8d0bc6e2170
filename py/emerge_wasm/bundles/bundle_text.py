"""Write out all that a bundle holds, and the bundles that it requires: what left the machine. Nothing is run."""

from __future__ import annotations

from collections.abc import Iterator

from ..codec import decode, show
from .bundle import Bundle, Find, imports_text, parse


def bundle_text(bundle: Bundle, find: Find) -> str:
    """Return the text of a bundle with every import line, constant and part, then of each bundle it requires."""
    return "\n\n\n".join("\n".join(_lines(one)) for one in _graph(bundle, find)) + "\n"


def _graph(bundle: Bundle, find: Find) -> list[Bundle]:
    """Return a bundle and all it requires; one that is missing is left out."""
    found = {bundle.hash: bundle}
    todo = [bundle]
    while todo:
        for hash in todo.pop(0).requires:
            data = None if hash in found else find(hash)
            if data is not None:
                found[hash] = parse(data, hash)
                todo.append(found[hash])
    return list(found.values())


def _lines(bundle: Bundle) -> Iterator[str]:
    content = bundle.content
    yield f"# --- {content.class_name}: bundle {bundle.hash}, {len(bundle.data)} bytes"
    yield f"# format: {content.format}"
    yield f"# module: {content.module or 'not known'}"
    yield f"# grammar: Python {'.'.join(map(str, content.grammar))} or later"
    yield f"# runs: {content.where}"
    yield f"# packages: {', '.join(content.needs) or 'none'}"
    if content.within:
        yield f"# its text is in the bundle {content.within}"
    yield from (f"# requires: {hash}" for hash in content.requires)
    if content.imports or any(part.future for part in content.parts):
        yield "\n# imports"
        yield imports_text(content)
    if content.classes:
        yield "\n# classes of other bundles"
        yield from (f"# {name} is {hash}" for name, hash in content.classes)
    if content.constants:
        yield "\n# constants"
        yield from (f"{name} = {show(decode(data))}" for name, data in content.constants)
    for part in content.parts:
        of = f" of {part.module}" if part.module else ""
        yield f"\n# {part.kind} {part.name}{of}"
        yield part.text
    if content.aliases:
        yield "\n# other names"
        yield from (f"{name} = {target}" for name, target in content.aliases)
