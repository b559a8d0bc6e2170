"""Find what newer Pythons added to the grammar in a text, on any Python: its own parser may not know it.

So the text is read token by token. That also says where each construct is, and how an older Python can read the text
without it: for a description of the class, never to be run.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

Grammar = tuple[int, int]
BASE_GRAMMAR: Grammar = (3, 11)
"""The oldest Python that Emerge runs on."""
_TOKEN = re.compile(
    r"""(?P<space>(?:[\ \t\f\r\n]+|\\\r?\n|\#[^\n]*)+)
    |(?P<prefix>(?i:[rbuft]|br|rb|fr|rf|tr|rt)?)(?P<quote>\"\"\"|'''|"|')
    |(?P<word>\w+)
    |(?P<mark>:=|[=!<>]=|->|.)""",
    re.VERBOSE | re.DOTALL,
)
_REST = {
    quote: re.compile(rf"(?:[^\\\n{quote}]|\\.)*{quote}" if len(quote) == 1 else rf"(?:[^\\]|\\.)*?{quote}", re.DOTALL)
    for quote in ("'", '"', "'''", '"""')
}
"""What comes after the opening quotes of a plain string."""
_RUN = re.compile(r"[^{}\\\n'\"]+")
_MAYBE = re.compile(r"\b(?:type|except|(?:class|def)\s[^(:]*\[)|(?i:[ft]r?)['\"]")
"""What a text has that may be newer than the oldest Python's grammar."""
_BEGINNINGS = frozenset({"class", "def", "type", "except"})
_OPEN, _CLOSE = "([{", ")]}"
_DEEPEST = 64
"""Levels of strings within strings."""


@dataclass(frozen=True, slots=True)
class Construct:
    """A construct that needs a newer Python: from `start` to `end` in the text, `plain` is what an older one reads."""

    grammar: Grammar
    name: str
    line: int
    start: int
    end: int
    plain: str


class _Token(NamedTuple):
    text: str
    start: int
    end: int
    is_word: bool


class _Unfinished(Exception):
    """A string or bracket does not end: the text is no Python."""


def constructs(text: str) -> list[Construct]:
    """Return what the text has of grammar that is newer than the oldest Python's, in order.

    A text that ends within a string is read up to there.
    """
    if not _MAYBE.search(text):
        return []
    scanner = _Scanner(text)
    tokens: list[_Token] = []
    try:
        tokens.extend(scanner.tokens(0))
    except _Unfinished:
        pass
    found = [*scanner.strings, *_statements(text, tokens)]
    return sorted(found, key=_start)


def grammar_of(text: str) -> Grammar:
    """Return the oldest Python, as (major, minor), whose grammar has all that a text uses."""
    return max((construct.grammar for construct in constructs(text)), default=BASE_GRAMMAR)


def plain_text(text: str) -> str:
    """Return the text as an older Python can read it, each line where it was; what newer grammar says is left out."""
    for construct in reversed(constructs(text)):
        text = text[: construct.start] + construct.plain + text[construct.end :]
    return text


def _start(construct: Construct) -> int:
    return construct.start


class _Scanner:
    """Reads tokens; strings that need a newer Python are noted in `strings`, the outermost of each."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.strings: list[Construct] = []
        self._depth = 0

    def tokens(self, at: int) -> Iterator[_Token]:
        """Yield the tokens from a place on, without spaces and comments."""
        while at < len(self.text):
            found = _TOKEN.match(self.text, at)
            if found is None:
                raise _Unfinished
            kind = found.lastgroup
            end = self._string(found) if kind == "quote" else found.end()
            if kind != "space":
                yield _Token(self.text[at:end], at, end, kind == "word")
            at = end

    def _string(self, found: re.Match[str]) -> int:
        """Return where a string ends."""
        prefix, quote, at = found["prefix"].lower(), found["quote"], found.end()
        if self._depth > _DEEPEST:
            raise _Unfinished
        self._depth += 1
        noted = len(self.strings)
        if "f" in prefix or "t" in prefix:
            end, reused = self._formatted(at, quote, "r" in prefix)
        else:
            end, reused = self._literal(at, quote), False
        self._depth -= 1
        self._note(found.start(), end, noted, "t" in prefix, reused)
        return end

    def _note(self, start: int, end: int, noted: int, is_template: bool, reused: bool) -> None:
        inner = self.strings[noted:]
        del self.strings[noted:]
        if is_template:
            inner.insert(0, self._made((3, 14), 'a template string (t"…")', start, end))
        elif reused:
            inner.append(
                self._made((3, 12), "an f-string with quotes, backslashes or lines of its own within {}", start, end)
            )
        if inner:
            newest = max(inner, key=_grammar)
            self.strings.append(self._made(newest.grammar, newest.name, start, end))

    def _made(self, grammar: Grammar, name: str, start: int, end: int) -> Construct:
        text, newlines = self.text, "\n" * self.text.count("\n", start, end)
        return Construct(grammar, name, _line(text, start), start, end, f"f'''{{...}}{newlines}'''")

    def _literal(self, at: int, quote: str) -> int:
        found = _REST[quote].match(self.text, at)
        if found is None:
            raise _Unfinished
        return found.end()

    def _formatted(self, at: int, quote: str, raw: bool) -> tuple[int, bool]:
        """Return where a formatted string ends, and whether only newer Pythons may write what is in it so."""
        reused = False
        while at < len(self.text):
            if self.text.startswith(quote, at):
                return at + len(quote), reused
            if self.text.startswith(("{{", "}}"), at):
                at += 2
            elif self.text[at] == "{":
                at, one = self._field(at + 1, quote, raw, 0)
                reused = reused or one
            else:
                at = self._character(at, quote, raw)
        raise _Unfinished

    def _character(self, at: int, quote: str, raw: bool) -> int:
        """Return the place after a character of a formatted string's own."""
        run = _RUN.match(self.text, at)
        if run is not None:
            return run.end()
        if self.text[at] == "\n" and len(quote) == 1:
            raise _Unfinished
        if self.text[at] != "\\":
            return at + 1
        if not raw and self.text.startswith("\\N{", at):
            end = self.text.find("}", at)
            return end + 1 if end > 0 else len(self.text)
        return at + (1 if self.text.startswith("{", at + 1) else 2)

    def _field(self, at: int, quote: str, raw: bool, level: int) -> tuple[int, bool]:
        """Return where a replacement field ends, and whether only newer Pythons may write it so."""
        start, depth = at, 0
        if level > _DEEPEST:
            raise _Unfinished
        for token in self.tokens(at):
            if depth == 0 and token.text in (":", ":=", "!", "}"):
                at = token.start
                break
            depth += (token.text in _OPEN) - (token.text in _CLOSE)
        else:
            raise _Unfinished
        written = self.text[start:at]
        reused = any(mark in written for mark in ("\\", quote, *("\n" if len(quote) == 1 else ())))
        reused = reused or "#" in _without_strings(written)
        if self.text[at] == "!":
            at = self._conversion(at)
            reused = reused or self.text[at - 1].isspace()
        if self.text[at] == ":":
            at, one = self._specification(at + 1, quote, raw, level)
            reused = reused or one
        if not self.text.startswith("}", at):
            raise _Unfinished
        return at + 1, reused

    def _conversion(self, at: int) -> int:
        found = re.compile(r"!\s*\w+\s*(?=[:}])").match(self.text, at)
        if found is None:
            raise _Unfinished
        return found.end()

    def _specification(self, at: int, quote: str, raw: bool, level: int) -> tuple[int, bool]:
        """Return where the format of a field ends, and whether a field in it is written as only newer Pythons may."""
        reused = False
        while not self.text.startswith("}", at):
            if at >= len(self.text) or self.text.startswith(quote, at):
                raise _Unfinished
            if self.text[at] == "{":
                at, one = self._field(at + 1, quote, raw, level + 1)
                reused = reused or one or level > 0
            else:
                at = self._character(at, quote, raw)
        return at, reused


def _without_strings(text: str) -> str:
    """Return an expression without what stands in its strings."""
    return re.sub(r"'''.*?'''|\"\"\".*?\"\"\"|'[^'\n]*'|\"[^\"\n]*\"", "", text, flags=re.DOTALL)


def _statements(text: str, tokens: list[_Token]) -> Iterator[Construct]:
    """Yield the statements of newer grammar."""
    for index, token in enumerate(tokens):
        if token.text not in _BEGINNINGS:
            continue
        name, after, *_ = (*tokens[index + 1 : index + 3], None, None)
        if token.text in ("class", "def") and name and after and after.text == "[":
            yield from _parameters(text, tokens, index + 2, f"type parameters ({token.text} {name.text}[…])")
        elif token.text == "type" and name and after and _begins_alias(text, token, name):
            if after.text in ("=", "["):
                alias = f"a type alias (type {name.text}{'[…]' if after.text == '[' else ''} = …)"
                line, plain = _line(text, token.start), _joined(text, token.start, name.start)
                yield Construct((3, 12), alias, line, token.start, name.start, plain)
                if after.text == "[":
                    yield from _parameters(text, tokens, index + 2, alias)
        elif token.text == "except":
            yield from _exceptions(text, tokens, index + 1)


def _begins_alias(text: str, token: _Token, name: _Token) -> bool:
    """Tell whether the word `type` and the next one, which may be on another line, begin a type alias."""
    same_line = "\n" not in text[token.end : name.start].replace("\\\n", "")
    return same_line and name.is_word and not keyword.iskeyword(name.text)


def _parameters(text: str, tokens: list[_Token], first: int, name: str) -> Iterator[Construct]:
    """Yield the type parameters whose bracket is that token."""
    depth, grammar = 0, (3, 12)
    for token in tokens[first:]:
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        if depth == 1 and token.text == "=":
            grammar, name = (3, 13), "a type parameter with a default"
        if depth == 0:
            start, end = tokens[first].start, token.end
            yield Construct(grammar, name, _line(text, start), start, end, _joined(text, start, end))
            return


def _exceptions(text: str, tokens: list[_Token], first: int) -> Iterator[Construct]:
    """Yield the exceptions of an except clause that are several without parentheses; `first` comes after the word."""
    if first < len(tokens) and tokens[first].text == "*":
        first += 1
    depth, several = 0, False
    for index, token in enumerate(tokens[first:], first):
        depth += (token.text in _OPEN) - (token.text in _CLOSE)
        several = several or (depth == 0 and token.text == ",")
        if depth == 0 and token.text in (":", "as"):
            if several:
                start, end = tokens[first].start, tokens[index - 1].end
                plain = f"({text[start:end]})"
                name = "an except clause of several exceptions without parentheses"
                yield Construct((3, 14), name, _line(text, start), start, end, plain)
            return


def _grammar(construct: Construct) -> Grammar:
    return construct.grammar


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1


def _joined(text: str, start: int, end: int) -> str:
    """Return as many joined lines as a stretch of text has."""
    return "\\\n" * text.count("\n", start, end)
