"""Proxies that offer a service below a path: nginx with the configuration of deploy/, and one of a few lines."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from scripts.ports import free_port
from tests.app.conftest import WAIT_S, until

ROOT = Path(__file__).resolve().parents[2]
NGINX = os.environ.get("SGE_NGINX") or shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
AROUND = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  include {folder}/sge-lens.conf;
}}
"""


@contextmanager
def nginx(service: int, folder: Path) -> Iterator[int]:
    """The port of an nginx that keeps the prefix ``/lens``."""
    assert NGINX is not None
    port = free_port()
    text = (ROOT / "deploy/nginx/sge-lens.conf").read_text("utf-8")
    for written, here in (
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{service};"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
    ):
        assert written in text
        text = text.replace(written, here)
    (folder / "sge-lens.conf").write_text(text)
    (folder / "nginx.conf").write_text(AROUND.format(folder=folder))
    process = subprocess.Popen(
        [NGINX, "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: process.poll() is not None or _answers(port))
        assert process.poll() is None, (folder / "error.log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait(WAIT_S)


def _answers(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def stripping(service: int, _folder: Path) -> Iterator[int]:
    """The port of a proxy that takes the prefix ``/lens`` off, and says that it was asked over HTTPS."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if not self.path.startswith("/lens/"):
                self.send_error(404)
                return
            upstream = http.client.HTTPConnection("127.0.0.1", service, timeout=WAIT_S)
            headers = dict(self.headers) | {"X-Forwarded-For": "192.0.2.9", "X-Forwarded-Proto": "https"}
            upstream.request(self.command, self.path.removeprefix("/lens"), body, headers)
            answer = upstream.getresponse()
            data = answer.read()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)
            upstream.close()

        do_GET = do_POST = do_HEAD = answer  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(WAIT_S)
