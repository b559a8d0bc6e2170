"""The older project's name for `emerge_wasm.classic`, for who asked for it: pip install 'emerge-wasm[compat]'."""

import sys

try:
    import persistent as persistent  # what the extra installs, and the older project's classes import
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "No module named 'emerge': pip install 'emerge-wasm[compat]', or import emerge_wasm.classic as emerge",
        name="emerge",
    ) from None

from emerge_wasm.bundles import alias

del sys.modules["emerge"]
alias.install()
