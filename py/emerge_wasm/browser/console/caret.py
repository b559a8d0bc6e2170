"""What is being written at the end of a text of Python that need not be complete: by its tokens alone. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from keyword import iskeyword

_TOKEN = re.compile(
    r"""
    (?P<comment>\#[^\n]*)
    |(?P<string>(?i:[rbuft]{0,2})(?:
        \"{3}(?:\\.|(?!\"{3})[^\\])*(?:\"{3}|\Z)
        |'{3}(?:\\.|(?!'{3})[^\\])*(?:'{3}|\Z)
        |\"(?:\\.|[^\\"\n])*(?:\"|(?=\n)|\Z)
        |'(?:\\.|[^\\'\n])*(?:'|(?=\n)|\Z)
    ))
    |(?P<name>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<space>[ \t\f\r]+|\\\n)
    |(?P<newline>\n)
    |(?P<op>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_QUOTE = re.compile(r"[A-Za-z]*('''|\"\"\"|'|\")")
_BEGINS = frozenset({"def", "class", "for", "while", "if", "with", "return", "import", "from", "try", "async", "raise"})
"""Words that begin a statement: a bracket that is open before a line with one was forgotten."""
_CLOSING = {")": "(", "]": "[", "}": "{"}


@dataclass(frozen=True, slots=True)
class CodeToken:
    kind: str
    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class OpenCall:
    """The call whose arguments are being written: what is called, the argument's place or its keyword, and the keywords
    that are there already."""

    callee: str
    index: int = 0
    keyword: str = ""
    given: tuple[str, ...] = ()

    @property
    def positional(self) -> int:
        """How many arguments without a keyword are there already."""
        return self.index - len([name for name in self.given if name != self.keyword])


@dataclass(slots=True)
class Caret:
    """`typed` is the part of a name, path or key that is there. `owner` is what is before the dot."""

    typed: str = ""
    owner: str | None = None
    quote: str = ""  # of a string
    whole: bool = False  # of a string: it is an argument or a key by itself
    comment: bool = False
    call: OpenCall | None = None
    container: str | None = None  # of a string: the expression whose key it is
    module: str | None = None  # of `from module import …`
    imports: bool = False  # a module's name
    fresh: bool = False  # a new name is being defined: there is nothing to complete
    tokens: list[CodeToken] = field(default_factory=list)


@dataclass(slots=True)
class _Bracket:
    at: int  # its token's place in the list
    mark: str
    begins: int  # where the newest argument begins
    commas: int = 0


def read_caret(before: str) -> Caret:
    """Tell what is being written where this text ends."""
    matches = _TOKEN.finditer(before)
    tokens = [CodeToken(match.lastgroup or "op", match[0], match.start(), match.end()) for match in matches]
    last = tokens[-1] if tokens else None
    if last is not None and last.kind == "comment":
        return Caret(comment=True)
    if last is not None and last.kind == "string" and not _is_closed(last.text):
        return _in_string(before, tokens)
    return _in_code(before, tokens)


def _in_string(before: str, tokens: list[CodeToken]) -> Caret:
    *rest, string = tokens
    match = _QUOTE.match(string.text)
    assert match is not None
    body = string.text[match.end() :]
    if "f" in match[0][: match.start(1)].lower() and "{" in (inner := body.replace("{{", "  ")):
        opened = inner.rfind("{")
        if opened > inner.rfind("}"):
            return read_caret(body[opened + 1 :])
    stack = _brackets(rest)
    made = Caret(typed=body, quote=match[1], tokens=tokens)
    if stack:
        top = stack[-1]
        before_it = [each for each in rest[top.begins :] if each.kind not in ("space", "newline", "comment")]
        made.whole = not before_it or (len(before_it) == 2 and before_it[1].text == "=")
        if top.mark == "(":
            made.call = _call_of(before, rest, top)
        elif top.mark == "[" and made.whole:
            made.container = _primary(before, rest[: top.at])
    return made


def _in_code(before: str, tokens: list[CodeToken]) -> Caret:
    made = Caret(tokens=tokens)
    rest = tokens
    if tokens and tokens[-1].kind == "name":
        made.typed, rest = tokens[-1].text, tokens[:-1]
    elif tokens and tokens[-1].kind == "number":
        made.fresh = True
        return made
    stack = _brackets(rest)
    if stack and stack[-1].mark == "(":
        made.call = _call_of(before, rest, stack[-1])
    spaced = _strip(rest)
    if spaced and spaced[-1].text == "." and not _is_import(rest):
        made.owner = _primary(before, spaced[:-1]) or ""
        return made
    _read_statement(made, rest, stack)
    return made


def _read_statement(made: Caret, rest: list[CodeToken], stack: list[_Bracket]) -> None:
    """Look at the statement's beginning: imports name modules, definitions new names."""
    line = _line(rest, stack)
    words = [token.text for token in line]
    if words and words[-1] in ("def", "class", "as"):
        made.fresh = True
    elif words[:1] == ["import"] or (words[:1] == ["from"] and "import" not in words):
        made.imports = True
        dotted = re.search(r"([\w.]*\.)?$", "".join(words[1:]))
        made.typed = f"{dotted[0] if dotted else ''}{made.typed}"
    elif words[:1] == ["from"]:
        made.module = "".join(words[1 : words.index("import")])


def _is_import(rest: list[CodeToken]) -> bool:
    words = [token.text for token in _line(rest, [])]
    return words[:1] == ["import"] or (words[:1] == ["from"] and "import" not in words)


def _line(tokens: list[CodeToken], stack: list[_Bracket]) -> list[CodeToken]:
    """The tokens of the statement so far, without spaces."""
    first = len(tokens)
    limit = stack[0].at if stack else len(tokens)
    for at in range(len(tokens) - 1, -1, -1):
        if at < limit and (tokens[at].kind == "newline" or tokens[at].text == ";"):
            break
        first = at
    return [token for token in tokens[first:] if token.kind not in ("space", "newline", "comment")]


def _brackets(tokens: list[CodeToken]) -> list[_Bracket]:
    """The brackets that are open at the end."""
    stack: list[_Bracket] = []
    for at, token in enumerate(tokens):
        if token.kind == "name" and token.text in _BEGINS and stack and _begins_line(tokens, at):
            stack.clear()
        if token.kind != "op":
            continue
        if token.text in "([{":
            stack.append(_Bracket(at, token.text, at + 1))
        elif token.text in _CLOSING:
            if stack and stack[-1].mark == _CLOSING[token.text]:
                stack.pop()
        elif token.text == "," and stack:
            stack[-1].commas += 1
            stack[-1].begins = at + 1
    return stack


def _begins_line(tokens: list[CodeToken], at: int) -> bool:
    return at == 0 or tokens[at - 1].kind == "newline"


def _call_of(before: str, tokens: list[CodeToken], bracket: _Bracket) -> OpenCall | None:
    callee = _primary(before, tokens[: bracket.at])
    if not callee:
        return None
    ahead = _strip(tokens[: bracket.at])
    start = next((token for token in ahead if token.start >= ahead[-1].end - len(callee)), ahead[-1])
    defined = [token for token in ahead if token.end <= start.start]
    if defined and defined[-1].text in ("def", "class"):
        return None
    keyword, given = "", []
    inner = [token for token in tokens[bracket.begins :] if token.kind not in ("space", "newline", "comment")]
    if len(inner) >= 2 and inner[0].kind == "name" and inner[1].text == "=":
        keyword = inner[0].text
    depth = 0
    for at in range(bracket.at + 1, len(tokens)):
        text = tokens[at].text
        depth += (text in "([{") - (text in ")]}") if tokens[at].kind == "op" else 0
        if depth == 0 and tokens[at].kind == "name":
            after = _strip(tokens[at + 1 : at + 3])
            following = next((each.text for each in tokens[at + 1 :] if each.kind != "space"), "")
            if following == "=" and not (after and after[-1].text == "=="):
                given.append(tokens[at].text)
    return OpenCall(callee, bracket.commas, keyword, tuple(given))


def _strip(tokens: list[CodeToken]) -> list[CodeToken]:
    """Without the spaces at the end."""
    end = len(tokens)
    while end and tokens[end - 1].kind in ("space", "newline", "comment"):
        end -= 1
    return tokens[:end]


def _primary(before: str, tokens: list[CodeToken]) -> str:
    """The text of the name, call, item or attribute that these tokens end with; "" for none."""
    at = len(_strip(tokens)) - 1
    end = tokens[at].end if at >= 0 else 0
    start = -1
    while at >= 0:
        token = tokens[at]
        if token.kind == "op" and token.text in ")]}":
            at = _opening(tokens, at)
            if at < 0:
                return ""
            start = tokens[at].start
            if token.text != "}" and at and (_joins(tokens[at - 1])):
                at -= 1
                continue
        elif (token.kind == "name" and not iskeyword(token.text)) or token.kind in ("string", "number"):
            start = token.start
        elif token.kind == "name" and token.text in ("None", "True", "False"):
            start = token.start
        else:
            return ""
        at -= 1
        if at >= 1 and tokens[at].text == ".":
            at -= 1
            continue
        break
    return before[start:end] if start >= 0 else ""


def _joins(token: CodeToken) -> bool:
    """Whether a bracket after this token is a call or an item of it."""
    return (token.kind == "name" and not iskeyword(token.text)) or token.text in (")", "]") or token.kind == "string"


def _opening(tokens: list[CodeToken], at: int) -> int:
    """The place of the bracket that the one there closes; -1 for none."""
    depth = 0
    for each in range(at, -1, -1):
        if tokens[each].kind == "op":
            depth += (tokens[each].text in ")]}") - (tokens[each].text in "([{")
            if depth == 0:
                return each
    return -1


def _is_closed(text: str) -> bool:
    match = _QUOTE.match(text)
    assert match is not None
    body, quote = text[match.end() :], match[1]
    if not body.endswith(quote):
        return False
    slashes = len(body[: -len(quote)]) - len(body[: -len(quote)].rstrip("\\"))
    return slashes % 2 == 0
