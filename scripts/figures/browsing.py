"""Starts the service and opens its page in Chromium, for figures that show the page and for tests."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from scripts.common import ROOT
from scripts.ports import free_port

if TYPE_CHECKING:
    from playwright.sync_api import Page

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
READY_TIMEOUT_S = 180


@contextmanager
def running_service(environment: dict[str, str] | None = None) -> Iterator[str]:
    """Context manager that runs ``sge serve`` on a free port; yields its address, ``http://127.0.0.1:PORT``.

    Args:
        environment: Of the process; by default this process's own.

    Raises:
        RuntimeError: the service has ended, or is not ready within three minutes.
    """
    port = free_port()
    command = [sys.executable, "-m", "sge", "serve", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_until_ready(process, address)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(process: subprocess.Popen[bytes], address: str) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api/v1/health/ready", timeout=5).close()
        except OSError:
            time.sleep(0.25)
        else:
            return
    raise RuntimeError("sge serve has ended, or is not ready within three minutes. Run it alone to see why.")


@contextmanager
def open_page(width: int = 1440, height: int = 900) -> Iterator[Page]:
    """Context manager that yields the service's page, with its first sample analyzed.

    Args:
        width: Of the window, in pixels.
        height: Of the window, in pixels.
    """
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with running_service() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(
            viewport={"width": width, "height": height}, color_scheme="light", accept_downloads=True
        )
        page.goto(address)
        page.wait_for_selector(".tile")
        page.wait_for_selector("html[data-maps=ready]")
        yield page
        browser.close()
