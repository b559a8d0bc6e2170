"""A plain file server with the headers that the relay gives a page: `python -m bench.static FOLDER` prints its URL.

The directory's index is asked for again on each visit; everything else may be kept for ever.
"""

from __future__ import annotations

import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

HEADERS = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        kept = "no-cache" if self.path == "/" else "public, max-age=31536000, immutable"
        self.send_header("Cache-Control", kept)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the only output is the URL."""


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=sys.argv[1]))
    print(f"http://127.0.0.1:{server.server_address[1]}/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
