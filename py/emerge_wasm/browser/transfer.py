"""Files that pass between the page and Python, piece by piece: web/transfer.ts. The only module of these that uses
JavaScript."""

from __future__ import annotations

from ..errors import EmergeError, Invalid, LimitExceeded, Unavailable


class PageTransfer:
    """The files of one run of the page: the one that it gave, and the one that is made for it."""

    def __init__(self, run: int) -> None:
        try:
            import emerge_transfer  # type: ignore[import-not-found,unused-ignore]  # the kernel worker registers it
        except ImportError:
            raise Unavailable("files pass to and from a page only", remedy="use put and fetch") from None
        self._module = emerge_transfer
        self._run = run
        self._room = 0

    async def read(self, begin: int, end: int) -> bytes:
        """Read a piece of the file that the page gave.

        Raises:
            Invalid: it cannot be read, or not any more.
        """
        try:
            piece = (await self._module.read(self._run, begin, end)).to_bytes()
        except Exception as error:  # whatever JavaScript threw
            raise _unreadable(str(error)) from None
        if len(piece) != end - begin:
            raise _unreadable("it has become shorter")
        return bytes(piece)

    async def create(self, size: int) -> None:
        """Begin a file of this size for the page.

        Raises:
            LimitExceeded: it cannot hold so much.
        """
        most = int(await self._module.create(self._run))
        if size > most:
            raise LimitExceeded(
                f"this browser lets the page hold {most >> 20} MiB of a file, as in a private window",
                remedy="get the file in the shell (emerge get), or open the page in an ordinary window",
                limit="file size",
            )

    def append(self, data: bytes) -> None:
        """Add to the file. Raises LimitExceeded."""
        from pyodide.ffi import to_js  # type: ignore[import-not-found,unused-ignore]

        try:
            self._module.append(self._run, to_js(data))
        except Exception as error:  # whatever JavaScript threw
            raise _full(str(error)) from None

    async def finish(self) -> None:
        """Pass the file on to the page. Raises LimitExceeded."""
        try:
            await self._module.finish(self._run)
        except Exception as error:  # whatever JavaScript threw
            raise _full(str(error)) from None

    async def drop(self) -> None:
        """Forget what belongs to the run."""
        await self._module.drop(self._run)


def _unreadable(why: str) -> Invalid:
    return Invalid(f"the file cannot be read any more: {why}", remedy="choose it again; it may have been changed")


def _full(why: str) -> EmergeError:
    return LimitExceeded(
        f"the browser cannot keep the file: {why}",
        remedy="free some disk space, then try again",
        limit="browser storage",
    )
