"""The wheel, away from the checkout, still serves the page and knows its model."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT

SERVE_ONCE = """
import sys, pathlib
import app, sge
assert pathlib.Path(sge.__file__).is_relative_to(sys.argv[1]), sge.__file__
assert pathlib.Path(app.__file__).is_relative_to(sys.argv[1]), app.__file__
from starlette.testclient import TestClient
from app.main import create_app
with TestClient(create_app()) as client:
    page = client.get("/")
    assert page.status_code == 200 and "SGE Lens" in page.text
    assert client.get("/static/samples/shepherd.jpg").status_code == 200
    assert client.get("/static/css/tokens.css").status_code == 200
assert sge.load_model("sge_efficientnet_lite0").card.gates == "inactive"
assert sge.load_model("sge_resnet18_dogs").card.gates == "trained"
print("served")
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The wheel's content, in a folder of its own."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(out / "site")
    return out / "site"


def test_it_carries_page_weights_and_no_more(unpacked):
    assert (unpacked / "sge" / "_weights" / "sge_efficientnet_lite0.card.json").is_file()
    assert (unpacked / "sge" / "_templates" / "index.html").is_file()
    tops = {path.name for path in unpacked.iterdir() if not path.name.endswith(".dist-info")}
    assert tops == {"app", "sge"}


def test_it_serves_the_page_elsewhere(unpacked, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SERVE_ONCE, str(unpacked)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(unpacked)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "served"
