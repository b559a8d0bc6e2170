"""`python -m emerge_wasm.cli` is `emerge`."""

from .main import main

main()
