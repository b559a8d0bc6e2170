"""The filesystem: directories, versions and changes over an injected store. Awaits nothing else.

Its folders and modules import downward only: `filesystem` (the table of handlers), `searches` `archives` `check`,
`runs`, `versions` `transactions`, `objects`, `tree`, `commit`, `indexes`, `execution`, `core`, `change` `runner`
`keyed_lock`, `layout` `blocks`.
"""

from __future__ import annotations

from .filesystem import Filesystem
from .runner import RunCall, RunOutcome

__all__ = ["Filesystem", "RunCall", "RunOutcome"]
