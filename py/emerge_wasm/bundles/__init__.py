"""Class bundles: a class as its source and what it needs, named by the hash of its bytes.

Layer 2: the standard library, msgpack by way of `codec`. Only `load` runs the source in a bundle; capturing,
parsing and describing never do. Nothing is shipped as bytecode.
"""

from __future__ import annotations

from .bundle import Bundle, parse
from .bundle_text import bundle_text
from .capture_class import capture
from .description import describe, help_of, merge_rules, source_of
from .load_class import load
from .mixin import mix
from .resolution import current_class
from .source import keep_source

__all__ = [
    "Bundle",
    "bundle_text",
    "capture",
    "current_class",
    "describe",
    "help_of",
    "keep_source",
    "load",
    "merge_rules",
    "mix",
    "parse",
    "source_of",
]
