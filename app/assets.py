"""Styles, scripts and samples of the page.

The page names its styles and scripts below ``static/VERSION/``, where the version is a hash of all of them: a browser keeps
them for ever, and loads them anew when one changes. Scripts import each other by relative addresses, which have the
same version. Below ``static/`` the same files are served without a version, and are asked for again.
"""

from __future__ import annotations

import hashlib
import mimetypes
import os
import re
from pathlib import Path

from fastapi import Request, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import Scope

from .stored_bodies import REVALIDATE, StoredBody

IMMUTABLE = "max-age=31536000, immutable"
IMAGES = "max-age=3600"
"""Samples have no version; an hour saves a question for each of them on every visit."""
VERSIONED = (".css", ".js", ".svg")
TEXT = (*VERSIONED, ".json", ".txt", ".html")
_VERSION = re.compile(r"([0-9a-f]{12})/(.+)", re.DOTALL)


class Version:
    """The version of the files in a folder.

    Args:
        folder: The folder of styles, scripts and samples.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._state: tuple[tuple[str, int, int], ...] = ()
        self._version = ""

    def current(self) -> str:
        """Twelve digits that change with any style or script."""
        paths = sorted(path for path in self.folder.rglob("*") if path.suffix in VERSIONED)
        facts = [(path, path.stat()) for path in paths]
        state = tuple((str(path), stat.st_mtime_ns, stat.st_size) for path, stat in facts)
        if state != self._state:
            hashed = hashlib.sha256()
            for path in paths:
                data = path.read_bytes()
                hashed.update(f"{path.relative_to(self.folder).as_posix()}\0{len(data)}\0".encode() + data)
            self._state, self._version = state, hashed.hexdigest()[:12]
        return self._version


class Assets(StaticFiles):
    """The files of a folder, with or without a version before their path.

    Args:
        folder: The folder.
        version: Its version.
    """

    def __init__(self, folder: Path, version: Version) -> None:
        super().__init__(directory=folder)
        self.version = version
        self._stored: dict[tuple[str, int, int], StoredBody] = {}

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The answer to a request for a path below the folder."""
        match = _VERSION.fullmatch(path)
        path = match[2] if match else path
        scope["asset_cache"] = self._cache(match[1] if match else None, path)
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code == 401:  # a file that this process may not read
                raise HTTPException(404) from None
            raise
        response.headers.setdefault("Cache-Control", scope["asset_cache"])
        return response

    def _cache(self, version: str | None, path: str) -> str:
        if version is not None:
            # A page that is older than the service gets today's file, but not for ever.
            return IMMUTABLE if version == self.version.current() else REVALIDATE
        return REVALIDATE if path.endswith(TEXT) else IMAGES

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """A file as a response; text is kept in memory, compressed."""
        if not str(full_path).endswith(TEXT):
            return super().file_response(full_path, stat_result, scope, status_code)
        key = str(full_path), stat_result.st_mtime_ns, stat_result.st_size
        stored = self._stored.get(key)
        if stored is None:
            kind = mimetypes.guess_type(full_path)[0] or "text/plain"
            stored = StoredBody.of(Path(full_path).read_bytes(), kind)
            for other in [other for other in self._stored if other[0] == key[0]]:
                del self._stored[other]
            self._stored[key] = stored
        return stored.response(Request(scope), scope["asset_cache"])
