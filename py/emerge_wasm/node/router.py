"""In front of a node's filesystem: an operation goes to the node that holds its path, or to all that have a part of it.

With no other filesystem around, the router adds nothing; a node that serves the same filesystem is not asked. What each
route does is in the modules beside it.
"""

from __future__ import annotations

from ..cluster.membership import Cluster, Register
from ..filesystem import Filesystem
from ..filesystem.execution import EXECUTION
from ..operations import Answer, Context, Values, find_operation
from .directory import DirectoryRoutes
from .locate import Locator
from .members import MemberRoutes
from .objects import ObjectRoutes, Route
from .run import RunRoutes
from .run_elsewhere import RunElsewhere
from .search import SearchRoutes, continues
from .transaction import TransactionRoutes

FOLLOWED = (
    *("get", "getobject", "cat", "update", "add", "methods", "help", "code"),
    *("versions", "diff", "query", "receipts"),
)


class Router:
    """A dispatch over one filesystem and the cluster around it."""

    def __init__(self, filesystem: Filesystem, cluster: Cluster) -> None:
        self._filesystem = filesystem
        self._cluster = cluster
        locator = self._locator = Locator(filesystem, cluster)
        directories = DirectoryRoutes(locator)
        objects = ObjectRoutes(locator, directories)
        runs = RunRoutes(locator)
        searches = SearchRoutes(locator)
        members = MemberRoutes(locator, objects.get)
        self._transactions = TransactionRoutes(locator)
        filesystem.core.dispatch = self.dispatch  # so running methods see the whole cluster
        EXECUTION.of(filesystem.core).others = RunElsewhere(locator.forwarder, cluster)
        self._always: dict[str, Route] = {"nodes": members.nodes, "whohas": members.whohas, "watch": members.watch}
        self._routes: dict[str, Route] = {
            **{name: objects.follow(name) for name in FOLLOWED},
            **{name: objects.place(name) for name in ("store", "mkdir")},
            **{name: objects.place_all(name) for name in ("storeall", "load")},
            **{name: objects.change_all(name) for name in ("chmod", "chown")},
            **{name: objects.carry(name) for name in ("cp", "mv")},
            "references": objects.references,
            "mixin": objects.mixin,
            "rm": objects.remove,
            "restore": objects.restore,
            "retain": objects.retain,
            "export": objects.export,
            "list": directories.list,
            "objects": directories.objects,
            "dir": directories.dir,
            "tree": directories.tree,
            "run": runs.run,
            "runstream": runs.runstream,
            "search": searches.search,
            "searchtext": searches.searchtext,
            "count": searches.count,
            "aggregate": searches.aggregate,
            "explain": searches.explain,
            "index": searches.index,
            "classes": members.classes,
        }

    def register(self, register: Register) -> None:
        """Let other nodes forward operations to this one's filesystem."""
        self._locator.forwarder.register(register)

    def dispatch(self, name: str, args: Values, context: Context) -> Answer:
        """Answer an operation, wherever in the cluster its path is."""
        route = self._always.get(name)
        if route is None and (not self._cluster.alone or continues(name, args)):
            route = self._transactions.inside(name) if context.transaction else self._routes.get(name)
        if route is None:
            return self._filesystem.dispatch(name, args, context)
        return route(find_operation(name).bind(args), context)
