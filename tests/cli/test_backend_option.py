"""``--backend``: what runs the network, in each command that takes it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from sge.cli import analyze
from sge.lens import Lens
from sge.models import load_model
from tests.drawn_images import noise
from tests.models.exported import exported

COMMANDS = ("predict", "analyze")
RUNTIMES = {"auto": "onnxruntime", "onnxruntime": "onnxruntime", "openvino": "openvino"}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A small exported file, and two images of different shapes."""
    folder = tmp_path_factory.mktemp("backend")
    images = folder / "images"
    images.mkdir()
    noise(60, 40).save(images / "a.png")
    noise(40, 60).save(images / "b.png")
    return exported(folder).path, images


@pytest.fixture
def run(sge_command, given, tmp_path, monkeypatch):
    """Runs a command with a backend; gives its result, and the names of the backends that were used."""
    used: list[str] = []

    def made(*arguments, **options) -> Lens:
        lens = Lens(*arguments, **options)
        used.append(lens.backend)
        return lens

    monkeypatch.setattr(analyze, "Lens", made)

    def call(command: str, *options: str):
        file, images = given
        out = ("-o", tmp_path / "records") if command == "analyze" else ()
        return sge_command(command, images, "--model", file, "--json", *out, *options), used

    return call


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("backend", RUNTIMES)
def test_the_backend_that_is_named_runs_the_network(run, given, command, backend):
    if importlib.util.find_spec(RUNTIMES[backend]) is None:
        pytest.skip(f"{backend} is not installed")
    result, used = run(command, "--backend", backend)
    assert (result.exit_code, used) == (0, [RUNTIMES[backend]]), result.stderr
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [Path(line["path"]).name for line in lines] == ["a.png", "b.png"]
    lens = Lens(load_model(str(given[0])))
    for line in lines:
        expected = lens.predict(line["path"])
        assert [one["label"] for one in line["predictions"]] == [one.label for one in expected]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("backend", "sentence"), [("torch", "exported"), ("tensorflow", "onnxruntime"), ("", "onnxruntime")]
)
def test_a_backend_that_does_not_run_it_is_refused(run, command, backend, sentence):
    result, used = run(command, "--backend", backend)
    assert result.exit_code == 1
    assert not used
    assert sentence in str(result.exception)
    assert str(result.exception).endswith(".")
