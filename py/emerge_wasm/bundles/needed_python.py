"""Say which construct of a class's text needs a newer Python, before that is run by an older one."""

from __future__ import annotations

import re
import sys
from functools import lru_cache

from ..errors import ExecutionFailed
from .bundle import Bundle
from .description import shown_text
from .grammar import BASE_GRAMMAR, Grammar, constructs, grammar_of

PYTHON: Grammar = sys.version_info[:2]
"""The Python that runs this."""


def text_grammar(texts: list[str]) -> Grammar:
    """Return the oldest Python whose grammar has all that these texts use, which this Python has parsed."""
    return BASE_GRAMMAR if PYTHON == BASE_GRAMMAR else min(PYTHON, max(map(grammar_of, texts), default=BASE_GRAMMAR))


def check_python(bundle: Bundle, error: SyntaxError | None = None) -> None:
    """Refuse to load a class whose text needs a newer Python, or could not be parsed for that reason.

    Raises:
        ExecutionFailed: it needs one; `details["python"]` says which. The message names the construct and its line.
    """
    if bundle.content.grammar > PYTHON or (error and any(_newer(part.text) for part in bundle.content.parts)):
        raise too_old(bundle) from None


def _newer(text: str) -> bool:
    return grammar_of(text) > PYTHON


def too_old(bundle: Bundle, have: Grammar = PYTHON) -> ExecutionFailed:
    """Return the error for a class that a Python cannot parse."""
    need, why = why_newer(bundle, have)
    return ExecutionFailed(
        f"the class {bundle.class_name} cannot be loaded by Python {version_text(have)}: {why}",
        remedy="run it where a newer Python is, or write it without that",
        bundle=bundle.hash,
        python=version_text(need),
    )


def why_newer(bundle: Bundle, have: Grammar) -> tuple[Grammar, str]:
    """Return which Python a class needs, and why: the construct, and its line in the code as people read it."""
    shown = shown_text(bundle)
    found = [(construct, part.text) for part in bundle.content.parts for construct in constructs(part.text)]
    need = max((construct.grammar for construct, _ in found), default=BASE_GRAMMAR)
    if need <= have or not found:
        return bundle.content.grammar, f"its code needs Python {version_text(bundle.content.grammar)}"
    construct, text = next(row for row in found if row[0].grammar == need)
    line = shown.partition(text)[0].count("\n") + construct.line
    return need, f"line {line} of its code needs Python {version_text(need)}, for {construct.name}"


def stored_on_older(bundle: Bundle, have: Grammar) -> str:
    """Return the warning for a class that was stored where its code cannot run."""
    need, why = why_newer(bundle, have)
    return (
        f"the class {bundle.class_name} was stored, but the node has Python {version_text(have)} and cannot run its "
        f"methods: {why} (write it without that, or start the node with --python python{version_text(need)})"
    )


@lru_cache
def version_of(text: str) -> Grammar:
    """Return the grammar of a Python version such as "3.11.7", the oldest for none."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else BASE_GRAMMAR


def version_text(version: Grammar) -> str:
    """Return a version as people write it."""
    return ".".join(map(str, version))
