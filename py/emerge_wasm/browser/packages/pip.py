"""What stands behind `%pip`."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ...errors import Invalid, NotFound
from .installed import loaded
from .loader import PackageLoader, Tell
from .pin import name_of, normalise

REMEDY = "there are: %pip install NAME…, %pip list, %pip freeze, %pip show NAME, %pip uninstall NAME"
PipAction = Literal["install", "list", "freeze", "show", "uninstall"]


@dataclass(slots=True)
class PipCommand:
    """A command line: `names` are requirements, of `show` and `uninstall` names."""

    action: PipAction
    names: list[str] = field(default_factory=list)
    quiet: bool = False
    upgrade: bool = False
    pre: bool = False


def parse_pip(text: str) -> PipCommand:
    """Read the arguments of `%pip`.

    Raises:
        Invalid: something in them is not known, or a package is missing.
    """
    try:
        words = shlex.split(text, comments=True)
    except ValueError as error:
        raise Invalid(f"%pip {text}: {error}", remedy=REMEDY) from None
    if not words or words[0] not in ("install", "list", "freeze", "show", "uninstall"):
        raise Invalid(f"%pip cannot {words[0] if words else 'do nothing'}", remedy=REMEDY)
    command = PipCommand(words[0])  # type: ignore[arg-type]  # the line above looked
    for word in words[1:]:
        if not word.startswith("-"):
            command.names.append(word)
        elif word in ("-q", "-qq", "--quiet"):
            command.quiet = True
        elif word in ("-U", "--upgrade") and command.action == "install":
            command.upgrade = True
        elif word == "--pre" and command.action == "install":
            command.pre = True
        elif word not in ("-y", "--yes", "--no-input", "--disable-pip-version-check"):
            raise Invalid(f"%pip {command.action} does not know {word}", remedy="-q, -U and --pre are known")
    if command.action in ("install", "show", "uninstall") and not command.names:
        raise Invalid(f"%pip {command.action} needs a package", remedy=REMEDY)
    for name in command.names:
        if "://" in name:
            remedy = "let the operator put that file into a folder that --wheels names, and write its name"
            raise Invalid(f"the page fetches from its own relay alone, not {name}", remedy=remedy)
        if not name_of(name):
            raise Invalid(f"{name!r} names no package", remedy="write its name, or name==version")
    return command


class Pip:
    """Does what `%pip` says."""

    def __init__(self, loader: PackageLoader, write: Callable[[str], object]) -> None:
        self._loader = loader
        self._write = write

    async def run(self, text: str) -> None:
        """Run a command line.

        Raises:
            Invalid: it is none.
            NotFound: a package is not there; it says what can be done.
        """
        command = parse_pip(text)
        if command.action == "install":
            tell: Tell = "nothing" if command.quiet else "steps"
            there = loaded()
            newer = [name for name in command.names if command.upgrade and normalise(name) in there]
            rest = [name for name in command.names if name not in newer]
            await self._loader.install(rest, replace=True, pre=command.pre, tell=tell)
            for name in newer:
                await self._upgrade(name, there[normalise(name)], command.pre, tell)
        elif command.action == "uninstall":
            await self._uninstall(command)
        else:
            self._list(command)

    async def _upgrade(self, name: str, version: str, pre: bool, tell: Tell) -> None:
        try:
            await self._loader.install([f"{name}>{version}"], replace=True, pre=pre, tell=tell)
        except NotFound:
            self._write(f"{name} {version} is the newest that there is here\n")

    async def _uninstall(self, command: PipCommand) -> None:
        there = loaded()
        names = [normalise(name) for name in command.names]
        micropip = await self._loader.micropip()
        micropip.uninstall([name for name in names if name in there])
        for name in names:
            if not command.quiet:
                self._write(f"{name} {there[name]} is gone\n" if name in there else f"{name} was not installed\n")

    def _list(self, command: PipCommand) -> None:
        there = loaded()
        wanted = {normalise(name) for name in command.names} or there.keys()
        missing = [name for name in wanted if name not in there]
        if missing:
            raise NotFound(f"{', '.join(missing)} is not installed", remedy=f"%pip install {missing[0]}")
        sign = "==" if command.action == "freeze" else " "
        self._write("".join(f"{name}{sign}{there[name]}\n" for name in sorted(wanted)))
