"""The table of request handlers, by the names of web/protocol.ts."""

from __future__ import annotations

from ..responder import PageHandler
from . import (
    assist,
    change,
    consent,
    console,
    create,
    display,
    earlier,
    exchange,
    facet,
    files,
    members,
    notebook,
    objects,
    reference,
    right,
    run,
    search,
    state,
    table,
    whole,
)

HANDLERS: dict[str, PageHandler] = {
    "list": objects.list_directory,
    "open": objects.open_object,
    "save": objects.save,
    "lookup": reference.lookup,
    "referrers": reference.referrers,
    "fieldtext": whole.field_text,
    "fieldpiece": whole.field_piece,
    "writestate": state.write_state,
    "readstate": state.read_state,
    "show": display.show_object,
    "rights": right.rights,
    "rightsbelow": right.rights_below,
    "versions": objects.versions,
    "diff": objects.diff,
    "change": change.change,
    "removed": earlier.removed,
    "earlier": earlier.earlier,
    "classes": create.classes,
    "blank": create.blank,
    "readsheet": exchange.read_file,
    "loadsheet": exchange.load_file,
    "exportrows": exchange.export_file,
    "notebook": notebook.notebook,
    "keepnotebook": notebook.keep_notebook,
    "makenotebook": notebook.make_notebook,
    "readipynb": notebook.read_ipynb,
    "writeipynb": notebook.write_ipynb,
    "upload": files.upload,
    "download": files.download,
    "piece": files.piece,
    "blocks": files.blocks,
    "repair": files.repair,
    "run": run.run,
    "runall": run.run_all,
    "receipts": run.receipts,
    "copies": members.copies,
    "watchnodes": members.watch_nodes,
    "rows": table.rows,
    "pages": table.pages,
    "facets": facet.facets,
    "index": table.index,
    "explain": search.explain,
    "graphql": search.graphql,
    "schema": search.schema,
    "cancel": consent.cancel,
    "answer": consent.answer,
    "cell": console.cell,
    "select": console.select,
    "relive": console.relive,
    "input": consent.give_input,
    "assist": assist.assist,
    "sketch": assist.sketch,
}

DEEDS = frozenset(
    {
        "change",
        "graphql",
        "index",
        "keepnotebook",
        "loadsheet",
        "makenotebook",
        "readipynb",
        "repair",
        "run",
        "runall",
        "save",
        "upload",
    }
)
"""The requests that change something once, however often they are asked for with one id: see `places/attempt`."""

EACH_TIME = frozenset({"cell", "relive"})
"""The others that change something: code of the user's, which they run anew as they like."""

CELL_KINDS = frozenset({"cell", "select", "assist", "relive"})
"""The requests that the kernel of cells answers."""

CELL_HANDLERS = {kind: HANDLERS[kind] for kind in CELL_KINDS}
PAGE_HANDLERS = {kind: handler for kind, handler in HANDLERS.items() if kind not in CELL_KINDS}
