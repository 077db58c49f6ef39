"""The service's models: loaded on a thread of their own, and described before any upload is read."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field

from PIL import Image

from sge.analysis import BlockInfo, json_text, opening_block, opening_signal
from sge.devices import find_device
from sge.errors import AnalysisFileError, CheckpointError, SGEError
from sge.lens import Lens, Wanted
from sge.models import Card, ExportedModel, Model, load_model, without_folders

from .errors import ProblemError
from .exporting import ExportFailedError, export
from .metrics import Metrics
from .settings import Settings

log = logging.getLogger("sge.app")
PROBE_SIZE = (224, 224)
"""Width and height, in pixels, of the gray image whose analysis tells a model's blocks."""
SIZES = Wanted(masks=False, similarity=False, energy=False, parts=False)
"""What that analysis computes beside the predictions: nothing but the blocks and their sizes, so that a start is quick."""


@dataclass
class Slot:
    """One of the service's models, loaded or not."""

    name: str
    source: str
    """The argument of ``load_model``: a name or a weights file."""
    is_default: bool = True
    """Whether it answers requests that name no model; it is ready to run after its start, others when they are used."""
    lens: Lens | None = None
    error: str | None = None
    """Why the model cannot be loaded; None while it loads and once it is loaded."""
    seconds: float = 0.0
    """How long loading took."""
    blocks: list[BlockInfo] = field(default_factory=list)
    """Blocks that make spatial maps, with the map sizes of a 224 px square image."""
    groups: dict[str, int] = field(default_factory=dict)
    """Block name to number of groups; SGE blocks only, because only their groups can be ablated."""
    default_block: str = ""
    signal: str = "mask"
    """The signal that an analysis opens with."""
    has_classes: bool = True
    """Whether it names classes for an image; detectors, feature extractors and models without labels do not."""

    @property
    def ready(self) -> bool:
        """Whether the model is loaded."""
        return self.lens is not None

    def require_lens(self) -> Lens:
        """The loaded model's lens.

        Raises:
            ProblemError: 503, the model is loading or cannot be loaded.
        """
        if self.error is not None:
            raise ProblemError(503, f"{self.name} could not be loaded: {self.error}", "failed", 60)
        if self.lens is None:
            raise ProblemError(
                503, f"{self.name} is still loading. Try again in a few seconds.", "loading", 2
            )
        return self.lens

    def load(self, device: str, precision: str, backend: str = "auto") -> None:
        """Loads the model and reads its blocks; arguments as for ``Lens``.

        A failure is logged and kept in ``error``; it is never raised.
        """
        started = time.perf_counter()
        try:
            lens = _make_lens(load_model(self.source), device, precision, backend)
            blocks, has_classes = _facts(lens, self.is_default)
            strides = {block.name: block.stride for block in blocks}
            opening = opening_block(lens.model.card.opens_with, strides), opening_signal(blocks)
            _check_card(self.name, lens.model.card)
        except SGEError as error:
            self.error = without_folders(str(error), self.source)
            log.error("model failed", extra={"model": self.name, "reason": str(error)})
            return
        except Exception:
            self.error = "its files are not usable, and the server's log says why. Import the model again."
            log.exception("model failed", extra={"model": self.name})
            return
        self.blocks = blocks
        self.default_block, self.signal = opening
        self.groups, self.has_classes = lens.groups, has_classes
        self.seconds = round(time.perf_counter() - started, 2)
        self.lens = lens  # last: other threads take a slot with a lens for loaded
        facts = {"model": self.name, "device": str(lens.device), "backend": lens.backend}
        log.info("model ready", extra=facts | {"sha256": lens.model.card.sha256, "seconds": self.seconds})

    @property
    def can_be_exported(self) -> bool:
        """Whether ONNX Runtime could run the model in place of torch."""
        lens = self.lens
        if lens is None or lens.backend != "torch" or not self.has_classes:  # Its export would be refused.
            return False
        return str(lens.device) == "cpu" and lens.precision == "float32"

    def exchange(self, stopping: threading.Event) -> None:
        """Exports the model and runs it in ONNX Runtime from now on; torch answers until then, and if it fails."""
        lens, started = self.require_lens(), time.perf_counter()
        try:
            export(self.source, stopping)
            faster = _make_lens(lens.model, "cpu", "float32", "onnxruntime")
            faster.analyze(Image.new("RGB", PROBE_SIZE, "gray"), wanted=SIZES)
        except (ExportFailedError, SGEError) as error:
            if not stopping.is_set():
                log.warning("model stays in torch", extra={"model": self.name, "reason": str(error)})
            return
        except Exception:
            log.exception("model stays in torch", extra={"model": self.name})
            return
        self.lens = faster
        facts = {"model": self.name, "backend": faster.backend}
        log.info("model exchanged", extra=facts | {"seconds": round(time.perf_counter() - started, 2)})


