"""Attacks that hostile code would try, harmless if they succeed. `probe.py` runs them in a fresh worker.

An attack raises if it is stopped, and otherwise returns what it got.
"""

from __future__ import annotations

import _thread
import ctypes
import errno
import fcntl
import os
import platform
import signal
import socket
from collections.abc import Callable
from typing import Any

from ..confine.syscall import syscall
from .target import AttackTarget

STOPPED = (errno.EPERM, errno.EACCES, errno.ENOSYS)


def read_file(target: AttackTarget) -> str:
    with open(target["file"]) as file:
        return f"read {file.name}"


def write_file(target: AttackTarget) -> str:
    with open(os.path.join(target["folder"], "written"), "w") as file:
        return f"wrote {file.name}"


def read_proc(target: AttackTarget) -> str:
    with open(f"/proc/{target['pid']}/cmdline") as file:
        return f"read {file.name}"


def list_directory(target: AttackTarget) -> str:
    return f"/ has {len(os.listdir('/'))} entries"


def look_at_file(target: AttackTarget) -> str:
    return f"{target['file']} has {os.stat(target['file']).st_size} bytes"


def internet(target: AttackTarget) -> str:
    with socket.create_connection(("127.0.0.1", target["port"]), timeout=1):
        return "connected by TCP"


def datagram(target: AttackTarget) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"", ("127.0.0.1", 9))
        return "sent by UDP"


def unix_socket(target: AttackTarget) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + target["name"])
        return "connected to another process's socket"


def signal_node(target: AttackTarget) -> str:
    os.kill(target["pid"], 0)
    return "could signal the node"


def signal_parent(target: AttackTarget) -> str:
    os.kill(os.getppid(), 0)
    return "could signal its zygote"


def fork(target: AttackTarget) -> str:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return f"forked process {pid}"


def spawn(target: AttackTarget) -> str:
    return f"started process {os.posix_spawn('/bin/true', ['true'], {})}"


def threads(target: AttackTarget) -> str:
    """Start as many threads as possible; they end with the worker."""
    wait = _thread.allocate_lock()
    wait.acquire()
    for _ in range(target["threads"] + 1):
        _thread.start_new_thread(wait.acquire, ())
    return f"started {target['threads'] + 1} threads"


def environment(target: AttackTarget) -> str:
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    seen = sorted(os.environ) or [name for name in ("PATH", "HOME", "LANG") if getenv(name.encode())]
    return _unless_empty([f"saw {name}" for name in seen])


def descriptors(target: AttackTarget) -> str:
    found = []
    for number in range(1024):
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
        except OSError:
            continue
        found.append(number)
    return f"has the descriptors {found}" if len(found) > target["descriptors"] else _unless_empty([])


def identity(target: AttackTarget) -> str:
    """Look for root's ids, which would allow things that no other attack tries."""
    return _unless_empty(["is root"] if 0 in (*os.getresuid(), *os.getresgid(), *os.getgroups()) else [])


def memory(target: AttackTarget) -> str:
    return f"got {len(bytes(target['memory'] + (64 << 20)))} bytes"


def raw_calls(target: AttackTarget) -> str:
    """Make raw system calls that Python has no function for. Even with harmless arguments they must be refused."""
    let_through = []
    for name, (numbers, arguments) in _raw(target).items():
        number = numbers.get(platform.machine(), -1)
        try:
            syscall(number, *arguments)
        except OSError as error:
            if error.errno in STOPPED:
                continue
        let_through.append(name)
    return _unless_empty(let_through)


def _raw(target: AttackTarget) -> dict[str, tuple[dict[str, int], tuple[Any, ...]]]:
    path = target["file"].encode()
    page = 4096

    def numbers(x86_64: int, aarch64: int) -> dict[str, int]:
        return {"x86_64": x86_64, "aarch64": aarch64}

    return {
        "openat": (numbers(257, 56), (-100, path, 0)),
        "socket": (numbers(41, 198), (2, 2, 0)),
        "socketpair": (numbers(53, 199), (1, 1, 0, ctypes.create_string_buffer(8))),
        "pipe2": (numbers(293, 59), (ctypes.create_string_buffer(8), 0)),
        "prctl": (numbers(157, 167), (4, 1)),
        "prlimit64": (numbers(302, 261), (0, 7, None, ctypes.create_string_buffer(16))),
        "ptrace": (numbers(101, 117), (2, target["pid"], 0, 0)),  # would fail with ESRCH if the filter let it through
        "process_vm_readv": (numbers(310, 270), (target["pid"], None, 0, None, 0, 0)),
        "pidfd_open": (numbers(434, 434), (target["pid"], 0)),
        "memfd_create": (numbers(319, 279), (b"x", 0)),
        "mmap of code": (numbers(9, 222), (0, page, 7, 0x22, -1, 0)),
        "mprotect of code": (numbers(10, 226), (_page_address(page), page, 5)),
        "unshare": (numbers(272, 97), (0,)),
        "keyctl": (numbers(250, 219), (0, -3, 0)),
        "io_uring_setup": (numbers(425, 425), (1, ctypes.create_string_buffer(256))),
        "userfaultfd": (numbers(323, 282), (1,)),
        "sendmsg": (numbers(46, 211), (-1, None, 0)),
        "execveat": (numbers(322, 281), (-100, b"", None, None, 0)),
        "sendto an address": (numbers(44, 206), (-1, b"", 0, 0, ctypes.create_string_buffer(16), 16)),
        "personality": (numbers(135, 92), (0xFFFFFFFF,)),
        "kill": (numbers(62, 129), (target["pid"], 0)),
    }


def _page_address(page: int) -> int:
    """Return the address of a page of this process that holds no code."""
    buffer = ctypes.create_string_buffer(3 * page)
    _kept.append(buffer)
    return (ctypes.addressof(buffer) // page + 1) * page


_kept: list[Any] = []


# --- attacks that end the worker in any case
def execute(target: AttackTarget) -> str:
    os.execv("/bin/true", ["true"])


def foreign_calls(target: AttackTarget) -> str:
    """Make a call of the machine's other ABI (x32), whose numbers the filter does not know."""
    if platform.machine() != "x86_64":
        raise OSError(errno.ENOSYS, "there is no other ABI")
    return f"is process {syscall(0x40000000 + 39)}"


def loop(target: AttackTarget) -> str:
    """Loop forever and ignore every signal."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while True:
        pass


ATTACKS: dict[str, Callable[[AttackTarget], str]] = {
    function.__name__: function
    for function in (
        read_file,
        write_file,
        read_proc,
        list_directory,
        look_at_file,
        internet,
        datagram,
        unix_socket,
        signal_node,
        signal_parent,
        fork,
        spawn,
        environment,
        descriptors,
        identity,
        memory,
        raw_calls,
        threads,
    )
}
"""Attacks that the worker survives."""

DEADLY: dict[str, Callable[[AttackTarget], str]] = {
    function.__name__: function for function in (execute, foreign_calls, loop)
}
"""Attacks that end the worker, so that each needs its own."""


class Stopped(Exception):
    """The attack got nothing."""


def make(name: str, target: AttackTarget) -> tuple[str, str]:
    """Make an attack: return (what it got, or "" if it was stopped; what stopped it)."""
    try:
        return (ATTACKS | DEADLY)[name](target), ""
    except (OSError, MemoryError, RuntimeError, Stopped) as error:
        return "", f"{type(error).__name__}: {error}"


def _unless_empty(found: list[str]) -> str:
    if not found:
        raise Stopped("found nothing")
    return ", ".join(found)
