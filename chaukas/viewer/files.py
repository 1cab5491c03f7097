"""The files of the built page, read once and held compressed."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from starlette.responses import PlainTextResponse, Response

from .build import PAGE

if TYPE_CHECKING:
    from starlette.requests import Request

__all__ = ("Files", "page_text")

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
"""What is served; a file of another type is none of the page's."""


@dataclass(frozen=True)
class _File:
    packed: bytes
    plain: bytes
    tag: str
    kind: str


class Files:
    """The page, as it was when the server started."""

    def __init__(self) -> None:
        self._files = {
            path.relative_to(PAGE).as_posix(): _read(path.read_bytes(), path.suffix)
            for path in PAGE.rglob("*")
            if path.is_file() and path.suffix in _TYPES
        }

    def answer(self, request: Request) -> Response:
        """Answer a request for a file; the page itself has no name."""
        file = self._files.get(request.path_params["path"] or "index.html")
        if file is None:
            return PlainTextResponse("Nothing is here.\n", 404)
        # The browser asks each time whether it changed: chaukas may be newer.
        headers = {
            "cache-control": "no-cache",
            "etag": file.tag,
            "vary": "accept-encoding",
        }
        if request.headers.get("if-none-match") == file.tag:
            return Response(status_code=304, headers=headers)
        body = file.plain
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"], body = "gzip", file.packed
        return Response(body, 200, headers, media_type=file.kind)


def page_text(name: str) -> str:
    """Return the text of one file of the page."""
    return (PAGE / name).read_text(encoding="utf-8")


def _read(plain: bytes, suffix: str) -> _File:
    tag = f'"{hashlib.sha256(plain).hexdigest()[:20]}"'
    return _File(gzip.compress(plain, 9, mtime=0), plain, tag, _TYPES[suffix])
