"""Says in words what the kernel refuses a confined worker.

Nothing is refused here: each function still asks the kernel. Code that goes around them gets the kernel's words alone.
"""

from __future__ import annotations

import errno
import functools
import os
import pathlib
import socket
import sys
from collections.abc import Callable, Collection
from types import FrameType, ModuleType
from typing import ParamSpec, TypeVar

from .memory_files import KEPT

P = ParamSpec("P")
R = TypeVar("R")

FILES = "a method has no files; hand it the data as an argument, or keep them in a field"
PROCESSES = "a method can neither start nor reach another process"
NETWORK = "a method has no network; other objects are reached by a parameter named fs"
LIBRARIES = "a method can load no library that its node has not loaded"

_OF_FILES = """
    chdir chmod chown chroot link listdir lstat memfd_create mkdir mkfifo open openpty readlink remove rename replace
    rmdir scandir stat statvfs symlink truncate umask unlink utime
"""
_OF_PROCESSES = """
    execv execve fork forkpty kill killpg nice pidfd_open pipe pipe2 posix_spawn posix_spawnp sched_setaffinity setgid
    setpriority setuid system wait waitpid
"""
_OF_SOCKETS = "socket.__init__ socketpair getaddrinfo gethostbyname gethostbyname_ex gethostbyaddr getnameinfo"

WAYS: dict[str, dict[str, str]] = {
    "builtins": {"open": FILES},
    "io": {"open": FILES, "open_code": FILES},
    "os": {**dict.fromkeys(_OF_FILES.split(), FILES), **dict.fromkeys(_OF_PROCESSES.split(), PROCESSES)},
    "_posixshmem": {"shm_open": FILES, "shm_unlink": FILES},
    "ctypes": {"CDLL.__init__": LIBRARIES},
    "multiprocessing.synchronize": {"SemLock.__init__": PROCESSES},
    "select": {"epoll": NETWORK},
    "signal": {"pidfd_send_signal": PROCESSES, "pthread_kill": PROCESSES},
    "socket": dict.fromkeys(_OF_SOCKETS.split(), NETWORK),
    "sqlite3": {"connect": FILES},
    "tempfile": {"gettempdir": FILES, "mkdtemp": FILES, "mkstemp": FILES},
}
"""By module: the functions by which code meets a refusal, and why it is refused."""
_QUESTIONS = """
    exists is_file is_dir is_symlink is_socket is_fifo is_block_device is_char_device is_mount is_junction
""".split()
_WORDS = os.strerror(errno.EPERM)
_OTHER_WORDS = (_WORDS, "unable to open database file", "No usable temporary directory")


def begin(layers: Collection[str]) -> None:
    """Prepare a process whose workers will be confined. Modules that are loaded later may remember these functions."""
    if "seccomp" in layers:
        KEPT.install()
        explain_loaded()
        answer_questions()


def answer_questions() -> None:
    """Have `Path.exists` and its like say no where the kernel refuses to look, as `os.path.exists` does everywhere, and
    `Path` itself from Python 3.14 on: who asks first whether a file is there has a way to go on without it."""
    for name in _QUESTIONS:
        question = getattr(pathlib.Path, name, None)
        if question is not None and not hasattr(question, "explained"):
            setattr(pathlib.Path, name, _answering(question))


def _answering(question: Callable[P, bool]) -> Callable[P, bool]:
    @functools.wraps(question, updated=())
    def ask(*args: P.args, **kwargs: P.kwargs) -> bool:
        try:
            return question(*args, **kwargs)
        except PermissionError:
            return False

    vars(ask)["explained"] = True
    return ask


def explain_loaded() -> None:
    """Have the functions of all loaded modules explain their refusals."""
    for name in WAYS:
        if name in sys.modules:
            explain(sys.modules[name])


def explain(module: ModuleType) -> None:
    """Have the functions of a module explain their refusals, if any are listed above."""
    for name, why in WAYS.get(module.__name__, {}).items():
        *steps, last = name.split(".")
        owner = functools.reduce(getattr, steps, module)
        function = getattr(owner, last, None)
        if function is not None and not hasattr(function, "explained"):
            label = last if module.__name__ == "builtins" else f"{module.__name__}.{name.removesuffix('.__init__')}"
            setattr(owner, last, _explaining(function, label, why))


def _explaining(function: Callable[P, R], label: str, why: str) -> Callable[P, R]:
    @functools.wraps(function, updated=())
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            result = function(*args, **kwargs)
            if label != "os.system" or result not in (-1, 127 << 8):  # what it returns when it could not fork
                return result
            path = None
        except Exception as error:
            if not _is_refusal(error):
                raise
            path = getattr(error, "filename", None)
        who = _caller(sys._getframe(1)) or label
        message = f"{_WORDS}: {who} is not in this sandbox: {why}"
        raise PermissionError(errno.EPERM, message, *([] if path is None else [path]))

    vars(call)["explained"] = True
    return call


def _is_refusal(error: Exception) -> bool:
    text = str(error)
    if "is not in this sandbox" in text:  # said already, by a function that this one called
        return False
    if isinstance(error, OSError) and error.errno in (errno.EPERM, 0):  # 0 from a call that cannot fail elsewhere
        return True
    return isinstance(error, socket.gaierror) or any(words in text for words in _OTHER_WORDS)


def _caller(frame: FrameType | None) -> str:
    """Return the module of the standard library that the user's code called, "" if it called the function itself."""
    found = ""
    while frame is not None:
        top = str(frame.f_globals.get("__name__")).partition(".")[0]
        if top in sys.stdlib_module_names and top != "importlib":
            found = top
        elif top != __name__.partition(".")[0]:
            break
        frame = frame.f_back
    return found
