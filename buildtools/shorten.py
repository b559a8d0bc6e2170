"""Runs in the Python whose memory becomes the snapshot: leaves out what only takes space there.

The columns of code take a tenth of the compressed snapshot. They underline a part of a line in a traceback, in the code
of libraries alone: cells are compiled later.
"""

import gc
import types

ONE_LINE, NO_LINE = 13, 15  # kinds of entries in a table of locations (CPython, Objects/locations.md)
LONGEST = 8  # units of code that an entry stands for


def encode_number(value: int) -> bytes:
    """A number of any size, six bits a byte, least first; its sign is its lowest bit."""
    value = value << 1 if value >= 0 else -value << 1 | 1
    pieces = bytearray()
    while value >= 64:
        pieces.append(64 | value & 63)
        value >>= 6
    return bytes([*pieces, value])


def encode_lines(code: types.CodeType) -> bytes:
    """The table of locations of code, with lines alone."""
    table = bytearray()
    last = code.co_firstlineno
    for start, end, line in code.co_lines():
        for at in range(start, end, 2 * LONGEST):
            kind = NO_LINE if line is None else ONE_LINE
            table.append(0x80 | kind << 3 | (min(end - at, 2 * LONGEST) // 2 - 1))
            if line is not None:
                table += encode_number(line - last)
                last = line
    return bytes(table)


def shorten(code: types.CodeType) -> types.CodeType:
    """The same code, and what is nested in it, without columns."""
    nested = tuple(shorten(each) if isinstance(each, types.CodeType) else each for each in code.co_consts)
    made = code.replace(co_linetable=encode_lines(code), co_consts=nested)
    if list(made.co_lines()) != list(code.co_lines()):
        raise RuntimeError(f"{code.co_qualname} would lose its lines")
    return made


def shorten_all() -> None:
    for found in gc.get_objects():
        if isinstance(found, types.FunctionType):
            found.__code__ = shorten(found.__code__)
    gc.collect()


if __name__ == "__main__":
    shorten_all()
