"""What the README says works, and nothing that is set is missing from it."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torchvision import models

from app.settings import Settings
from scripts.figures.browsing import running_service
from sge.models.names import DEFAULT_MODEL
from tests.conftest import ROOT, fill

README = (ROOT / "README.md").read_text("utf-8")
API = (ROOT / "docs" / "api.md").read_text("utf-8")


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def commands(start: str) -> list[str]:
    """Command lines of every sh block that begin so, without their comments."""
    lines = [line.split("  #")[0].strip() for block in blocks(README, "sh") for line in block.splitlines()]
    return [line for line in lines if line.startswith(start)]


@pytest.fixture(scope="module")
def environment():
    """The virtual environment's commands come first, as if it were activated."""
    scripts = str(Path(sys.executable).parent)
    return os.environ | {"PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder that looks like a clone, where commands may leave files."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "static", folder / "static")
    return folder


@pytest.fixture(scope="module")
def service(environment):
    """The host and port of a running service with the model that opens first; no line names another."""
    # A busy machine must not turn a slow answer into a 504.
    settings = {"SGE_TIME_LIMIT_S": "600", "SGE_MODELS": DEFAULT_MODEL}
    with running_service(environment | settings) as address:
        yield address.removeprefix("http://")


def run(command: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def test_every_setting_is_in_the_table_with_its_default():
    for name, field in Settings.model_fields.items():
        row = re.search(rf"^\| `SGE_{name.upper()}` \| (?:`([^`]*)` )?\|", README, re.M)
        assert row, f"SGE_{name.upper()} is missing from the README's table"
        default = field.default or ("" if field.default in (None, []) else field.default)
        stated = (
            ",".join(default)
            if isinstance(default, list)
            else f"{default:g}"
            if isinstance(default, float)
            else str(default)
        )
        assert (row[1] or "") == stated


def test_every_variable_that_the_code_reads_is_in_the_table():
    sources = [path.read_text("utf-8") for folder in ("app", "sge") for path in (ROOT / folder).rglob("*.py")]
    read = {
        name for source in sources for name in re.findall(r"""environ[^"']+["'](SGE_[A-Z_]+)["']""", source)
    }
    assert read, "the code reads at least SGE_MODEL_DIR"
    assert [name for name in read if f"| `{name}` |" not in README] == []


def test_the_table_names_no_setting_that_is_gone():
    known = {f"SGE_{name.upper()}" for name in Settings.model_fields} | {"SGE_MODEL_DIR"}
    assert set(re.findall(r"^\| `(SGE_[A-Z_]+)` \|", README, re.M)) == known


def test_make_targets_exist():
    assert len(commands("make ")) == 2
    for command in commands("make "):
        run(f"{command} --dry-run", ROOT, dict(os.environ))


@pytest.mark.slow
def test_curl_lines(service, checkout, environment):
    lines = commands("curl ")
    assert len(lines) == 5
    for line in lines:
        answer = run(
            line.replace("127.0.0.1:8000", service).replace("curl ", "curl -sS --fail ", 1),
            checkout,
            environment,
        )
        if "/predict" in line:
            assert "German shepherd" in answer.stdout
        if "/ablate" in line:
            before = json.loads(answer.stdout)["classes"][0]
            assert before["after"] < before["controls"]["lo"] < before["before"]
    assert (checkout / "masks.npz").read_bytes().startswith(b"PK")
    assert (checkout / "overlay.png").read_bytes().startswith(b"\x89PNG")
    assert "<html" in (checkout / "report.html").read_text("utf-8")[:500]


def said_by(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What an example prints, run in the folder. It runs in this process: a new one imports torch for seconds."""
    monkeypatch.chdir(folder)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(code, "README.md", "exec"), {"__name__": "example"})
    return said.getvalue()


@pytest.mark.slow
def test_your_own_network(checkout, monkeypatch):
    """With a smaller ResNet, of rule-filled values: that insertion and regrouping keep outputs is for tests/nn to say."""
    code = blocks(README, "python")[2].replace("resnet50", "resnet18").replace("ResNet50", "ResNet18")
    torch.save(fill(models.resnet18()).state_dict(), checkout / "resnet18.pth")
    assert said_by(code, checkout, monkeypatch).startswith("Part(name='nose'")


@pytest.mark.slow
def test_the_python_of_the_readme(checkout, monkeypatch):
    code = blocks(README, "python")[0]
    assert len([line for line in code.splitlines() if line.strip()]) <= 12
    assert said_by(code, checkout, monkeypatch).startswith("German shepherd 0.9")
    assert (checkout / "shepherd.html").exists()


@pytest.mark.slow
def test_the_effects_of_the_readme(checkout, monkeypatch):
    code = blocks(README, "python")[1]
    assert len([line for line in code.splitlines() if line.strip()]) <= 10
    first, second = said_by(code, checkout, monkeypatch).splitlines()
    before, after, random = map(float, re.findall(r"[0-9.]+", first))
    assert after < random < before
    assert second.startswith("[")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(5))
def test_the_python_of_the_api_page(service, checkout, environment, number):
    maps, ablate, attribute, steps, analyze = blocks(API, "python")
    code, said = (
        (maps + "\nprint(maps.shape)", r"\(8, 20, 20\)"),
        (ablate, r"German shepherd: 0\.9\d+ -> 0\.\d+ \(.*\n(.*\n)*beagle: .*"),
        (attribute, r"malinois -?[0-9.]+ \[\d+(, \d+){4}\]"),
        (steps, r"features \d+ maps from .*\n(.*\n){3}output .*"),
        (analyze, r"German shepherd 0\.9\d+ 0\.\d+"),
    )[number]
    code = code.replace("127.0.0.1:8000", service)
    assert number == 0 or len([line for line in code.splitlines() if line.strip()]) <= 10
    answer = run(f'"{sys.executable}" - <<"END"\n{code}\nEND', checkout, environment).stdout
    assert re.fullmatch(f"{said}\n", answer), answer


@pytest.mark.slow
def test_the_curl_lines_of_the_api_page(service, checkout, environment):
    lines = [line for block in blocks(API, "sh") for line in block.splitlines()]
    assert len(lines) == 5
    for line in lines:
        line = line.replace("127.0.0.1:8000", service).replace("curl ", "curl -sS --fail ", 1)
        answer = run(line, checkout, environment).stdout
        assert "-o" in line.split() or json.loads(answer)
    assert '"ablation"' in (checkout / "report.html").read_text("utf-8")


@pytest.mark.slow
def test_sge_lines(checkout, environment, sge_command, monkeypatch):
    """The first line runs as the installed command, the others in this process."""
    first, *lines = [line for line in commands("sge ") if "download" not in line]
    run(first, checkout, environment)
    monkeypatch.chdir(checkout)
    assert lines
    for line in lines:
        program, *arguments = shlex.split(line)
        result = sge_command(*arguments)
        assert (program, result.exit_code) == ("sge", 0), (line, result.output, result.exception)
    assert len(list((checkout / "records").glob("*.json"))) == len(
        list((ROOT / "static/samples").glob("*.jpg"))
    )


def test_the_download_line_names_a_model_that_can_be_fetched(environment):
    """The download itself needs the internet; tests/test_download.py has it against a local server."""
    from sge.models.download import DOWNLOADS

    (line,) = commands("sge models download")
    assert line.split()[-1] in DOWNLOADS


@pytest.mark.slow
@pytest.mark.parametrize(
    "page",
    ["README.md", "CONTRIBUTING.md", "llms.txt", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))],
)
def test_links_and_named_files_exist(page):
    path = ROOT / page
    text = path.read_text("utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    assert [link for link in links if not (path.parent / link).exists()] == []
    named = re.findall(r"`((?:app|sge|static/js|docs|tests|requirements)/[\w./-]*)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []
