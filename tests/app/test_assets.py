"""Styles, scripts and samples: what a browser may keep, and for how long."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from app.assets import IMMUTABLE, Version
from app.pages import modules, static_folder
from tests.app.asking import check_problem
from tests.app.middleware.asking import fresh

VERSION = Version(static_folder()).current()


@pytest.fixture(scope="module")
def plain() -> TestClient:
    """A service without models."""
    return fresh()


@pytest.mark.parametrize("page", ["/", "/?embed=1", "/docs"])
def test_a_page_names_its_styles_and_scripts_with_their_version(plain: TestClient, page: str) -> None:
    text = plain.get(page).text
    named = re.findall(r'(?:src|href)="(static/[^"]+)"', text)
    assert len(named) >= 3
    for path in named:
        answer = plain.get(f"/{path}")
        assert answer.status_code == 200
        if not path.startswith("static/samples"):
            assert path.startswith(f"static/{VERSION}/")
            assert answer.headers["cache-control"] == IMMUTABLE


def test_scripts_import_each_other_so_that_the_version_holds() -> None:
    for path in modules():
        text = (static_folder() / "js" / path).read_text("utf-8")
        targets = re.findall(r"""(?:from|import)\s*\(?\s*["']([^"']+)["']""", text)
        assert all(target.startswith(("./", "../")) for target in targets), path


@pytest.mark.parametrize(
    ("path", "cache"),
    [
        (f"{VERSION}/js/page.js", IMMUTABLE),
        (f"{VERSION}/samples/chelsea.jpg", IMMUTABLE),
        ("js/page.js", "no-cache"),
        ("0123456789ab/js/page.js", "no-cache"),
        ("samples/samples.json", "no-cache"),
        ("samples/chelsea.jpg", "max-age=3600"),
    ],
)
def test_what_may_change_is_asked_for_again(plain: TestClient, path: str, cache: str) -> None:
    answer = plain.get(f"/static/{path}")
    assert answer.headers["cache-control"] == cache
    again = plain.get(f"/static/{path}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == cache


@pytest.mark.parametrize("path", ["js/page.js", "css/tokens.css", "favicon.svg", "samples/samples.json"])
def test_text_is_compressed_once_and_the_same_text(plain: TestClient, path: str) -> None:
    wide = plain.get(f"/static/{path}", headers={"Accept-Encoding": "identity"})
    with plain.stream("GET", f"/static/{path}", headers={"Accept-Encoding": "gzip"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert wide.content == (static_folder() / path).read_bytes()
    assert "Accept-Encoding" in wide.headers["vary"]
    if len(wide.content) > 1024:
        assert answer.headers["content-encoding"] == "gzip"
        assert gzip.decompress(packed) == wide.content
        assert answer.headers["content-length"] == str(len(packed))
    assert answer.headers["etag"] == wide.headers["etag"]
    assert wide.headers["content-type"].split(";")[0] in (
        "text/javascript",
        "text/css",
        "image/svg+xml",
        "application/json",
    )


def test_a_changed_file_is_seen_and_changes_the_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "js").mkdir()
    script = tmp_path / "js/a.js"
    script.write_text("1")
    monkeypatch.setattr("app.pages.static_folder", lambda: tmp_path)
    plain, version = fresh(), Version(tmp_path)
    before = version.current()
    assert plain.get(f"/static/{before}/js/a.js").text == "1"
    script.write_text("2")
    os.utime(script, ns=(1, 1))
    assert version.current() != before
    answer = plain.get(f"/static/{before}/js/a.js")
    assert (answer.text, answer.headers["cache-control"]) == ("2", "no-cache")
    script.write_text("1")
    assert version.current() == before  # of the content alone, so that replicas agree


@pytest.mark.parametrize(
    "path",
    [
        f"{VERSION}",
        f"{VERSION}/",
        f"{VERSION}/js",
        f"{VERSION}/../app/main.py",
        f"{VERSION}/%2e%2e/%2e%2e/pyproject.toml",
        f"{VERSION}//etc/passwd",
        f"{VERSION}/{VERSION}/js/page.js",
        f"{VERSION.upper()}x/js/page.js",
        f"{VERSION}/js/page.js%00",
        f"{VERSION}/%0a/js/page.js",
    ],
)
def test_a_version_opens_nothing_else(plain: TestClient, path: str) -> None:
    check_problem(plain.get(f"/static/{path}"), 404)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.js").write_text("1")
    (tmp_path / "a.js").chmod(0)
    monkeypatch.setattr("app.pages.static_folder", lambda: tmp_path)
    check_problem(fresh().get("/static/a.js"), 404)
