"""The Dockerfile: what its text promises, and, on request, the container itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib

import pytest

from app.settings import Settings
from tests.conftest import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
STAGES = re.split(r"^FROM ", DOCKERFILE, flags=re.M)[1:]


SERVED = re.findall(
    r"^([\w.-]+)(?:\[[\w,]+\])?[><=]", (ROOT / "requirements" / "serve.in").read_text("utf-8"), re.M
)


def stage(name):
    return next(text for text in STAGES if text.splitlines()[0].endswith(f" AS {name}"))


@pytest.mark.parametrize("target", ["cpu", "cuda"])
def test_targets_stand_on_the_service_and_bring_only_their_environment(target):
    assert stage(target).splitlines()[0].split(" AS ")[0] == "service"
    assert f"COPY --from=venv-{target}" in stage(target)
    assert "RUN" not in stage(target)


def test_the_service_is_nobody_special_and_is_watched():
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", stage("service"), re.M)
    assert "HEALTHCHECK" in stage("service")
    assert 'CMD ["sge", "serve"]' in stage("service")
    assert "STOPSIGNAL SIGTERM" in stage("service")


def test_nothing_comes_from_an_address():
    assert "ADD " not in DOCKERFILE
    code = "\n".join(line for line in DOCKERFILE.splitlines() if not line.startswith("#"))
    assert re.findall(r"https?://(?!127\.0\.0\.1)", code) == []


def test_what_is_copied_is_not_ignored():
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.M)
    assert {name.split("/")[0] for names in copied for name in names.split()} <= allowed


def test_a_lock_without_cuda_keeps_the_rest_with_its_hashes():
    script, lock = ROOT / "requirements" / "without_cuda.py", ROOT / "requirements" / "run.lock"
    done = subprocess.run(
        [sys.executable, str(script), str(lock)], capture_output=True, text=True, check=True
    )
    names = re.findall(r"^([\w.-]+)==", done.stdout, re.M)
    assert {"timm", "pillow", "fastapi"} <= set(names)
    assert [
        name
        for name in names
        if name in ("torch", "torchvision", "triton") or name.startswith(("nvidia", "cuda"))
    ] == []
    entries = re.split(r"^(?=[\w.-]+==)", done.stdout, flags=re.M)[1:]
    assert all("--hash=sha256:" in entry for entry in entries)


def test_the_cpu_image_has_no_pytorch():
    lock = (ROOT / "requirements" / "serve.lock").read_text("utf-8")
    names = set(re.findall(r"^([\w.-]+)==", lock, re.M))
    assert set(SERVED) <= names
    assert {name for name in names if re.match("torch|triton|timm|captum|nvidia|cuda", name)} == set()
    assert "serve.lock" in stage("venv-cpu")
    assert "run.lock" not in stage("venv-cpu")


def test_what_serves_is_what_is_tested():
    """Every pin of the lean lock is one of the tests' lock, and every range one of pyproject.toml."""
    pins = [
        set(re.findall(r"^[\w.-]+==[^ \\]+", (ROOT / "requirements" / name).read_text("utf-8"), re.M))
        for name in ("serve.lock", "test.lock")
    ]
    assert pins[0] <= pins[1]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    ranges = {*project["dependencies"], *extras["app"], *extras["onnx"]}
    listed = (ROOT / "requirements" / "serve.in").read_text("utf-8").splitlines()
    assert {line for line in listed if line and not line.startswith("#")} <= ranges


def test_the_cpu_image_serves_the_models_of_the_service(monkeypatch):
    exported = re.search(r'^ARG MODELS="(.+)"$', stage("exported"), re.M)[1].split()
    served = re.search(r"^ENV SGE_MODELS=(\S+)$", stage("cpu"), re.M)[1].split(",")
    monkeypatch.delenv("SGE_MODELS", raising=False)
    assert served == [f"/exported/{name}.onnx" for name in exported]
    assert exported == Settings().models


@pytest.mark.skipif(
    os.environ.get("SGE_CONTAINER_TEST") != "1", reason="minutes and 30 GB: set SGE_CONTAINER_TEST=1"
)
def test_the_container_serves_an_image():
    if not (shutil.which("buildah") and shutil.which("debootstrap")):
        pytest.skip("needs Debian's buildah and debootstrap")
    script = ROOT / "tests" / "container" / "build.sh"
    done = subprocess.run([str(script)], capture_output=True, text=True, timeout=3600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "container served an image: German shepherd" in done.stdout
    assert "ended by SIGTERM with 0" in done.stdout
