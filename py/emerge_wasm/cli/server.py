"""Commands that serve: node start, relay start, up."""

from __future__ import annotations

import asyncio
import gc
import getpass
import logging
import os
import secrets
import signal
import socket
import threading
import webbrowser
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

import click

from ..clients.buffer import keep_buffers
from ..clients.keys.credential import KEYS_FOLDER, Credential, find_credential, own_pair
from ..clients.keys.key_pair import SUFFIX
from ..clients.keys.local_key import LocalKey
from ..clients.transports.address import DEFAULT_PORT, endpoint_of
from ..clients.transports.endpoint import is_loopback
from ..errors import Invalid, NotFound, Unavailable
from ..stores.block_key import OPTION as BLOCK_KEY
from ..stores.engine import public_url, split_url
from .page import find_page
from .relay_session import relay_session
from .session import Session, pass_session
from .show import print_json
from .token import token

if TYPE_CHECKING:
    from ..filesystem.runner import Runner
    from ..node.node import Node
    from ..relay.server import RelayServer

POLL_SECONDS = 0.25
"""How often those who watch look for changes that other nodes made in a store that several share."""

SCRUB_RATE, SCRUB_DAYS, REBUILD_SECONDS = 8.0, 30.0, 600.0
MEGABYTE = 1 << 20

OPEN = "OPEN: every program of this machine may do everything here, whoever runs it (--open)"

Serve = Callable[[AsyncExitStack], Awaitable[dict[str, str]]]


def run_until_stopped(serve: Serve, announce: Callable[[dict[str, str]], None], *, while_input: bool = False) -> None:
    """Start what `serve` starts, announce it, and stop it in reverse at Ctrl-C, SIGTERM or the end of its input.

    What it keeps in files is nobody's on this machine but the user's.
    """
    os.umask(0o077)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stopped.set)
        if while_input:
            threading.Thread(target=_read_input, args=(loop, stopped), daemon=True).start()
        async with AsyncExitStack() as stack:
            announce(await serve(stack))
            _keep_started()
            await stopped.wait()

    _log_to_stderr()
    keep_buffers()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(main())


def _keep_started() -> None:
    """Leave what a server has once it has started out of all later collections of garbage: it stays, and to look at it
    again each time took 30 to 70 ms, in which nobody was answered."""
    gc.collect()
    gc.freeze()