class Slots:
    """The service's models, loaded one after the other on a thread of their own.

    Args:
        settings: Which models, and on what.
        metrics: Says which are ready.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.settings, self.metrics = settings, metrics
        self.slots = {
            name: Slot(name, source, is_default=not place)
            for place, (name, source) in enumerate(settings.sources.items())
        }
        for name in self.slots:
            metrics.ready.labels(name).set(0)
        self._stopping = threading.Event()
        self._thread = threading.Thread()

    def start(self) -> None:
        """Loads what is not loaded yet, in the background."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._load, name="sge-load", daemon=True)
        self._thread.start()

    def stop(self, deadline: float) -> None:
        """No further model is loaded; waits for the one that is being loaded, at most until ``time.monotonic`` says so."""
        self._stopping.set()
        self._thread.join(max(0.0, deadline - time.monotonic()))

    def _load(self) -> None:
        settings = self.settings
        for slot in self.slots.values():
            if not (slot.ready or self._stopping.is_set()):
                slot.load(settings.device, settings.precision, settings.backend)
                self.metrics.ready.labels(slot.name).set(int(slot.ready))
        for slot in self.slots.values():
            if settings.backend == "auto" and slot.can_be_exported and not self._stopping.is_set():
                slot.exchange(self._stopping)


def _make_lens(model: Model | ExportedModel, device: str, precision: str, backend: str) -> Lens:
    """A lens whose passes use one core outside of torch, of which the engine runs several at once.

    With ``auto``, a network runs in ONNX Runtime if its export was made at an earlier start.
    """
    if isinstance(model, ExportedModel):  # Nothing of torch is imported for it.
        return Lens(model, device, precision, backend, threads=1)
    if backend == "auto" and precision in ("auto", "float32") and str(find_device(device)) == "cpu":
        from sge.models import existing_export

        backend = "onnxruntime" if existing_export(model) is not None else backend
    threads = None if backend in ("auto", "torch") else 1
    return Lens(model, device, precision, backend, threads=threads, frozen=True)


def _facts(lens: Lens, is_default: bool) -> tuple[list[BlockInfo], bool]:
    """All blocks of a model, with the map sizes of a gray image, and whether it names classes.

    An exported file states them. Unless it is the default, nothing of it is run before the first request asks for it,
    because each of its sessions holds the weights in memory.
    """
    gray, stated = Image.new("RGB", PROBE_SIZE, "gray"), lens.stated_blocks
    if stated is None:
        analysis = lens.analyze(gray, wanted=SIZES)
        return analysis.blocks, bool(analysis.predictions)
    if is_default:
        lens.predict(gray)
    has_logits = not isinstance(lens.model, ExportedModel) or lens.model.classes > 0
    return stated, has_logits and bool(lens.model.labels)


def _check_card(name: str, card: Card) -> None:
    """Refuses a card that no answer could hold.

    Raises:
        CheckpointError: A number of it is not finite.
    """
    try:
        json_text(card.to_dict())
    except AnalysisFileError:
        raise CheckpointError(
            f"The card of {name} has a number that is not finite. Import the model again."
        ) from None
