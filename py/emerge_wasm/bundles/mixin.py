"""Make a class with the fields and methods of two others, as text from their bundles. Runs none of it."""

from __future__ import annotations

import keyword

from ..errors import Invalid
from .bundle import Bundle, Content, Find, SourcePart
from .description import describe

BASE = "EmergeFile"
_IMPORTS = ("from dataclasses import dataclass",)


def mix(first: Bundle | None, second: Bundle | None, name: str, find: Find) -> Bundle:
    """Make the bundle of `class name(first, second)`; None stands for EmergeFile.

    Where both have a field or method, the first's is used. Fields without a default are given by keyword.

    Raises:
        Invalid: `name` cannot be the name of a class.
    """
    if not name.isidentifier() or keyword.iskeyword(name):
        raise Invalid(f"{name[:40]!r} cannot be the name of a class", remedy="use letters, digits and underscores")
    bases = list({bundle.hash: bundle for bundle in (first, second) if bundle is not None}.values())
    if len(bases) == 2 and bases[0].hash in bases[1].requires:  # a class comes before what it derives from
        bases.reverse()
    names = _local_names(bases, name)
    required = {
        row["name"]: row["annotation"]
        for bundle in reversed(bases)
        for row in describe(bundle, find)["fields"]
        if not row["default"]
    }
    shown = " and ".join(bundle.class_name for bundle in bases) or BASE
    text = "\n".join(
        [
            "@dataclass(kw_only=True)",
            f"class {name}({', '.join(names) or BASE}):",
            f'    """{shown} in one."""',
            *([""] if required else []),
            *(f"    {field}: {annotation}" for field, annotation in required.items()),
        ]
    )
    imports = _IMPORTS if bases else (*_IMPORTS, f"from emerge_wasm import {BASE}")
    return Bundle.of(
        Content(
            class_name=name,
            imports=imports,
            classes=tuple(sorted((local, bundle.hash) for local, bundle in zip(names, bases, strict=True))),
            parts=(SourcePart("class", name, text, True),),
            requires=tuple(sorted(bundle.hash for bundle in bases)),
            needs=tuple(sorted({need for bundle in bases for need in bundle.needs})),
            where="node" if any(bundle.where == "node" for bundle in bases) else "anywhere",
        )
    )


def _local_names(bases: list[Bundle], taken: str) -> list[str]:
    """Return the names of the bases in the text: their own, made different where they are the same."""
    names: list[str] = []
    for bundle in bases:
        name = bundle.class_name.rpartition(".")[2]
        while name in (taken, "dataclass", *names):
            name += "_"
        names.append(name)
    return names
