"""A server on this machine in place of Google Drive, which fails in every way that a server can."""

from __future__ import annotations

import contextlib
import http.server
import re
import time
import urllib.parse

QUOTA = (
    "<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head><body>"
    '<p class="uc-error-caption">Sorry, you can&#39;t view or download this file at this time.</p>'
    '<p class="uc-error-subcaption">Too many users have viewed or downloaded this file recently.</p></body></html>'
)
WARNING = (
    "<!DOCTYPE html><html><body><p>Google Drive can't scan this file for viruses.</p>"
    '<form id="download-form" action="https://drive.usercontent.google.com/download" method="get">'
    '<input type="hidden" name="id" value="{id}"><input type="hidden" name="export" value="download">'
    '<input type="hidden" name="confirm" value="t"><input type="hidden" name="uuid" value="1-2-3"></form></body></html>'
)


class Server(http.server.ThreadingHTTPServer):
    """Serves ``content`` as ``mode`` says, and records the requests in ``seen``."""

    daemon_threads = True

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.mode = "right"
        self.stop_at = 0
        self.seen: list[tuple[str, str | None]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def ranges(self) -> list[str]:
        return [asked for _path, asked in self.seen if asked]


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append((self.path, self.headers["Range"]))
        # The client goes away in the middle when it has seen enough.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            getattr(self, f"serve_{self.server.mode}")()

    def head(self, status: int, length: int, kind: str = "application/octet-stream", **more: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        for name, value in more.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def serve_right(self, upto: int | None = None) -> None:
        content = self.server.content
        if self.headers["Range"] is None:
            self.head(200, len(content), Accept_Ranges="bytes", ETag='"1"')
            self.wfile.write(content[:upto])
            return
        start = int(re.fullmatch(r"bytes=(\d+)-", self.headers["Range"])[1])
        if start >= len(content):
            self.head(416, 0)
            return
        rest = content[start:]
        self.head(
            206, len(rest), Content_Range=f"bytes {start}-{len(content) - 1}/{len(content)}", ETag='"1"'
        )
        self.wfile.write(rest if upto is None else rest[: max(0, upto - start)])

    def serve_without_ranges(self) -> None:
        self.head(200, len(self.server.content))
        self.wfile.write(self.server.content)

    def serve_breaking(self) -> None:
        self.serve_right(self.server.stop_at)

    def serve_stalling(self) -> None:
        self.serve_breaking()
        self.wfile.flush()
        time.sleep(3)

    def serve_announcing_too_much(self) -> None:
        if self.headers["Range"]:
            self.serve_right()
            return
        self.head(200, len(self.server.content) + 5000)
        self.wfile.write(self.server.content)

    def serve_announcing_too_little(self) -> None:
        self.head(200, len(self.server.content) - 5000)
        self.wfile.write(self.server.content)

    def serve_quota(self) -> None:
        self.head(200, len(QUOTA), "text/html; charset=utf-8")
        self.wfile.write(QUOTA.encode())

    def serve_404(self) -> None:
        self.send_error(404)

    def serve_503(self) -> None:
        self.send_error(503)

    def serve_drive(self) -> None:
        """Behaves like Drive with a large file: it sends a warning first, and the file after a confirmation."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if query.get("confirm") == "t":
            self.server.mode = "drive_file"
            self.serve_drive_file()
            return
        page = WARNING.format(id=query["id"]).encode()
        self.head(200, len(page), "text/html; charset=utf-8")
        self.wfile.write(page)

    def serve_drive_file(self) -> None:
        content = self.server.content
        self.head(200, len(content), Content_Disposition='attachment; filename="sge_resnet18.pth.tar"')
        self.wfile.write(content)
