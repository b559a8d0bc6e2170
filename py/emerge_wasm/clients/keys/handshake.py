"""How connections are made with keys: which of a node's keys are tried, and what a refusal means. Opens no socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...errors import EmergeError, PermissionDenied
from ..transports.failover import Unsent
from .credential import Credential, split_key
from .local_key import LocalAddress

if TYPE_CHECKING:
    import zmq

RECONNECT_MAX = 2000
"""Milliseconds between ZeroMQ's own attempts at most, where somebody else's key would be refused for ever."""


class KeyChoice:
    """The keys of which the node at an endpoint must show one, tried in turn: that which fitted last, then the others.

    `node` is the name of the node that is meant, if one is. Without a credential nothing is encrypted, and a node on
    this machine is shown that its user's key can be read here.
    """

    def __init__(self, credential: Credential | None, endpoint: str, node: str = "") -> None:
        self.credential = credential
        self.endpoint, _ = split_key(endpoint)
        self.local = LocalAddress(self.endpoint) if credential is None else None
        self.current = ""
        self._stated = endpoint
        self._node = node
        self._fitted = ""
        self._up = False
        self._left: list[str] = []

    def restart(self) -> None:
        """Begin anew with the keys that are known now.

        Raises:
            Invalid: none is known, or the address names one and this process has none of its own.
            NotFound: the own key's file is gone.
        """
        if self.local is not None:
            self._left, self._up = [""], False
            self.local.refresh()
            if self._stated != self.endpoint:
                raise PermissionDenied(
                    f"{self.endpoint} is to be called by key, and no key of your own is named", remedy=GET_KEY
                )
            return
        assert self.credential is not None
        found = self.credential.servers(self._stated, self._node)
        self._left = sorted(found, key=lambda key: key != self._fitted)

    def protect(self, socket: zmq.Socket[bytes]) -> bool:
        """Set a socket up for the next key; False when none is left."""
        if not self._left:
            return False
        self.current = self._left.pop(0)
        if self.local is not None:
            self.local.show(socket)
        elif self.credential is not None:
            import zmq

            socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX)
            self.credential.protect(socket, self.current)
        return True

    @property
    def address(self) -> str:
        """Where to connect: a name of this machine is taken for the address where its node listens."""
        return self.endpoint if self.local is None else self.local.address

    @property
    def needs_new_name(self) -> bool:
        """Whether a connection that was made is to be made anew, under another name: the node has another key for this
        machine than was shown, or has seen the name, and may still answer what was asked before."""
        return self.local is not None and (self.local.refresh() or (self._up and bool(self.local.key)))

    def explain(self, error: PermissionDenied) -> PermissionDenied:
        """Add to a node's refusal what is to be done by who showed no key."""
        return error if self.local is None else self.local.explain(error)

    def fits(self) -> None:
        """The node has shown the key that was tried."""
        self._fitted, self._up = self.current, True

    def again(self) -> bool:
        """Whether there is another key to try now: one that is left, or any when the node's had fitted until now."""
        if self._up:
            self._fitted, self._up = "", False
            try:
                self.restart()
            except EmergeError:
                return False
        return bool(self._left)

    def owner(self) -> str:
        """The name of the member whose key was shown; "" when the ring has no such member."""
        entry = self.credential.ring.find(self.current) if self.credential is not None else None
        return entry.name if entry is not None else ""

    def refused(self) -> EmergeError:
        """The error for a node that does not know the own key."""
        if self.credential is None:
            return PermissionDenied(f"the node at {self.endpoint} wants a key", remedy=GET_KEY)
        pair = self.credential.pair
        return PermissionDenied(
            f"the node at {self.endpoint} does not let the key of {pair.name} in: unknown there, or revoked",
            remedy=f"its operator adds it: emerge keys add {pair.name} {pair.public}",
        )

    def hung_up(self) -> Unsent:
        """The error for a node that ends the connection of somebody who shows no key."""
        return Unsent(
            f"what answers at {self.endpoint} ends the connection", remedy=f"if it is a node, it wants a key: {GET_KEY}"
        )

    def unproven(self) -> Unsent:
        """The error for an endpoint where nobody shows a key that is known."""
        whose = f"the key of {self._node}" if self._node else "a key of a node that is known here"
        command = f"emerge keys add {self._node or 'NODE'} KEY --member --another"
        return Unsent(
            f"what answers at {self.endpoint} does not show {whose}",
            remedy=f"if it is the node, and has a new key: {command}, with the KEY that emerge keys list shows there; "
            "if it has none, call it without --key and EMERGE_KEY",
        )


GET_KEY = "make one with emerge keys new NAME, have its operator add it, and name it: --key NAME, or EMERGE_KEY"
