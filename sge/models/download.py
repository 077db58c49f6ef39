"""Downloads the paper's checkpoints from the authors' Google Drive to the user's machine.

``gdown`` handles Drive's pages and resumes transfers. This module keeps partial files, checks and imports the complete
file, and turns each failure into a sentence.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from sge.errors import CheckpointError, DownloadError, MissingPackageError, UnknownModelError
from sge.images import Preprocess
from sge.models.card import Card
from sge.models.importing import import_weights
from sge.models.registry import WEIGHTS_SUFFIX, load_model, shipped_entries
from sge.paths import model_dir

if TYPE_CHECKING:
    import requests

DRIVE = "https://drive.google.com"
AUTHORS = "https://github.com/implus/PytorchInsight"
NOTICE = (
    "The weights are the paper's authors', from their Google Drive. They state no licence for them: you download "
    "them for yourself, and may not have the right to pass them on."
)

RETRIES = 4
"""How often an interrupted transfer is resumed before the download fails."""
TIMEOUT_S = 30.0
"""Longest time without data from the server, in seconds."""
MAX_PARTIAL_AGE_S = 24 * 3600.0
"""An older partial file is discarded, because the server may have another version of the file by now."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes received and, if the server states it, the size of the whole file."""


@dataclass(frozen=True)
class Remote:
    """A checkpoint that can be downloaded."""

    drive_id: str
    top1: float
    top5: float
    """Both in percent, from the authors' table."""

    def address(self, base_url: str = DRIVE) -> str:
        """Returns the file's URL, which a browser can open too."""
        return f"{base_url}/uc?id={self.drive_id}"

    def card(self, name: str) -> Card:
        """Returns a card with the authors' statements; nothing is measured."""
        return Card(
            title="SGE-ResNet-" + name.removeprefix("sge_resnet"),
            sentence=(
                "Recognizes the 1000 ImageNet classes; trained with SGE from scratch by the paper's authors, who state "
                f"{self.top1} % top-1 and {self.top5} % top-5 on ImageNet's validation set (shorter side 256, center "
                "crop 224). Not measured here."
            ),
            gates="trained",
            data="ImageNet-1k (training set)",
            licence="none stated by the authors; for the use of whoever downloads them, not to be passed on",
            source=f"{self.address()} (linked from {AUTHORS})",
        )


DOWNLOADS = {
    "sge_resnet50": Remote("13HPCjrEle6aFbiCo8Afkr2jJssdNwdRn", 77.584, 93.664),
    "sge_resnet101": Remote("1ihu0NVvVJZEv0zj49izapn4V0FhwxCh6", 78.798, 94.368),
}


def download_model(
    name: str,
    folder: Path | None = None,
    *,
    progress: Progress | None = None,
    base_url: str | None = None,
    retries: int = RETRIES,
    timeout_s: float = TIMEOUT_S,
) -> Path:
    """Downloads a checkpoint of the paper's authors and imports it into the user's model folder.

    A model that is present and undamaged is kept. An interrupted download is resumed by the next call.

    Args:
        name: ``sge_resnet50`` or ``sge_resnet101``.
        folder: The folder to write to; the user's model folder by default.
        progress: Called after each piece.
        base_url: Another address in place of Drive's, for tests.
        retries: How often an interrupted transfer is resumed.
        timeout_s: Longest time without data from the server, in seconds.

    Returns:
        ``<folder>/<name>.safetensors``, written atomically.

    Raises:
        UnknownModelError: No model of that name can be downloaded; the message lists those that can.
        MissingPackageError: gdown or requests is not installed.
        DownloadError: The download failed, or the file is not the checkpoint; the sentence says what to do.
    """
    remote, folder = _remote(name), folder or model_dir()
    _require_packages()
    target = folder / f"{name}{WEIGHTS_SUFFIX}"
    if _is_whole(target):
        return target
    partial = folder / ".downloads"
    address = remote.address(base_url or DRIVE)
    by_hand = f"or fetch {address} with a browser and run: sge models import FILE --name {name}"
    try:
        partial.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(partial / f"{name}.lock", timeout=0):
            received = partial / f"{name}.pth.tar"
            _fetch(_Transfer(address, received, progress, retries, timeout_s), by_hand)
            return _import(received, name, folder, remote, by_hand)
    except filelock.Timeout as error:
        raise DownloadError(f"Another download of {name} is running. Wait until it has ended.") from error
    except OSError as error:
        raise DownloadError(
            f"{folder} cannot be written to ({error.strerror or error}). Free some space there, or name another "
            "folder in SGE_MODEL_DIR."
        ) from error


def _require_packages() -> None:
    # The extra [download] is optional, so these two are imported only where a download needs them.
    try:
        import gdown  # noqa: F401
        import requests  # noqa: F401
    except ImportError as error:
        raise MissingPackageError(
            "A download needs gdown and requests. Install them: pip install 'sge-lens[download]'."
        ) from error


