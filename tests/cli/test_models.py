"""``sge models``: results on stdout, everything else on stderr, and the exit codes."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from sge.cli.models import app
from sge.errors import CheckpointError, ChoiceError, DownloadError, SGEError, UnknownModelError
from sge.files import sha256_of
from sge.models import download, pretrained
from sge.models.checkpoint import write_weights
from sge.models.download import DOWNLOADS, Remote
from sge.models.importing import import_weights
from sge.models.model import Card
from sge.models.names import ORIGINAL_MODEL
from sge.models.registry import shipped_entries
from sge.nn import SGE_RESNETS
from sge.paths import shipped
from tests.conftest import fill
from tests.drive import Server
from tests.weights import save


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("SGE_MODEL_DIR", str(folder))
    monkeypatch.setenv("COLUMNS", "160")
    return folder


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    state = fill(SGE_RESNETS["sge_resnet18"](num_classes=4)).state_dict()
    return save(tmp_path_factory.mktemp("file") / "best.pth.tar", {"state_dict": state})


def sge_models(*arguments: str) -> Result:
    """Runs the command; the main program prints errors, so they are left to the test here."""
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def refused(error: type[SGEError], *arguments: str) -> str:
    result = sge_models(*arguments)
    assert result.exit_code == 1
    assert isinstance(result.exception, error), result.exception
    return str(result.exception)


def damage(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    whole[-100] ^= 1
    path.write_bytes(whole)


# list


@pytest.mark.slow
def test_list_for_people(file):
    import_weights(file, "my-dogs")
    result = sge_models("list")
    assert result.exit_code == 0
    for word in (
        ORIGINAL_MODEL,
        "EfficientNet-Lite0 with SGE",
        "4,653,744",
        "my-dogs",
        "SGE-ResNet-18",
        "imported",
    ):
        assert word in result.stdout
    assert "sge models download: sge_resnet50, sge_resnet101" in result.stderr


@pytest.mark.slow
def test_a_narrow_terminal_still_shows_whole_names(file, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    import_weights(file, "a-name-that-is-rather-long")
    result = sge_models("list")
    assert "a-name-that-is-rather-long" in result.stdout
    assert ORIGINAL_MODEL in result.stdout


@pytest.mark.slow
def test_list_for_machines(file):
    import_weights(file, "my-dogs")
    result = sge_models("list", "--json")
    models = {model["name"]: model for model in json.loads(result.stdout)}
    assert list(models) == ["my-dogs", *shipped_entries()]
    assert models[ORIGINAL_MODEL] == {
        "name": ORIGINAL_MODEL,
        "title": "EfficientNet-Lite0 with SGE",
        "origin": "shipped",
        "arch": ORIGINAL_MODEL,
        "gates": "inactive",
        "parameters": 4653744,
        "sha256": sha256_of(shipped("weights") / f"{ORIGINAL_MODEL}.delta.safetensors"),
        "error": None,
    }
    assert models["my-dogs"]["arch"] == "sge_resnet18"
    assert models["my-dogs"]["gates"] == "trained"
    assert models["my-dogs"]["error"] is None
    assert result.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("shipped_too", [False, True])
def test_a_damaged_model_is_listed_as_damaged(file, home, monkeypatch, tmp_path, shipped_too):
    damage(import_weights(file, "my-dogs"))
    (home / "nothing.safetensors").touch()
    if shipped_too:
        (tmp_path / "cut.pth").write_bytes(b"cut")
        monkeypatch.setattr(pretrained, "base_weights", lambda: tmp_path / "cut.pth")
    result = sge_models("list", "--json")
    assert result.exit_code == 0
    models = {model["name"]: model for model in json.loads(result.stdout)}
    assert "is damaged" in models["my-dogs"]["error"]
    assert "is empty" in models["nothing"]["error"]
    assert bool(models[ORIGINAL_MODEL]["error"]) == shipped_too
    people = sge_models("list")
    assert people.exit_code == 0
    assert "unusable" in people.stdout
    assert "my-dogs: my-dogs.safetensors is damaged" in people.stderr


@pytest.mark.slow
def test_square_brackets_in_a_title_are_shown_and_not_obeyed(home):
    state = fill(SGE_RESNETS["sge_resnet18"](num_classes=2)).state_dict()
    labels = ["[red]dog[/red]", "[/cat]"]
    card = Card("[bold]Dogs[/] [/nothing]", "Knows [link=x]two[/link].").to_dict()
    write_weights(home / "dogs.safetensors", state, {"sge.labels": labels, "sge.card": card})
    assert "[bold]Dogs[/] [/nothing]" in sge_models("list").stdout
    shown = sge_models("show", "dogs")
    assert shown.exit_code == 0
    assert "[red]dog[/red], [/cat]" in shown.stdout


# show


def test_show_for_people():
    result = sge_models("show", ORIGINAL_MODEL)
    assert result.exit_code == 0
    for word in (
        "Apache-2.0",
        "1000: tench, goldfish",
        "224 px (bicubic, from 256 px), mean 0.498",
        "blocks.5.3",
    ):
        assert word in result.stdout
    assert result.stderr == ""


@pytest.mark.slow
def test_show_for_machines(file):
    import_weights(file, "my-dogs")
    facts = json.loads(sge_models("show", "my-dogs", "--json").stdout)
    assert facts["name"] == "my-dogs"
    assert facts["arch"] == "sge_resnet18"
    assert facts["labels"] == ["class 0", "class 1", "class 2", "class 3"]
    assert facts["blocks"][0] == {"name": "layer1.0", "channels": 64, "groups": 64, "inactive": 0}
    assert len(facts["blocks"]) == 8
    assert facts["preprocess"]["size"] == 224
    assert facts["source"].startswith("best.pth.tar, sha256 ")
    shipped = json.loads(sge_models("show", ORIGINAL_MODEL, "--json").stdout)
    assert all(block["inactive"] == block["groups"] for block in shipped["blocks"])


@pytest.mark.parametrize("command", ["show", "verify"])
def test_unknown_names_list_the_names(command):
    assert f"there are: {ORIGINAL_MODEL}" in refused(UnknownModelError, command, "nobody")


# import


@pytest.mark.slow
def test_import(file, home):
    result = sge_models("import", file, "--name", "my-dogs")
    assert result.exit_code == 0
    assert "my-dogs is ready" in result.stdout.replace("\n", "")
    assert [path.name for path in home.iterdir()] == ["my-dogs.safetensors"]
    assert sge_models("import", file).exit_code == 0
    assert (home / "sge_resnet18.safetensors").is_file()


def test_import_refuses(file, home, tmp_path):
    (tmp_path / "page.pth").write_text("<html>too many downloads")
    assert "is a web page" in refused(CheckpointError, "import", tmp_path / "page.pth")
    assert "There is no weights file" in refused(CheckpointError, "import", tmp_path / "none.pth")
    assert "cannot be a model's name" in refused(ChoiceError, "import", file, "--name", "../x")
    assert not home.exists()


# verify


@pytest.mark.slow
def test_verify(file):
    path = import_weights(file, "my-dogs")
    for name in ("my-dogs", ORIGINAL_MODEL):
        result = sge_models("verify", name)
        assert result.exit_code == 0
        assert f"{name} is whole" in result.stdout
        facts = json.loads(sge_models("verify", name, "--json").stdout)
        assert facts["ok"] is True
        assert f"{facts['sha256']}  {facts['file']}" in result.stdout
    damage(path)
    assert "is damaged" in refused(CheckpointError, "verify", "my-dogs")
    result = sge_models("verify", "my-dogs", "--json")
    assert result.exit_code == 1
    facts = json.loads(result.stdout)
    assert (facts["name"], facts["ok"]) == ("my-dogs", False)
    assert "is damaged" in facts["error"]


# download


@pytest.fixture
def server(file, monkeypatch) -> Iterator[Server]:
    """A server on this machine in place of Google Drive."""
    server = Server(file.read_bytes())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setitem(DOWNLOADS, "sge_resnet18", Remote("1AbC", 70.0, 90.0))
    monkeypatch.setattr(download, "DRIVE", server.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.slow
def test_download(server, home):
    result = sge_models("download", "sge_resnet18")
    assert result.exit_code == 0
    assert result.stdout == f"sge_resnet18 is ready: {home / 'sge_resnet18.safetensors'}\n"
    assert "They state no licence for them: you download them for yourself" in result.stderr
    assert sge_models("verify", "sge_resnet18").exit_code == 0


def test_download_refuses(server, home):
    assert "there are: sge_resnet50, sge_resnet101" in refused(UnknownModelError, "download", "resnet50")
    server.mode = "404"
    assert "no such file" in refused(DownloadError, "download", "sge_resnet18")
    assert not list(home.glob("*.safetensors"))


@pytest.mark.parametrize(
    "arguments",
    [["show"], ["verify"], ["download"], ["import"], ["nonsense"], ["list", "--yaml"], ["show", "a", "b"]],
)
def test_wrong_usage_is_2(arguments):
    assert sge_models(*arguments).exit_code == 2


def test_help_names_every_command():
    result = sge_models("--help")
    assert result.exit_code == 0
    for command in ("list", "show", "download", "import", "verify"):
        assert command in result.stdout
