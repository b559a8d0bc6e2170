"""The node's side of a zygote: starts it, requests workers, tracks their ends, and restarts it when it dies."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from contextlib import suppress
from itertools import count

from ..errors import Unavailable
from .frame import BadFrame, Splitter, pack_message, parse_message
from .interpreter import Interpreter
from .process import ProcessHandle, WorkerGone, WorkerProcess
from .settings import LARGEST, WorkerSettings, ZygoteMessage

_BOOT = (
    "import gc, json, sys; gc.disable(); settings = json.loads(sys.argv[1]); sys.path[:] = settings['paths']; "
    "exec(settings['share']); "
    "from emerge_wasm.sandbox.worker import refusal; refusal.begin(settings['layers']); "  # before others keep `open`
    "from emerge_wasm.sandbox.worker.zygote import main; main(settings)"
)
_SHARE = """
from importlib.util import module_from_spec, spec_from_file_location
for name, folder in settings["shared"].items():
    spec = spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
"""
"""Imports packages of the node's Python by their folders: another Python must not see what is compiled beside them."""
_ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "MALLOC_ARENA_MAX": "1",  # each arena counts as address space, used or not
    "OMP_NUM_THREADS": "1",  # numeric libraries start threads when they are imported, and a fork loses them
    "OPENBLAS_NUM_THREADS": "1",
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the other pools reserve more address space than a worker may have
}
_CONFINED = {
    "NUMBA_DISABLE_JIT": "1",  # compiled code cannot be made where no page may become executable
}
_PATIENCE = 180.0
"""Seconds that a zygote may take for its imports, which may be many."""


