"""How a file of somebody's is given to a browser: as what it cannot harm our origin with. No I/O."""

from __future__ import annotations

from mimetypes import MimeTypes
from urllib.parse import quote

OTHER = "application/octet-stream"

_TYPES = MimeTypes()  # without what this machine's own files say
for _ending, _type in {".md": "text/plain", ".log": "text/plain", ".webp": "image/webp", ".avif": "image/avif"}.items():
    _TYPES.add_type(_type, _ending)
for _ending, _type in {".ogg": "audio/ogg", ".opus": "audio/ogg", ".flac": "audio/flac", ".m4a": "audio/mp4"}.items():
    _TYPES.add_type(_type, _ending)

_SHOWN = ("audio/", "video/", "image/")
_KEPT = frozenset({"application/json", "application/pdf", "application/zip", "text/csv", "text/plain"})
_ACTIVE = frozenset({"image/svg+xml"})

SANDBOX = (
    "sandbox; default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'none'"
)
"""The policy of a file's answer: whatever it is, it runs nothing and loads nothing but itself."""


def media_type(name: str) -> str:
    """The media type of a file by its name: one that no browser runs, else that of mere bytes."""
    found, encoding = _TYPES.guess_type(name.rpartition("/")[2], strict=True)
    if found is None or encoding or found in _ACTIVE:
        return OTHER
    return found if found.startswith(_SHOWN) or found in _KEPT else OTHER


def disposition(name: str, shown: bool) -> str:
    """The header Content-Disposition: pictures, sound, video and text may be shown, the rest is saved by its name."""
    kind = media_type(name)
    how = "inline" if shown and (kind.startswith(_SHOWN) or kind == "text/plain") else "attachment"
    plain = "".join(char if " " <= char <= "~" and char not in '"\\%/' else "_" for char in name)
    return f"{how}; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
