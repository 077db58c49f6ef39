"""What a zip archive is, by the names of its entries."""

from __future__ import annotations

import re
from pathlib import Path

from sge.models.wording import AGAIN, CHOOSE_WEIGHTS, GIVE_PYTORCH, SAVE_WEIGHTS, first_few

_WEIGHTS = (".safetensors", ".pth", ".pt", ".pth.tar", ".ckpt", ".bin", ".tar")
_IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")


def zip_kind(path: Path, names: list[str]) -> tuple[str, str]:
    """Returns the path of a torch checkpoint's ``data.pkl`` in the archive, or the sentence on another archive.

    Args:
        path: The file, for the commands in the sentence.
        names: Paths of the entries.
    """
    known, last = set(names), {name.rsplit("/", 1)[-1] for name in names}
    pickles = [name for name in known if re.fullmatch(r"[^/]+/data\.pkl", name)]
    script = "constants.pkl" in last or any(
        "/code/" in name or name.endswith("/model.json") for name in names
    )
    if _is_export(names, last):
        return "", (
            "is a program of torch.export (.pt2). Take its weights out: "
            f"torch.save(dict(torch.export.load('{path.name}').state_dict), 'weights.pth')."
        )
    if script:
        return "", (
            "is TorchScript, a compiled program, not weights alone. Take its weights out: "
            f"torch.save(torch.jit.load('{path.name}', map_location='cpu').state_dict(), 'weights.pth')."
        )
    if any("/.data/extern_modules" in name or name.endswith(".data/python_version") for name in names):
        return (
            "",
            f"is a package of torch.package, which is code. Load it where it was made and save: {SAVE_WEIGHTS}.",
        )
    if len(pickles) == 1:
        return pickles[0], ""
    return "", _other_archive(names, known, last)


def _is_export(names: list[str], last: set[str]) -> bool:
    return "archive_format" in last or any(
        name.endswith((".json", "version")) and "serialized_exported_program" in name for name in names
    )


def _other_archive(names: list[str], known: set[str], last: set[str]) -> str:
    if not names:
        return f"is an empty zip archive. {AGAIN}"
    if all(name.endswith(".npy") for name in names):
        return (
            "is a NumPy archive (.npz). Save it as tensors: safetensors.torch.save_file({k: torch.from_numpy(v) for k, v in "
            "numpy.load(path).items()}, 'weights.safetensors')."
        )
    if "model.weights.h5" in last:
        return f"is a Keras model. Give the PyTorch weights of the network: {SAVE_WEIGHTS}."
    if any("com.apple.CoreML" in name or name.endswith(".mlmodel") for name in names):
        return f"is a Core ML model. {GIVE_PYTORCH}"
    if "[Content_Types].xml" in known:
        return f"is an office document. {CHOOSE_WEIGHTS}"
    if inside := [name for name in names if name.lower().endswith(_WEIGHTS)]:
        return f"is a zip archive with {first_few(inside, 2)} in it. Unpack it and give that file."
    if any(name.endswith(("data.pkl", "saved_model.pb")) for name in names):
        kind = "a folder of TensorFlow" if "saved_model.pb" in last else "an unpacked torch checkpoint"
        return f"is a zip archive of {kind}. Load that where it was made and save: {SAVE_WEIGHTS}."
    if any(name.lower().endswith(_IMAGES) for name in names):
        return f"is a zip archive of images. {CHOOSE_WEIGHTS}"
    return f"is a zip archive without weights ({first_few(names, 2)}). {CHOOSE_WEIGHTS}"


def cut_off_zip(head: bytes) -> str:
    """Returns the sentence on a zip archive whose directory, which stands at its end, cannot be read."""
    name = head[30 : 30 + int.from_bytes(head[26:28], "little")]
    what = (
        "a torch checkpoint" if name.endswith((b"/data.pkl", b"/version", b"/byteorder")) else "a zip archive"
    )
    return f"is {what} that is cut off or damaged: the directory at its end is missing. {AGAIN}"