def _read_input(loop: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
    """Read the standard input until it ends: whoever holds it open is gone then."""
    while os.read(0, 4096):
        pass
    with suppress(RuntimeError):  # the loop has ended, too
        loop.call_soon_threadsafe(ended.set)


def _log_to_stderr() -> None:
    """Show what Emerge logs, from warnings up: what a server retries, loses or gives up concerns who started it."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger("emerge").addHandler(handler)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Make uvloop's event loops where it is installed: they are quicker."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def default_name() -> str:
    return socket.gethostname().split(".")[0] or "node"


async def start_runner(
    stack: AsyncExitStack, *, unsafe: bool, preload: str, pythons: tuple[str, ...]
) -> tuple[Runner, str]:
    """What runs shipped code, and in words how safely, as attacks on it came out."""
    from ..sandbox.python_pools import start_pools

    packages = tuple(name.strip() for name in preload.split(",") if name.strip())
    return await start_pools(stack, pythons, preload=packages, unsafe=unsafe)


async def start_node(
    stack: AsyncExitStack,
    *,
    name: str,
    bind: str,
    store: str,
    runner: Runner,
    run_timeout: float,
    join: tuple[str, ...] = (),
    mount: tuple[str, ...] = (),
    keys: Credential | None = None,
    advertise: str = "",
    pub_port: int = 0,
    copies: Path | None = None,
    host: str = "",
    advertise_pub: str = "",
    scrub_rate: float = SCRUB_RATE,
    scrub_days: float = SCRUB_DAYS,
    rebuild_after: float = REBUILD_SECONDS,
    drains: bool = False,
    open_to_all: bool = False,
    quotas: tuple[str, ...] = (),
) -> Node:
    try:
        from ..cluster.authenticator import Authenticator
        from ..node.node import Node
    except ImportError as error:
        raise _missing(error, "node") from None
    from ..filesystem import Filesystem
    from ..filesystem.quota import read_quotas
    from ..filesystem.repair.schedule import ScrubSchedule
    from ..operations import Context
    from ..stores import open_store

    opened = await open_store(store)
    stack.push_async_callback(opened.close)
    poll = POLL_SECONDS if opened.capabilities.many_writers else None
    filesystem = await Filesystem.open(
        opened,
        node=name,
        url=store,
        runner=runner,
        run_timeout=run_timeout,
        poll=poll,
        scrub=ScrubSchedule(int(scrub_rate * MEGABYTE), scrub_days, rebuild_after),
        quotas=read_quotas(quotas),
    )
    stack.push_async_callback(filesystem.close)
    context = Context(getpass.getuser(), superuser=True, via="zeromq")
    pub = f"{bind.rpartition(':')[0]}:{pub_port}"
    made = Node(
        filesystem,
        bind=bind,
        join=join,
        mount=mount,
        pub=pub,
        context=context,
        keys=Authenticator(keys) if keys is not None else None,
        advertise=advertise,
        copies=copies or default_copies(store),
        host=host,
        advertise_pub=advertise_pub,
        drains=drains,
        local_key=None if open_to_all or keys is not None else LocalKey(),
    )
    return await stack.enter_async_context(made)


def default_copies(store: str) -> Path | None:
    """Where a node keeps copies of others' volumes: beside its own file; in memory, where its own things are, too."""
    scheme, location, _ = split_url(store)
    if scheme == "memory":
        return None
    return Path(location[1:]).parent / "copies" if scheme == "sqlite" else Path("emerge-data") / "copies"


def node_keys(bind: str, key: str | None, folder: Path) -> Credential | None:
    """The key that a node shows: the one that is named, or the only one of the folder where others can reach it.

    Raises:
        NotFound: the key that is named is not there.
        Invalid: others can reach it, and there is no key, or it is not said which of several.
    """
    if not key and is_loopback(bind.strip("[]")):
        return None
    if key and (os.sep in key or key.endswith(SUFFIX)):
        return find_credential(key)
    try:
        return Credential(own_pair(folder, key or ""))
    except NotFound as error:
        if key:
            raise
        raise Invalid(
            f"{bind} can be reached from other machines: {error.message} to tell who may",
            remedy="listen on 127.0.0.1, or make a key: emerge keys new NAME --member",
        ) from None


async def start_rest(stack: AsyncExitStack, node: Node, port: int, *, open_to_all: bool = False) -> tuple[str, str]:
    """Serve a node by HTTP too: its address, and the file of the token that its user's programs show there, if any."""
    try:
        from ..rest.node_server import RESTNodeServer
    except ImportError as error:
        raise _missing(error, "rest") from None
    from ..context import Context

    context = Context(getpass.getuser(), superuser=True, via="rest")
    key = None if open_to_all else LocalKey()
    server = await stack.enter_async_context(RESTNodeServer(node.dispatch, port=port, context=context, local_key=key))
    return str(server.url), key.file if key is not None else ""


async def start_relay(
    stack: AsyncExitStack,
    *,
    nodes: tuple[str, ...],
    folder: Path,
    dist: Path | None,
    host: str,
    port: int,
    origins: tuple[str, ...] = (),
    credential: Credential | None = None,
    wheels: tuple[Path, ...] = (),
    packages: tuple[str, ...] = (),
    browsers: int,
) -> RelayServer:
    try:
        from ..relay.packages.settings import PackageSettings
        from ..relay.server import RelayServer
        from ..relay.settings import BrowserLimits, RelaySettings
    except ImportError as error:
        raise _missing(error, "relay") from None
    settings = RelaySettings(
        data=folder,
        dist=dist,
        nodes=nodes,
        host=host,
        port=port,
        token=program_token(folder),
        origins=origins,
        credential=credential,
        limits=BrowserLimits(browsers=browsers),
        packages=PackageSettings(wheels, packages),
    )
    return await stack.enter_async_context(RelayServer(settings))


def program_token(folder: Path) -> str:
    """The token that programs show to this relay: made once, kept in its folder for its owner only."""
    path = folder / "program-token"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32))
    return path.read_text().strip()


