"""Downloads from a server on this machine that fails in every way that a server can."""

from __future__ import annotations

import importlib
import os
import re
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest
import requests
import torch

import tests.drive
from scripts.ports import free_port
from sge.errors import DownloadError, UnknownModelError
from sge.models.checkpoint import read_weights
from sge.models.download import DOWNLOADS, DRIVE, NOTICE, Remote, download_model
from sge.models.registry import load_model, verify_model
from sge.nn import SGE_RESNETS
from tests.conftest import fill
from tests.drive import Server
from tests.weights import save

NAME = "sge_resnet18"
PIECE = 512 * 1024
"""Size of a piece that gdown reads; an interrupted piece is lost."""


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return fill(SGE_RESNETS[NAME](num_classes=4))


@pytest.fixture(scope="module")
def checkpoint(network, tmp_path_factory) -> bytes:
    wrapped = torch.nn.DataParallel(network).state_dict()
    return save(
        tmp_path_factory.mktemp("c") / "c.pth.tar", {"epoch": 1, "state_dict": wrapped}, False
    ).read_bytes()


@pytest.fixture
def server(checkpoint) -> Iterator[Server]:
    server = Server(checkpoint)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def small_download(monkeypatch) -> None:
    """Adds a download that is small enough to be served many times, and bypasses a proxy."""
    monkeypatch.setitem(DOWNLOADS, NAME, Remote("1AbCdEfGhIjKlMnOpQrStUvWxYz012345", 70.0, 90.0))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "models"
    monkeypatch.setenv("SGE_MODEL_DIR", str(folder))
    return folder


def fetch(server: Server | str, **options: object) -> Path:
    url = server if isinstance(server, str) else server.url
    return download_model(NAME, **{"base_url": url, "retries": 0, "timeout_s": 1.0, **options})


def refused(server: Server | str, **options: object) -> str:
    """Returns the message of a download that must fail."""
    with pytest.raises(DownloadError) as error:
        fetch(server, **options)
    return str(error.value)


