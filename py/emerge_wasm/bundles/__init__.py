"""Class bundles: a class as its source and what it needs, named by the hash of its bytes.

Layer 2: the standard library, msgpack by way of `codec`. Only `load` runs the source in a bundle; capturing,
parsing and describing never do. Nothing is shipped as bytecode. Where to begin reading:

- `bundle` is the form; `capture_class` and `expression` make it, `load_class` and `load_expression` take it.
- Capturing: `collector` goes from name to name; `source`, `locate` and `functional_class` find the text, `scope` and
  `origin` what a name means, `provenance` whether a value may travel, `live_value` and `effect` what later lines
  made of it, `part_order` in which order all runs, `watch` whether it is still so.
- Loading: `home` and `resolution` find the reader's own class, `needed_python` says what this Python cannot run.
- Showing: `description`, `form` (what fields are meant to have), `bundle_text`.
"""

from __future__ import annotations

from .bundle import Bundle, parse
from .bundle_text import bundle_text
from .capture_class import capture
from .description import describe, display_method, help_of, merge_rules, source_of, takes_long
from .form import ClassForms, FieldForm, forms_of
from .load_class import load
from .mixin import mix
from .resolution import current_class
from .source import forget_source, keep_source

__all__ = [
    "Bundle",
    "ClassForms",
    "FieldForm",
    "bundle_text",
    "capture",
    "current_class",
    "describe",
    "display_method",
    "forget_source",
    "forms_of",
    "help_of",
    "keep_source",
    "load",
    "merge_rules",
    "mix",
    "parse",
    "source_of",
    "takes_long",
]
