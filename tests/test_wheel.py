"""The wheel: what it contains, what works without the optional packages, and that it serves the page elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email import message_from_string

import pytest

import sge
from tests.conftest import ROOT

SERVE_ONCE = """
import pathlib, sys
import sge
from sge import _app
for package in (sge, _app):
    assert pathlib.Path(package.__file__).is_relative_to(sys.argv[1]), package.__file__
from starlette.testclient import TestClient
from sge._app.main import create_app
with TestClient(create_app(), base_url="http://127.0.0.1") as client:
    page = client.get("/")
    assert page.status_code == 200 and "SGE Lens" in page.text
    assert client.get("/static/samples/shepherd.jpg").status_code == 200
    assert client.get("/static/css/tokens.css").status_code == 200
assert sge.load_model("sge_efficientnet_lite0").card.gates == "inactive"
assert sge.load_model("sge_resnet18_pets").card.gates == "trained"
print("served")
"""

OPTIONAL = (
    "app",
    "fastapi",
    "starlette",
    "uvicorn",
    "pydantic_settings",
    "prometheus_client",
    "python_multipart",
    "gdown",
    "requests",
    "tensorboard",
    "torchmetrics",
)
WITHOUT_OPTIONAL = f"""
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {OPTIONAL}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
"""
RUN_COMMAND = WITHOUT_OPTIONAL + "from sge.__main__ import main; main()"
USE_LIBRARY = (
    WITHOUT_OPTIONAL
    + """
import torch, sge
from torchvision.models import resnet18
network = sge.insert_sge(resnet18(), groups=8).eval()
with sge.MaskCapture(network) as seen, torch.inference_mode():
    network(torch.zeros(1, 3, 64, 64))
print(len(seen.masks), seen.masks["layer4.1"].shape[1])
"""
)


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


@pytest.fixture
def python(unpacked, tmp_path):
    """Runs code with the wheel's content in front of everything else, in an empty folder."""

    def run(code, *arguments):
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(unpacked)},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return run


@pytest.mark.slow
def test_it_has_one_top_level_package(unpacked):
    tops = {path.name for path in unpacked.iterdir()}
    assert tops == {"sge", f"sge_lens-{sge.__version__}.dist-info"}


def test_it_carries_page_weights_service_and_type_marker(unpacked):
    package = unpacked / "sge"
    for name in (
        "_weights/sge_efficientnet_lite0.card.json",
        "_templates/index.html",
        "_static/css/tokens.css",
        "_app/command.py",
        "py.typed",
    ):
        assert (package / name).is_file(), name
    assert [path for path in package.rglob("*") if path.name == "__pycache__"] == []


def test_the_base_needs_neither_the_service_nor_the_download_packages(unpacked):
    (metadata,) = unpacked.glob("*.dist-info/METADATA")
    fields = message_from_string(metadata.read_text("utf-8"))
    assert fields["Version"] == sge.__version__
    assert {"app", "download", "train"} <= set(fields.get_all("Provides-Extra"))
    base = [line for line in fields.get_all("Requires-Dist") if "extra ==" not in line]
    names = {line.split("<")[0].split(">")[0].split("=")[0].strip().replace("-", "_") for line in base}
    assert "torch" in names
    assert not names & set(OPTIONAL)
    assert not any(line.startswith(("torch==", "torchvision==", "numpy==")) for line in base)


@pytest.mark.slow
def test_the_library_works_without_the_optional_packages(python):
    done = python(USE_LIBRARY)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["8", "8"]


@pytest.mark.slow
def test_the_command_line_works_without_the_optional_packages(python, tmp_path):
    done = python(RUN_COMMAND, "--help")
    assert done.returncode == 0, done.stderr
    done = python(
        RUN_COMMAND, "analyze", ROOT / "static" / "samples" / "shepherd.jpg", "-o", tmp_path / "out"
    )
    assert done.returncode == 0, done.stderr
    assert "German shepherd" in done.stdout
    assert (tmp_path / "out" / "shepherd.json").is_file()
    assert "sge_efficientnet_lite0" in python(RUN_COMMAND, "models", "list").stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "extra"), [(("serve",), "app"), (("models", "download", "sge_resnet50"), "download")]
)
def test_a_missing_extra_is_a_sentence(python, arguments, extra):
    done = python(RUN_COMMAND, *arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    last = done.stderr.splitlines()[-1]
    assert last.startswith("error: ")
    assert f"pip install 'sge-lens[{extra}]'" in last
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_it_serves_the_page_elsewhere(unpacked, python):
    done = python(SERVE_ONCE, unpacked)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "served"