def _remote(name: str) -> Remote:
    if name in DOWNLOADS:
        return DOWNLOADS[name]
    there = f" {name} comes with SGE Lens and needs no download." if name in shipped_entries() else ""
    raise UnknownModelError(f"No download {name!r}; there are: {', '.join(DOWNLOADS)}.{there}")


def _is_whole(path: Path) -> bool:
    try:
        from sge.models.checkpoint import (
            read_weights,  # It imports torch, and listing models does not need it.
        )

        return read_weights(path).digest is not None
    except CheckpointError:
        return False


@dataclass(frozen=True)
class _Transfer:
    address: str
    path: Path
    progress: Progress | None
    retries: int
    timeout_s: float

    def partial_files(self) -> list[Path]:
        """Returns what earlier calls have left, under gdown's names."""
        return list(self.path.parent.glob(f"{self.path.name}*.part"))

    def drop(self, older_than_s: float = 0) -> None:
        for file in self.partial_files():
            if time.time() - file.stat().st_mtime >= older_than_s:
                file.unlink()

    def run(self) -> None:
        import gdown

        gdown.download(
            self.address,
            str(self.path),
            quiet=True,
            use_cookies=False,
            resume=True,
            progress=self.progress,
            timeout=self.timeout_s,
            retries=self.retries,
        )


def _fetch(transfer: _Transfer, by_hand: str) -> None:
    import gdown
    import requests

    transfer.path.unlink(missing_ok=True)
    transfer.drop(MAX_PARTIAL_AGE_S)
    resumed = bool(transfer.partial_files())
    try:
        try:
            transfer.run()
        except gdown.DownloadError as error:
            if not resumed or isinstance(error.__cause__, requests.RequestException):
                raise
            # The server cannot resume, or the partial file belongs to another file.
            transfer.drop()
            transfer.run()
    except gdown.FileURLRetrievalError as error:
        raise DownloadError(f"{_message(error)} {by_hand[0].upper()}{by_hand[1:]}.") from error
    except requests.HTTPError as error:
        raise DownloadError(_refused(error, by_hand)) from error
    except (gdown.DownloadError, requests.RequestException) as error:
        raise DownloadError(_broken(transfer, error, by_hand)) from error
    except OSError:
        raise
    except Exception as error:  # gdown parses Drive's pages, whose markup Google changes
        raise DownloadError(
            f"The answer of {transfer.address} was not understood ({type(error).__name__}: {error}). Update gdown (pip "
            f"install -U gdown); {by_hand}."
        ) from error


def _message(error: Exception) -> str:
    # gdown adds advice on its own program to Google's words; the exception that it handled has the words alone.
    words = re.sub("<[^>]*>", "", str(error.__context__ or error))
    if words.startswith("Cannot retrieve"):
        return "Google Drive answered with a page that offers no file: it may be gone, or no longer public."
    return f"Google Drive does not give the file: “{words}” If that is about too many downloads, try again tomorrow."


def _refused(error: requests.HTTPError, by_hand: str) -> str:
    answer = error.response
    if answer is None:
        return f"The server refused ({error}). Try again later; {by_hand}."
    if answer.status_code == 404:
        return (
            f"The server has no such file (404: {answer.url}). The authors may have moved it: look at "
            f"{AUTHORS}; {by_hand}."
        )
    return f"The server refused with status {answer.status_code} ({answer.url}). Try again later; {by_hand}."


def _broken(transfer: _Transfer, error: Exception, by_hand: str) -> str:
    if kept := sum(file.stat().st_size for file in transfer.partial_files()):
        return f"The download was interrupted; {kept / 1e6:.1f} MB are here. Run the same command again: it resumes there."
    transfer.drop()
    host, why = transfer.address.split("/")[2], type(error.__cause__ or error).__name__
    return (
        f"{host} could not be reached, or closed the connection at once ({why}). Check the network and the proxy "
        f"(HTTPS_PROXY) and run the same command again; {by_hand}."
    )


def _loads(path: Path, name: str) -> bool:
    try:
        load_model(name, weights=path)
    except CheckpointError:
        return False
    return True


def _import(received: Path, name: str, folder: Path, remote: Remote, by_hand: str) -> Path:
    try:
        return import_weights(received, name, folder, remote.card(name), preprocess=Preprocess())
    except CheckpointError as error:
        if _loads(received, name):
            raise DownloadError(str(error)) from error  # the file is complete but could not be written
        from sge.models.file_kinds import is_web_page

        if is_web_page(received):
            raise DownloadError(
                "The server answered with a web page in place of the file; Google Drive does so when a file was "
                f"downloaded too often. Try again tomorrow; {by_hand}."
            ) from error
        raise DownloadError(
            f"The received file is not the complete checkpoint of {name}, and was deleted: {error} Run the "
            f"same command again; {by_hand}."
        ) from error
    finally:
        received.unlink(missing_ok=True)
