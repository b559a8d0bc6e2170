"""The older project's package of filesystems, whose name is the client's here: importing it says what to write."""

raise ModuleNotFoundError(
    "fs is the client, not a package: take SQLFileSystem and the like from emerge_wasm, or a store by its URL, "
    "emerge node start --store URL",
    name=__name__,
)
