"""Bound how deep a Python text nests, before the parser sees it.

The parser recurses in C; in a browser tab a text made for it ends the interpreter, with no exception to catch
(measured: from about 1,200 levels on). The tokenizer does not recurse.
"""

from __future__ import annotations

import io
import tokenize

from ..errors import LimitExceeded

NESTING_LIMIT = 300
_WORDS = frozenset({"not", "lambda", "if", "else", "await", "and", "or", "yield", "for", "in", "is"})


def check_nesting(text: str) -> None:
    """Refuse a text in which one expression has more operators within operators, or more `elif`s, than any real one.

    Raises LimitExceeded, or what the tokenizer raises for a text that is not Python (TokenError, SyntaxError).
    """
    counts, total, branches = [0], 0, 0  # operators since the last comma, at each open bracket
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        word = token.string
        if token.type == tokenize.NEWLINE:
            counts, total = [0], 0
        elif token.type == tokenize.NAME:
            branches = branches + 1 if word == "elif" else 0 if word in ("def", "class") else branches
            step = word in _WORDS
            counts[-1] += step
            total += step
        elif token.type == tokenize.OP:
            if word in ",;":
                total -= counts[-1]
                counts[-1] = 0
            elif word in "([{":
                counts.append(1)
                total += 1
            else:
                if word in ")]}" and len(counts) > 1:
                    total -= counts.pop()
                counts[-1] += 1
                total += 1
        if total + branches > NESTING_LIMIT:
            raise LimitExceeded(
                f"line {token.start[0]} of the text nests deeper than {NESTING_LIMIT}",
                remedy="write it in several statements",
                limit="nesting",
            )
