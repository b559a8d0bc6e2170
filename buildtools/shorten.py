"""Runs in the Python whose memory becomes the snapshot: leaves out what only takes space there.

The columns of code take a tenth of the compressed snapshot. They underline a part of a line in a traceback, in the code
of libraries alone: cells are compiled later. Texts that describe what no cell sees are left out as well.
"""

import gc
import sys
import types

ONE_LINE, NO_LINE = 13, 15  # kinds of entries in a table of locations (CPython, Objects/locations.md)
INSIDE = tuple(
    f"emerge_wasm.{name}."
    for name in (
        "browser.guests",
        "browser.places",
        "browser.requests",
        "bundles",
        "codec",
        "filesystem",
        "stores",
        "wire",
    )
)
"""Modules of which no cell sees anything."""
HAS_DOCSTRING = (
    0x4000000  # a flag of code, whose first constant is then its docstring (CPython, Include/cpython/code.h)
)
LONGEST = 8  # units of code that an entry stands for

SMALLEST, LARGEST, STEP = 24, 512, 8  # bytes of the small pieces that Python's own allocator gives
BYTES_HEAD = 17  # bytes that an empty bytes object takes
TAKEN = 1 << 21  # bytes of each size


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


def shorten(code: types.CodeType, inside: bool) -> types.CodeType:
    """The same code, and what is nested in it, without columns and, inside, without docstrings."""
    nested = tuple(shorten(each, inside) if isinstance(each, types.CodeType) else each for each in code.co_consts)
    if inside and code.co_flags & HAS_DOCSTRING:
        nested = ("", *nested[1:])
    made = code.replace(co_linetable=encode_lines(code), co_consts=nested)
    if list(made.co_lines()) != list(code.co_lines()):
        raise RuntimeError(f"{code.co_qualname} would lose its lines")
    return made


def shorten_all() -> None:
    for found in gc.get_objects():
        if isinstance(found, types.FunctionType):
            inside = f"{found.__module__}.".startswith(INSIDE)
            found.__code__ = shorten(found.__code__, inside)
            if inside:
                found.__doc__ = None
        elif isinstance(found, type) and f"{found.__module__}.".startswith(INSIDE) and "__doc__" in vars(found):
            found.__doc__ = None
    for name, module in sys.modules.items():
        if f"{name}.".startswith(INSIDE):
            module.__doc__ = None
    gc.collect()


def clear_free() -> None:
    """Overwrite the small pieces of memory that are free: all of each size is taken, and given back."""
    for size in range(SMALLEST, LARGEST + 1, STEP):
        del [bytes(size - BYTES_HEAD) for _ in range(TAKEN // size)][:]


if __name__ == "__main__":
    shorten_all()
    clear_free()