def _missing(error: ImportError, extra: str) -> Unavailable:
    return Unavailable(f"the package {error.name} is not installed", remedy=f"pip install 'emerge-wasm[{extra}]'")


run_timeout_option = click.option(
    "--run-timeout", default=30.0, show_default=True, metavar="SECONDS", help="How long a method may run."
)
unsafe_run_option = click.option(
    "--unsafe-run",
    is_flag=True,
    help="Run methods in processes that are closed in by nothing: whoever may store a class may do here what you may.",
)
open_option = click.option(
    "--open",
    "open_to_all",
    is_flag=True,
    help="Let every program of this machine do everything, whoever runs it: for clients without a key, as zerorpc's.",
)
preload_option = click.option(
    "--preload", default="", metavar="NAMES", help="Packages that methods may import: pandas,shapely."
)
python_option = click.option(
    "--python",
    "pythons",
    multiple=True,
    metavar="NAME",
    help="Another Python here, for code of newer grammar than this one's: python3.13, or its path; may be repeated.",
)

quota_option = click.option(
    "--quota",
    "quotas",
    multiple=True,
    metavar="NAME=AMOUNT",
    help="What each may have who is no superuser: objects=10000, bytes=2G, running=20 (seconds a minute); repeatable.",
)
wheels_option = click.option(
    "--wheels",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="Wheels that cells may import; looked at again when it changes; may be repeated.",
)
packages_option = click.option(
    "--packages",
    multiple=True,
    metavar="pypi|URL",
    help="Fetch more packages for cells: pypi (and Pyodide's own), an index, a pyodide-lock.json; may be repeated.",
)
browsers_option = click.option(
    "--browsers",
    type=click.IntRange(1),
    metavar="N",
    help="So many at once at most (else as many as there is memory for, a MiB each).",
)


@click.group()
def node() -> None:
    """Serve a filesystem to the cluster."""


