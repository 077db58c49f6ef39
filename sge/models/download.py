"""The paper's checkpoints, fetched from the authors' Google Drive by and for the user himself.

``gdown`` knows Drive's pages and resumes; what is ours is where the file lies while it comes, what may take
its final name, and what to say when something goes wrong.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import filelock
import gdown
import requests

from sge.errors import CheckpointError, DownloadError, UnknownModelError
from sge.models.catalogue import shipped_cards
from sge.models.checkpoint import is_web_page, read_weights
from sge.models.model import Card
from sge.models.registry import import_weights, load_model
from sge.paths import model_dir

DRIVE = "https://drive.google.com"
AUTHORS = "https://github.com/implus/PytorchInsight"
NOTICE = (
    "The weights are the paper's authors', from their Google Drive. They state no licence for them: you download "
    "them for yourself, and may not have the right to pass them on."
)

RETRIES = 4
"""Times that a transfer that breaks off is taken up again before the user is told."""
TIMEOUT_S = 30.0
"""Longest silence of the server."""
OLDEST_PART_S = 24 * 3600.0
"""A part older than this is fetched again: nothing ties it to the file that the server has now."""

Progress = Callable[[int, int | None], None]
"""Told the bytes that are here and, if the server says it, those of the whole file."""


@dataclass(frozen=True)
class Remote:
    """A checkpoint that can be fetched."""

    drive_id: str
    top1: float
    top5: float
    """Percent, from the authors' table."""

    def address(self, base_url: str = DRIVE) -> str:
        """Where the file is, for a program and for a browser."""
        return f"{base_url}/uc?id={self.drive_id}"

    def card(self, name: str) -> Card:
        """What is known about the weights without having measured them."""
        return Card(
            title="SGE-ResNet-" + name.removeprefix("sge_resnet"),
            sentence=(
                "Knows ImageNet's thousand classes; trained with SGE from the start by the paper's authors, who state "
                f"{self.top1} % top-1 and {self.top5} % top-5 on ImageNet's validation set (shorter side 256, centre "
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
    """Fetches a checkpoint of the paper's authors and imports it among the user's models.

    A model that is already there and whole is not fetched again. What came of a download that broke off is
    kept under a hidden name, and the next call goes on from there.

    Args:
        name: ``sge_resnet50`` or ``sge_resnet101``.
        folder: Where to; the user's model folder by default.
        progress: Called after each piece.
        base_url: Where Drive is, for tests.
        retries: Times that a broken transfer is taken up again.
        timeout_s: Longest silence of the server, in seconds.

    Returns:
        ``<folder>/<name>.safetensors``; it appears whole or not at all.

    Raises:
        UnknownModelError: not a name that can be fetched; the message lists those.
        DownloadError: the file did not come, or is not the checkpoint; the sentence says what to do.
    """
    remote, folder = _remote(name), folder or model_dir()
    target = folder / f"{name}.safetensors"
    if _is_whole(target):
        return target
    parts = folder / ".downloads"
    address = remote.address(base_url or DRIVE)
    by_hand = f"or fetch {address} with a browser and run: sge models import FILE --name {name}"
    try:
        parts.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(parts / f"{name}.lock", timeout=0):
            came = parts / f"{name}.pth.tar"
            _fetch(_Order(address, came, progress, retries, timeout_s), by_hand)
            return _import(came, name, folder, remote, by_hand)
    except filelock.Timeout as error:
        raise DownloadError(f"Another download of {name} is running. Wait until it has ended.") from error
    except OSError as error:
        raise DownloadError(
            f"{folder} cannot be written to ({error.strerror or error}). Free some space there, or name another "
            "folder in SGE_MODEL_DIR."
        ) from error


def _remote(name: str) -> Remote:
    if name in DOWNLOADS:
        return DOWNLOADS[name]
    there = f" {name} comes with SGE Lens: nothing is to be downloaded." if name in shipped_cards() else ""
    raise UnknownModelError(f"No download {name!r}; there are: {', '.join(DOWNLOADS)}.{there}")


def _is_whole(path: Path) -> bool:
    try:
        return read_weights(path).digest is not None
    except CheckpointError:
        return False


@dataclass(frozen=True)
class _Order:
    address: str
    path: Path
    progress: Progress | None
    retries: int
    timeout_s: float

    def parts(self) -> list[Path]:
        """What earlier calls have left; gdown's names for it."""
        return list(self.path.parent.glob(f"{self.path.name}*.part"))

    def drop(self, older_than_s: float = 0) -> None:
        for part in self.parts():
            if time.time() - part.stat().st_mtime >= older_than_s:
                part.unlink()

    def run(self) -> None:
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


def _fetch(order: _Order, by_hand: str) -> None:
    order.path.unlink(missing_ok=True)
    order.drop(OLDEST_PART_S)
    resumed = bool(order.parts())
    try:
        try:
            order.run()
        except gdown.DownloadError as error:
            if not resumed or isinstance(error.__cause__, requests.RequestException):
                raise
            # The server does not go on from the middle, or the part is of another file.
            order.drop()
            order.run()
    except gdown.FileURLRetrievalError as error:
        raise DownloadError(f"{_message(error)} {by_hand[0].upper()}{by_hand[1:]}.") from error
    except requests.HTTPError as error:
        raise DownloadError(_refused(error, by_hand)) from error
    except (gdown.DownloadError, requests.RequestException) as error:
        raise DownloadError(_broken(order, error, by_hand)) from error
    except OSError:
        raise
    except Exception as error:  # gdown reads Drive's pages by their markup, which Google changes
        raise DownloadError(
            f"The answer of {order.address} was not understood ({type(error).__name__}: {error}). Update gdown (pip "
            f"install -U gdown); {by_hand}."
        ) from error


def _message(error: Exception) -> str:
    # gdown wraps Google's words into advice on its own program; the exception before that one has them bare.
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


def _broken(order: _Order, error: Exception, by_hand: str) -> str:
    if kept := sum(part.stat().st_size for part in order.parts()):
        return f"The download broke off; {kept / 1e6:.1f} MB are here. Run the same command again: it goes on from there."
    order.drop()
    host, why = order.address.split("/")[2], type(error.__cause__ or error).__name__
    return (
        f"{host} could not be reached, or broke off at once ({why}). Check the network and the proxy (HTTPS_PROXY) "
        f"and run the same command again; {by_hand}."
    )


def _loads(path: Path, name: str) -> bool:
    try:
        load_model(name, weights=path)
    except CheckpointError:
        return False
    return True


def _import(came: Path, name: str, folder: Path, remote: Remote, by_hand: str) -> Path:
    try:
        return import_weights(came, name, folder, remote.card(name))
    except CheckpointError as error:
        if _loads(came, name):
            raise DownloadError(str(error)) from error  # it came whole, and could not be written
        if is_web_page(came):
            raise DownloadError(
                "The server answered with a web page in place of the file; Google Drive does so when a file was "
                f"downloaded too often. Try again tomorrow; {by_hand}."
            ) from error
        raise DownloadError(
            f"What came is not the whole checkpoint of {name}, and was deleted: {error} Run the same command again; "
            f"{by_hand}."
        ) from error
    finally:
        came.unlink(missing_ok=True)
