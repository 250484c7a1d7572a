"""
Static files, read into memory at the start: few, small, and the same for the life of a node.

A page names them as ``/static/<version>/…``, where the version is a hash over all of them. Modules import each other
by relative paths and so stay within a version, and browsers may keep them for good.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

FOREVER = "public, max-age=31536000, immutable"
ASK = "no-cache"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
_SQUEEZED = frozenset({".woff2", ".png", ".ico"})
_VERSIONED = re.compile(r"[0-9a-f]{12}/")


class File(NamedTuple):
    """A static file; ``gzipped`` where that saves something."""

    body: bytes
    gzipped: bytes | None
    media_type: str
    etag: str


class Statics:
    """The files below a folder, by their path in it."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            path.relative_to(folder).as_posix(): _load(path) for path in sorted(folder.rglob("*")) if path.is_file()
        }
        every = "".join(f"{name} {file.etag}\n" for name, file in self._files.items())
        self.version = hashlib.sha256(every.encode()).hexdigest()[:12]

    def url(self, name: str) -> str:
        """Where a page finds a file."""
        return f"/static/{self.version}/{name}"

    async def serve(self, request: Request) -> Response:
        """
        The file that the path names, with or without a version.

        Raises:
            HTTPException: 404.
        """
        name: str = request.path_params["name"]
        versioned = _VERSIONED.match(name)
        file = self._files.get(name[versioned.end() :] if versioned else name)
        if file is None:
            raise HTTPException(404)
        # Another version's page may ask while a cluster is renewed node by node: it gets ours, but must not keep it.
        lasting = name.startswith(f"{self.version}/")
        return _answer(file, request.headers, FOREVER if lasting else ASK)


def _load(path: Path) -> File:
    body = path.read_bytes()
    squeezed = None if path.suffix in _SQUEEZED else gzip.compress(body, 9, mtime=0)
    media_type = _TYPES.get(path.suffix, "application/octet-stream")
    etag = hashlib.sha256(body).hexdigest()[:20]
    return File(body, squeezed if squeezed and len(squeezed) < 0.9 * len(body) else None, media_type, etag)


def _answer(file: File, headers: Headers, caching: str) -> Response:
    zipped = file.gzipped is not None and _takes_gzip(headers.get("accept-encoding", ""))
    etag = f'"{file.etag}-gz"' if zipped else f'"{file.etag}"'
    answer = {"cache-control": caching, "etag": etag, "vary": "accept-encoding"}
    known = {tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")}
    if etag in known or "*" in known:
        return Response(status_code=304, headers=answer)
    if zipped:
        answer["content-encoding"] = "gzip"
    return Response(file.gzipped if zipped else file.body, headers=answer, media_type=file.media_type)


def _takes_gzip(accepted: str) -> bool:
    for part in accepted.lower().split(","):
        coding, _, weight = part.partition(";")
        if coding.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