@node.command("start")
@click.option("--name", help="The node's name in the cluster (else its key's, else the machine's).")
@click.option("-p", "--port", default=DEFAULT_PORT, show_default=True, help="0 takes a free one.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--store", default="sqlite:///emerge-data/emerge.db", show_default=True, help="The store's URL.")
@click.option(
    "--join", multiple=True, metavar="tcp://HOST:PORT", help="A node of the cluster to enter; may be repeated."
)
@click.option(
    "--mount",
    multiple=True,
    metavar="PATH",
    help="Where something that this node has is to stay when it enters a cluster (else /nodes/NAME); may be repeated.",
)
@click.option("--key", metavar="NAME|FILE", help="The node's key; needed where other machines can reach it.")
@click.option("--keys", type=click.Path(path_type=Path), default=KEYS_FOLDER, show_default=True, help="Where it is.")
@click.option("--advertise", default="", metavar="HOST[:PORT]", help="Where others reach this node, if not at --bind.")
@click.option(
    "--advertise-pub", default="", metavar="HOST[:PORT]", help="Where others hear it, if not there and at --pub-port."
)
@click.option("--pub-port", default=0, metavar="PORT", help="Where it announces itself (else a free port).")
@click.option(
    "--copies",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where this node keeps copies of others' volumes (else beside its own file).",
)
@click.option("--host", "machine", default="", metavar="NAME", help="The machine's name: no two copies are on one.")
@click.option(
    "--scrub-rate",
    type=click.FloatRange(0),
    default=SCRUB_RATE,
    show_default=True,
    metavar="MB",
    help="Megabytes a second of blocks that are read at most to find damaged ones; 0: none.",
)
@click.option(
    "--scrub-days",
    type=click.FloatRange(0, min_open=True),
    default=SCRUB_DAYS,
    show_default=True,
    metavar="DAYS",
    help="From one reading of all blocks to the next.",
)
@click.option("--drain", "drains", is_flag=True, help="Take no blocks of others' files: it is to be taken away.")
@click.option(
    "--rebuild-after",
    type=click.FloatRange(0),
    default=REBUILD_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="What a node had of files is made again on others when it is away for so long.",
)
@click.option("--rest", type=int, metavar="PORT", help="Serve HTTP here too; 0 takes a free port.")
@click.option("--while-input", is_flag=True, help="End with the standard input: for a program beside which it runs.")
@open_option
@run_timeout_option
@unsafe_run_option
@preload_option
@python_option
@quota_option
@pass_session
def node_start(
    session: Session,
    name: str | None,
    port: int,
    bind: str,
    store: str,
    join: tuple[str, ...],
    mount: tuple[str, ...],
    key: str | None,
    keys: Path,
    advertise: str,
    advertise_pub: str,
    pub_port: int,
    copies: Path | None,
    machine: str,
    scrub_rate: float,
    scrub_days: float,
    rebuild_after: float,
    drains: bool,
    rest: int | None,
    while_input: bool,
    open_to_all: bool,
    run_timeout: float,
    unsafe_run: bool,
    preload: str,
    pythons: tuple[str, ...],
    quotas: tuple[str, ...],
) -> None:
    """Start a node; Ctrl-C stops it."""
    credential = node_keys(bind, key, keys)
    name = name or (credential.pair.name if credential is not None else default_name())

    async def serve(stack: AsyncExitStack) -> dict[str, str]:
        runner, sandbox = await start_runner(stack, unsafe=unsafe_run, preload=preload, pythons=pythons)
        started = await start_node(
            stack,
            name=name,
            bind=f"tcp://{f'[{bind}]' if ':' in bind and '[' not in bind else bind}:{port}",
            store=store,
            runner=runner,
            run_timeout=run_timeout,
            join=tuple(map(endpoint_of, join)),
            mount=mount,
            keys=credential,
            advertise=advertise,
            pub_port=pub_port,
            copies=copies,
            host=machine,
            advertise_pub=advertise_pub,
            scrub_rate=scrub_rate,
            scrub_days=scrub_days,
            rebuild_after=rebuild_after,
            drains=drains,
            open_to_all=open_to_all,
            quotas=quotas,
        )
        found = {"name": name, "node": started.endpoint, "store": public_url(store), "sandbox": sandbox}
        if rest is not None:
            found["rest"], found["token_file"] = await start_rest(stack, started, rest, open_to_all=open_to_all)
        return {**found, "open": OPEN} if open_to_all and credential is None else found

    def text(found: dict[str, str]) -> str:
        more = f" and {found['rest']}" if "rest" in found else ""
        if found.get("token_file"):
            more += f' (curl --oauth2-bearer "$(cat {found["token_file"]})")'
        said = [f"node {name} serves {found['store']} at {found['node']}{more}", found["sandbox"]]
        return "\n".join([found["open"], *said] if "open" in found else said)

    run_until_stopped(serve, lambda found: _announce(session, found, text(found)), while_input=while_input)


@click.group()
def relay() -> None:
    """Join browsers to the cluster."""


@relay.command("start")
@click.option("-p", "--port", default=8080, show_default=True, help="0 takes a free one.")
@click.option("--bind", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("emerge-data"), show_default=True)
@click.option("--dist", type=click.Path(path_type=Path), default=find_page, help="The built page.")
@click.option(
    "--origin", "origins", multiple=True, metavar="URL", help="An address of a proxy in front; may be repeated."
)
@wheels_option
@packages_option
@browsers_option
@pass_session
def relay_start(
    session: Session,
    port: int,
    bind: str,
    folder: Path,
    dist: Path,
    origins: tuple[str, ...],
    wheels: tuple[Path, ...],
    packages: tuple[str, ...],
    browsers: int | None,
) -> None:
    """Start a relay to the nodes that --host names; Ctrl-C stops it."""
    from ..clients.transports.address import find_endpoint, find_key
    from ..relay.capacity import make_room

    key = find_key(session.key)
    credential = find_credential(key) if key else None
    if credential is not None:
        credential.pair  # noqa: B018  # the file is read, so that what is wrong with it is said at once

    async def serve(stack: AsyncExitStack) -> dict[str, str]:
        room = make_room(browsers)
        endpoint = find_endpoint(session.host)
        server = await start_relay(
            stack,
            nodes=tuple(endpoint.split(",")),
            folder=folder,
            dist=dist,
            host=bind,
            port=port,
            origins=origins,
            credential=credential,
            wheels=wheels,
            packages=packages,
            browsers=room,
        )
        return {"node": endpoint, "url": server.url, "page": server.invite(), "token": program_token(folder)}

    run_until_stopped(serve, lambda found: _announce(session, found, f"open {found['page']}"))