class ForkServer:
    """Forks workers from a zygote, which runs under `interpreter`. `packages` are those that the zygote has imported,
    with their versions, once it is started."""

    def __init__(
        self, settings: WorkerSettings, preload: tuple[str, ...], frame_limit: int, interpreter: Interpreter
    ) -> None:
        self.settings = settings
        self.interpreter = interpreter
        self.preload = preload
        self.packages: dict[str, str] = {}
        self.frame_limit = frame_limit
        self.pid = 0
        self._numbers = count(1)
        self._child: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._splitter = Splitter(LARGEST)
        self._descriptors: list[int] = []
        self._started: asyncio.Future[dict[str, str]] | None = None
        self._forking: dict[int, asyncio.Future[tuple[int, int]]] = {}
        self._children: dict[int, WorkerProcess] = {}
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Start the zygote if it is not running. Raises Unavailable, with the reason, when that fails."""
        async with self._turn:
            if self._control is not None:
                return
            await self._bury()
            self._started = asyncio.get_running_loop().create_future()
            try:
                await self._spawn()
                async with asyncio.timeout(_PATIENCE):
                    self.packages = await self._started
            except (WorkerGone, OSError, TimeoutError) as error:
                why = await self._last_words() or error or "no sign of life"
                await self._bury()
                raise Unavailable(f"the sandbox does not start: {why}") from None

    async def _last_words(self) -> str:
        """Return the last line that a zygote wrote to stderr before it failed to start."""
        if self._child is None or self._child.stderr is None:
            return ""
        with suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                lines = (await self._child.stderr.read(LARGEST)).decode(errors="replace").split("\n")
            return next((line.strip()[:1000] for line in reversed(lines) if line.strip()), "")
        return ""

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            settings = self.settings.to_wire() | {
                "paths": self.interpreter.paths,
                "shared": self.interpreter.shared,
                "share": _SHARE if self.interpreter.shared else "",
                "preload": list(self.preload),
                "descriptor": theirs.fileno(),
            }
            kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
            self._child = await asyncio.create_subprocess_exec(
                *(self.interpreter.path, "-I", "-X", "utf8", "-c", _BOOT, json.dumps(settings)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,  # only until it has started: its workers get /dev/null
                pass_fds=[theirs.fileno()],
                env=_ENVIRONMENT | kept | (_CONFINED if "seccomp" in self.settings.layers else {}),
                cwd="/",
                start_new_session=True,  # so that Ctrl-C reaches only the node
            )
        self.pid = self._child.pid
        ours.setblocking(False)
        self._control, self._splitter = ours, Splitter(LARGEST)
        asyncio.get_running_loop().add_reader(ours, self._hear)

    async def fork(self) -> WorkerProcess:
        """Fork a worker and wait until it is ready. Raises Unavailable when that fails."""
        await self.start()
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        forked = self._forking[number] = asyncio.get_running_loop().create_future()
        process: WorkerProcess | None = None
        try:
            with theirs:
                self._send([ZygoteMessage.FORK, number], theirs.fileno())
            async with asyncio.timeout(_PATIENCE):
                pid, handle = await forked
            process = WorkerProcess(pid, ProcessHandle(handle, lambda: self._kill(number)), self.frame_limit)
            self._children[number] = process
            await process.connect(ours)
        except (WorkerGone, OSError, TimeoutError, BadFrame) as error:
            how = await process.epitaph() if process is not None and isinstance(error, WorkerGone) else error
            raise Unavailable(f"a sandbox worker does not start: {how or 'no sign of life'}") from None
        finally:
            self._forking.pop(number, None)
            if process is None or not process.ready:
                ours.close()  # so a worker that nobody waits for ends
                if process is not None:
                    process.kill()
                elif forked.done() and not forked.cancelled() and forked.exception() is None:
                    ProcessHandle(forked.result()[1], lambda: None).close()
        return process

    def _send(self, message: list[object], *descriptors: int) -> None:
        if self._control is None:
            raise WorkerGone("its zygote is gone")
        socket.send_fds(self._control, [pack_message(*message)], descriptors)

    def _kill(self, number: int) -> None:
        """Have the zygote kill a worker, on systems without pidfds."""
        with suppress(WorkerGone, OSError):
            self._send([ZygoteMessage.KILL, number])

    # --- messages from the zygote
    def _hear(self) -> None:
        assert self._control is not None
        try:
            data, descriptors, _, _ = socket.recv_fds(self._control, LARGEST, 16)
            self._descriptors += descriptors
            if not data:
                raise BadFrame("it ended")
            for frame in self._splitter.feed(data):
                self._take(parse_message(frame))
        except BlockingIOError:
            pass
        except (BadFrame, OSError) as error:
            self._lose(str(error))

    def _take(self, message: list[object]) -> None:
        match message:
            case [ZygoteMessage.STARTED, dict() as packages] if self._started is not None:
                self._started.set_result(packages)
            case [ZygoteMessage.FAULT, str() as text]:
                self._lose(text)
            case [ZygoteMessage.FORKED, int() as number, int() as pid]:
                handle = self._descriptors.pop(0) if sys.platform == "linux" else -1
                forked = self._forking.get(number)
                if forked is not None and not forked.done():
                    forked.set_result((pid, handle))
                elif handle >= 0:  # no caller waits any more: its socket is closed, so it ends
                    os.close(handle)
            case [ZygoteMessage.ENDED, int() as number, int() as status]:
                if (process := self._children.pop(number, None)) is not None:
                    process.ended(status)

    def _lose(self, why: str) -> None:
        """Handle the loss of the zygote, and of all workers with it."""
        if self._control is None:
            return
        asyncio.get_running_loop().remove_reader(self._control)
        self._control.close()
        self._control = None
        for waiting in (self._started, *self._forking.values()):
            if waiting is not None and not waiting.done():
                waiting.set_exception(WorkerGone(why))
                waiting.exception()  # marks the exception as retrieved
        for process in self._children.values():
            process.ended(None)
        self._children.clear()
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors.clear()

    async def close(self) -> None:
        """End the zygote, and with it every worker."""
        async with self._turn:
            await self._bury()

    async def _bury(self) -> None:
        self._lose("the pool was closed")
        child, self._child = self._child, None
        if child is None:
            return
        try:
            async with asyncio.timeout(1.0):
                await child.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