def files_in(folder: Path) -> dict[str, int]:
    """Returns the names and sizes of all files below the folder, without the empty locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {path.name: path.stat().st_size for path in files}


def is_right(path: Path, network: torch.nn.Module) -> bool:
    state = load_model(path).network.state_dict()
    return all(torch.equal(value, state[key]) for key, value in network.state_dict().items())


# A server that behaves


@pytest.mark.slow
def test_a_download_becomes_a_model(server, folder, network):
    told: list[tuple[int, int | None]] = []
    path = fetch(server, progress=lambda done, total: told.append((done, total)))
    assert path == folder / f"{NAME}.safetensors"
    assert list(files_in(folder)) == [path.name]
    assert is_right(path, network)
    assert told[-1] == (len(server.content), len(server.content))
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert server.seen == [(f"/uc?id={DOWNLOADS[NAME].drive_id}", None)]
    card = load_model(NAME).card
    assert "none stated by the authors" in card.licence
    assert "70.0 % top-1" in card.sentence
    assert "Not measured here" in card.sentence
    assert card.gates == "trained"
    assert card.accuracy == []
    assert verify_model(NAME)


@pytest.mark.slow
def test_what_is_there_and_whole_is_not_fetched_again(server, folder):
    path = fetch(server)
    written = path.stat().st_mtime_ns
    server.seen.clear()
    assert fetch(server) == path
    assert server.seen == []
    whole = bytearray(path.read_bytes())
    whole[-9] ^= 1
    path.write_bytes(whole)
    fetch(server)
    assert len(server.seen) == 1
    assert path.stat().st_mtime_ns > written
    assert verify_model(NAME)


# Interrupted transfers


@pytest.mark.slow
@pytest.mark.parametrize("part", [0.02, 0.5, 0.99])
def test_an_interrupted_download_is_resumed_by_the_next_call(server, folder, network, part):
    server.mode, server.stop_at = "breaking", int(len(server.content) * part)
    said = refused(server)
    assert re.search(
        r"was interrupted; \d+\.\d MB are here\. Run the same command again: it resumes there\.", said
    )
    assert not list(folder.glob("*"))[1:]  # the hidden folder alone
    (kept,) = files_in(folder).values()
    assert server.stop_at - PIECE < kept <= server.stop_at
    server.mode = "right"
    path = fetch(server)
    assert server.ranges == [f"bytes={kept}-"]
    assert list(files_in(folder)) == [path.name]
    assert is_right(path, network)


@pytest.mark.slow
def test_an_interrupted_transfer_is_resumed_within_the_call(server, folder, network):
    server.mode, server.stop_at = "breaking", len(server.content) // 2

    def mend(_done: int, _total: int | None) -> None:
        server.mode = "right"

    assert is_right(fetch(server, retries=1, progress=mend), network)
    (asked,) = server.ranges
    assert int(asked.strip("bytes=-")) > server.stop_at - PIECE


@pytest.mark.slow
def test_a_download_that_is_interrupted_at_once(server, folder, network):
    server.mode, server.stop_at = "breaking", 1000
    assert "could not be reached, or closed the connection at once" in refused(server)
    assert files_in(folder) == {}
    server.mode = "right"
    assert is_right(fetch(server), network)


@pytest.mark.slow
def test_a_server_that_cannot_resume_is_asked_for_the_whole_file(server, folder, network):
    server.mode, server.stop_at = "breaking", len(server.content) // 2
    refused(server)
    server.mode = "without_ranges"
    assert is_right(fetch(server), network)
    assert len(files_in(folder)) == 1


@pytest.mark.slow
def test_a_server_that_falls_silent(server, folder, network):
    server.mode, server.stop_at = "stalling", len(server.content) // 2
    started = time.monotonic()
    assert "was interrupted" in refused(server, timeout_s=0.3)
    assert time.monotonic() - started < 2.5
    server.mode = "right"
    assert is_right(fetch(server), network)


@pytest.mark.slow
def test_a_download_that_the_user_interrupts_can_be_resumed(server, folder, network):
    def interrupt(done: int, _total: int | None) -> None:
        if done > len(server.content) / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(server, progress=interrupt)
    assert not list(folder.glob("*.safetensors"))
    assert is_right(fetch(server), network)
    assert len(server.ranges) == 1


@pytest.mark.slow
def test_an_old_partial_file_is_discarded(server, folder, network):
    server.mode, server.stop_at = "breaking", len(server.content) // 2
    refused(server)
    (part,) = (folder / ".downloads").glob("*.part")
    os.utime(part, (time.time() - 2 * 86400,) * 2)
    server.mode = "right"
    assert is_right(fetch(server), network)
    assert server.ranges == []


@pytest.mark.slow
@pytest.mark.parametrize("size", ["half", "all", "more"])
def test_a_partial_file_of_another_file(server, folder, network, size):
    """It is noticed when the file is complete; the next call then starts anew."""
    server.mode, server.stop_at = "breaking", 2 * PIECE
    refused(server)
    (part,) = (folder / ".downloads").glob("*.part")
    part.write_bytes(
        b"?" * {"half": 10**6, "all": len(server.content), "more": 2 * len(server.content)}[size]
    )
    server.mode = "right"
    if size == "half":
        assert "is not the complete checkpoint of sge_resnet18, and was deleted" in refused(server)
        assert files_in(folder) == {}
    assert is_right(fetch(server), network)


# A server that misbehaves


@pytest.mark.slow
def test_a_server_that_announces_too_much(server, folder):
    server.mode = "announcing_too_much"
    for _ in range(2):  # the second call finds the partial file of the first
        assert "was interrupted" in refused(server)
        assert not list(folder.glob("*.safetensors"))
    server.mode = "right"
    assert verify_model(fetch(server).stem)


@pytest.mark.slow
def test_a_server_that_announces_too_little(server, folder, network):
    server.mode = "announcing_too_little"
    said = refused(server)
    assert "is not the complete checkpoint of sge_resnet18, and was deleted" in said
    assert "cut off" in said
    assert "Run the same command again" in said
    assert files_in(folder) == {}
    server.mode = "right"
    assert is_right(fetch(server), network)


def test_a_quota_page(server, folder):
    server.mode = "quota"
    said = refused(server)
    assert "answered with a web page in place of the file" in said
    assert "Try again tomorrow" in said
    assert f"fetch {server.url}/uc?id={DOWNLOADS[NAME].drive_id} with a browser" in said
    assert "sge models import FILE --name sge_resnet18" in said
    assert files_in(folder) == {}


@pytest.mark.parametrize(
    ("mode", "sentence"), [("404", "no such file (404: http://127"), ("503", "status 503")]
)
def test_a_server_that_refuses(server, folder, mode, sentence):
    server.mode = mode
    said = refused(server)
    assert sentence in said
    assert "sge models import FILE --name sge_resnet18" in said
    assert files_in(folder) == {}


@pytest.mark.slow
def test_a_server_that_is_not_there(folder):
    port = free_port()
    said = refused(f"http://127.0.0.1:{port}")
    assert f"127.0.0.1:{port} could not be reached" in said
    assert "HTTPS_PROXY" in said
    assert files_in(folder) == {}
    assert "could not be reached" in refused(f"http://127.0.0.1:{port}", retries=1)


@pytest.mark.slow
@pytest.mark.parametrize("retries", [0, 1])
def test_the_partial_file_is_kept_if_the_server_goes_away(server, folder, retries):
    server.mode, server.stop_at = "breaking", 5_000_000
    refused(server)
    gone = f"http://127.0.0.1:{free_port()}"
    kept = files_in(folder)
    assert f"{sum(kept.values()) / 1e6:.1f} MB are here" in refused(gone, retries=retries)
    assert files_in(folder) == kept


@pytest.mark.slow
@pytest.mark.parametrize("what", ["another_network", "another_archive", "nothing"])
def test_a_file_that_is_not_the_checkpoint(server, folder, tmp_path, what):
    other = save(tmp_path / "o.pth", SGE_RESNETS["sge_resnet34"](num_classes=2).state_dict()).read_bytes()
    server.content = {
        "another_network": other,
        "another_archive": b"PK\x03\x04" + bytes(9999),
        "nothing": b"",
    }[what]
    said = refused(server)
    assert "is not the complete checkpoint of sge_resnet18, and was deleted" in said
    assert {
        "another_network": "holds sge_resnet34",
        "another_archive": "zip archive that is cut off",
        "nothing": "empty",
    }[what] in said
    assert files_in(folder) == {}


def test_a_checkpoint_that_wants_to_run_code(server, folder, tmp_path):
    class RunsCode:
        def __reduce__(self):
            return os.system, (f"touch '{tmp_path / 'it_ran'}'",)

    server.content = save(tmp_path / "evil.pth", {"state_dict": {}, "acc": RunsCode()}).read_bytes()
    assert "wants to run code" in refused(server)
    assert not (tmp_path / "it_ran").exists()
    assert files_in(folder) == {}


# This machine


@pytest.mark.slow
def test_two_downloads_at_once(server, folder):
    (folder / ".downloads").mkdir(parents=True)
    with filelock.FileLock(folder / ".downloads" / f"{NAME}.lock"):
        assert "Another download of sge_resnet18 is running" in refused(server)
    assert server.seen == []
    assert fetch(server).is_file()


def test_a_folder_that_cannot_be_written_to(server, folder):
    folder.write_bytes(b"")
    assert "cannot be written to" in refused(server)
    assert "SGE_MODEL_DIR" in refused(server)


@pytest.mark.slow
def test_a_full_disk(server, folder, monkeypatch):
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        said = refused(server)
    assert "No space left on device" in said
    assert "not the complete checkpoint" not in said
    assert files_in(folder) == {}
    assert fetch(server).is_file()


def test_names_that_cannot_be_fetched(folder):
    with pytest.raises(UnknownModelError, match="No download 'x'; there are: sge_resnet50, sge_resnet101"):
        download_model("x")
    with pytest.raises(UnknownModelError, match="sge_efficientnet_lite0 comes with SGE Lens"):
        download_model("sge_efficientnet_lite0")
    assert not folder.exists()


# Google Drive's own pages, as gdown reads them


@pytest.fixture
def drive(server, monkeypatch) -> Server:
    """Requests to Google go to the server on this machine; everything else is as in a real download."""

    class ToTheServer(requests.adapters.HTTPAdapter):
        def send(self, request, *args, **options):
            parts = urllib.parse.urlsplit(request.url)
            asked, request.url = request.url, f"{server.url}{parts.path}?{parts.query}"
            response = super().send(request, *args, **options)
            response.url = asked
            return response

    def session() -> requests.Session:
        made = requests.Session()
        made.mount("https://", ToTheServer())
        return made

    monkeypatch.setattr(requests, "session", session)
    return server


@pytest.mark.slow
def test_the_warning_before_a_large_file_is_confirmed(drive, folder, network, tmp_path, monkeypatch):
    monkeypatch.setattr(
        importlib.import_module("gdown.download"), "DEFAULT_COOKIES_FILE", str(tmp_path / "cookies.txt")
    )
    drive.mode = "drive"
    assert is_right(fetch(DRIVE), network)
    assert [urllib.parse.urlsplit(path).path for path, _ in drive.seen] == ["/uc", "/download"]
    assert os.listdir(tmp_path) == ["models"]  # gdown would keep cookies


def test_drives_quota_page(drive, folder):
    drive.mode = "quota"
    said = refused(DRIVE)
    assert "“Too many users have viewed or downloaded this file recently.”" in said
    assert f"Or fetch https://drive.google.com/uc?id={DOWNLOADS[NAME].drive_id} with a browser" in said
    assert "gdown" not in said.lower()
    assert files_in(folder) == {}


@pytest.mark.parametrize("mode", ["404", "503"])
def test_drive_without_the_file(drive, folder, mode):
    drive.mode = mode
    assert "sge models import FILE --name sge_resnet18" in refused(DRIVE)
    assert files_in(folder) == {}


def test_pages_that_drive_does_not_send_today(drive, folder, monkeypatch):
    """gdown fails on a form without an action, and the user gets a sentence."""
    drive.content = b""
    drive.mode = "drive"
    page = tests.drive.WARNING.replace(' action="https://drive.usercontent.google.com/download"', "")
    monkeypatch.setattr(tests.drive, "WARNING", page)
    said = refused(DRIVE)
    assert "was not understood" in said
    assert "pip install -U gdown" in said


def test_the_two_checkpoints_of_the_paper():
    assert (
        DOWNLOADS["sge_resnet50"].address()
        == "https://drive.google.com/uc?id=13HPCjrEle6aFbiCo8Afkr2jJssdNwdRn"
    )
    assert (
        DOWNLOADS["sge_resnet101"].address()
        == "https://drive.google.com/uc?id=1ihu0NVvVJZEv0zj49izapn4V0FhwxCh6"
    )
    card = DOWNLOADS["sge_resnet50"].card("sge_resnet50")
    assert card.title == "SGE-ResNet-50"
    assert "77.584 % top-1 and 93.664 % top-5" in card.sentence
    assert "no licence" in NOTICE
    assert "for yourself" in NOTICE


@pytest.mark.slow
def test_what_was_read_is_what_was_served(server, folder, network):
    state = read_weights(fetch(server)).state
    assert state.keys() == network.state_dict().keys()