@click.command()
@click.option("-p", "--port", default=8080, show_default=True, help="The page's port; 0 takes a free one.")
@click.option("--node-port", default=DEFAULT_PORT, show_default=True, help="The node's port; 0 takes a free one.")
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path("emerge-data"), show_default=True)
@click.option("--dist", type=click.Path(path_type=Path), default=find_page, help="The built page.")
@click.option("--no-open", is_flag=True, help="Do not open the page in a browser.")
@click.option(
    "--block-key",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Encrypt blocks with the keys in FILE (emerge keys blocks FILE).",
)
@wheels_option
@packages_option
@browsers_option
@open_option
@run_timeout_option
@unsafe_run_option
@preload_option
@python_option
@quota_option
@pass_session
def up(
    session: Session,
    port: int,
    node_port: int,
    folder: Path,
    dist: Path,
    no_open: bool,
    block_key: Path | None,
    wheels: tuple[Path, ...],
    packages: tuple[str, ...],
    browsers: int | None,
    open_to_all: bool,
    run_timeout: float,
    unsafe_run: bool,
    preload: str,
    pythons: tuple[str, ...],
    quotas: tuple[str, ...],
) -> None:
    """Start a node and a relay here, and open the page; Ctrl-C stops both, data stay in --dir."""
    if folder.exists() and not folder.is_dir():
        raise Invalid(f"{folder} is not a directory", path=str(folder), remedy="name another with --dir")

    from ..relay.capacity import make_room

    store = f"sqlite:///{folder.resolve() / 'emerge.db'}"
    if block_key is not None:
        store += f"?{BLOCK_KEY}={quote_plus(str(block_key.resolve()))}"

    async def serve(stack: AsyncExitStack) -> dict[str, str]:
        room = make_room(browsers)
        bind = f"tcp://127.0.0.1:{node_port}"
        runner, sandbox = await start_runner(stack, unsafe=unsafe_run, preload=preload, pythons=pythons)
        started = await start_node(
            stack,
            name=default_name(),
            bind=bind,
            store=store,
            runner=runner,
            run_timeout=run_timeout,
            open_to_all=open_to_all,
            quotas=quotas,
        )
        server = await start_relay(
            stack,
            nodes=(started.endpoint,),
            folder=folder,
            dist=dist,
            host="127.0.0.1",
            port=port,
            wheels=wheels,
            packages=packages,
            browsers=room,
        )
        page = server.invite()
        if not no_open:
            webbrowser.open(page)
        token = program_token(folder)
        return {
            "node": started.endpoint,
            "url": server.url,
            "page": page,
            "token": token,
            "dir": str(folder),
            "sandbox": sandbox,
            **({"open": OPEN} if open_to_all else {}),
        }

    def text(found: dict[str, str]) -> str:
        loud = f"\n{found['open']}\n" if "open" in found else ""
        return (
            f"{loud}\n  page   {found['page']}\n  node   {found['node']}\n  data   {folder.resolve()}\n\n"
            f"{found['sandbox']}\n\nCtrl-C stops both."
        )

    run_until_stopped(serve, lambda found: _announce(session, found, text(found)))


def _announce(session: Session, found: dict[str, str], text: str) -> None:
    print_json(found) if session.json else click.echo(text)


COMMANDS = (node, relay, relay_session, up, token)
