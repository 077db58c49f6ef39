"""What a file is, is told by its content under any name, whole or cut off, with a sentence on what to do."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable

import numpy as np
import pytest
import torch
from safetensors.torch import save

from sge.errors import CheckpointError
from sge.models.checkpoint import read_weights
from sge.models.file_kinds import kind_of

STATE = {"a.weight": torch.arange(12.0).reshape(3, 4)}


def zipped(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name.replace("__", "/").replace("_dot_", "."), content)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("net.pth"))
    return out.getvalue()


def numpy_bytes(write: Callable[..., None]) -> bytes:
    out = io.BytesIO()
    write(out, np.zeros(3))
    return out.getvalue()


def torch_bytes(content: object, zipped: bool = True) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=zipped)
    return out.getvalue()


def script_bytes() -> bytes:
    out = io.BytesIO()
    torch.jit.save(torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2)), out)
    return out.getvalue()


ONNX = b"\x08\x08\x12\x07pytorch\x1a\x052.1.0\x3a\xff\xff\x3f" + b"\x0a\x04main" * 20
SAVED_MODEL = b"\x08\x01\x12\xff\xff\x3f\x0a\x05\x0a\x03abc\x12\xff\xfe" + bytes(60)
GRAPH = b"\x0a\x38\x0a\x05input\x12\x0bPlaceholder" + b"\x2a\x02\x08\x01" * 9
PAGE = b"\r\n<!DOCTYPE html><html><title>Quota exceeded</title></html>"

OTHERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty.*again"),
    "script": (script_bytes, r"is TorchScript.*torch\.jit\.load\(.*state_dict\(\)"),
    "export": (
        lambda: zipped(x__archive_format=b"pt2", x__models__model_dot_json=b"{}"),
        r"torch\.export.*export\.load",
    ),
    "old_export": (
        lambda: zipped(version=b"1", serialized_exported_program_dot_json=b"{}"),
        r"torch\.export \(\.pt2\)",
    ),
    "package": (lambda: zipped(**{"x__.data__extern_modules": b"torch"}), r"torch\.package"),
    "onnx": (lambda: ONNX, "is an ONNX model.*PyTorch weights"),
    "saved_model": (lambda: SAVED_MODEL, "SavedModel of TensorFlow"),
    "frozen_graph": (lambda: GRAPH, "graph of TensorFlow"),
    "tflite": (lambda: b"\x1c\0\0\0TFL3" + bytes(90), "TensorFlow Lite"),
    "tf_index": (
        lambda: b"\0\0\1\2head" + bytes(90) + b"\x57\xfb\x80\x8b\x24\x75\x47\xdb",
        "TensorFlow checkpoint",
    ),
    "hdf5": (lambda: b"\x89HDF\r\n\x1a\n" + bytes(90), "HDF5 file, as Keras"),
    "keras": (lambda: zipped(config_dot_json=b"{}", model_dot_weights_dot_h5=b""), "is a Keras model"),
    "npy": (lambda: numpy_bytes(np.save), r"NumPy array \(\.npy\)"),
    "npz": (lambda: numpy_bytes(lambda out, a: np.savez(out, a=a)), r"NumPy archive \(\.npz\).*from_numpy"),
    "gguf": (lambda: b"GGUF\3\0\0\0" + bytes(90), "GGUF"),
    "lfs": (lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 12\n", "git lfs pull"),
    "annex": (lambda: b"/annex/objects/SHA256E-s12--aa.pth\n", "git annex get"),
    "tar": (tarred, "is a tar archive. Unpack it"),
    "tar_gz": (lambda: gzip.compress(tarred()), "is a tar archive that was compressed with gzip. Unpack"),
    "gz": (lambda: gzip.compress(torch_bytes(STATE)), "is a file that was compressed with gzip. Unpack"),
    "bz2": (lambda: b"BZh91AY&SY" + bytes(90), "bzip2. Unpack"),
    "xz": (lambda: b"\xfd7zXZ\0" + bytes(90), "xz. Unpack"),
    "zst": (lambda: b"\x28\xb5\x2f\xfd" + bytes(90), "zstd. Unpack"),
    "7z": (lambda: b"7z\xbc\xaf\x27\x1c" + bytes(90), "7z archive. Unpack"),
    "rar": (lambda: b"Rar!\x1a\x07\x01\0" + bytes(90), "RAR archive. Unpack"),
    "zip_of_weights": (
        lambda: zipped(x__net_dot_pth=b"12", x__README=b""),
        r"zip archive with x/net\.pth in it.*give that",
    ),
    "zip_of_images": (lambda: zipped(a_dot_jpg=b"", b_dot_png=b""), "zip archive of images"),
    "zip_of_text": (lambda: zipped(a_dot_txt=b"", b_dot_txt=b""), r"without weights \(a\.txt, b\.txt\)"),
    "zip_of_nothing": (lambda: zipped(), "empty zip archive"),
    "office": (lambda: zipped(**{"[Content_Types].xml": b""}), "office document"),
    "web_page": (lambda: PAGE, "is a web page, not weights"),
    "json": (lambda: b'{"error": "no such file"}', "is JSON"),
    "index": (
        lambda: json.dumps({"weight_map": {"a": "x-00001"}}).encode(),
        "index of weights in several files",
    ),
    "xml": (lambda: b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is XML"),
    "text": (lambda: "Zugriff verweigert (d\nn\xe4chste Zeile)\n".encode(), "is text, not weights"),
    "png": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(90), "is an image"),
    "jpeg": (lambda: b"\xff\xd8\xff\xe0" + bytes(90), "is an image"),
    "avif": (lambda: b"\0\0\0\x20ftypavif" + bytes(90), "is an image"),
    "pdf": (lambda: b"%PDF-1.7\n", "PDF document"),
    "program": (lambda: b"\x7fELF\2\1\1" + bytes(90), "is a program"),
    "darknet": (lambda: b"\0\0\0\0\2\0\0\0\5\0\0\0" + bytes(90), "Darknet"),
    "zeros": (lambda: bytes(9999), "only zero bytes.*Download it again"),
    "noise": (lambda: np.random.default_rng(1).bytes(5000), "no weights file that SGE Lens knows"),
    "old_torch": (lambda: _old_torch(), "PyTorch before 0.2"),
    **{
        f"pickle_{p}": (
            lambda p=p: pickle.dumps({"a": 1, "b": [1.5, "x"]}, p),
            r"pickle of Python \(protocol .*torch\.save",
        )
        for p in range(6)
    },
    "pickle_of_arrays": (lambda: pickle.dumps({"a": np.zeros(3)}), "with NumPy arrays.*as_tensor"),
    "pickle_of_tensors": (lambda: pickle.dumps(STATE), r"_load_from_bytes.*pickle\.load.*torch\.save"),
}


def _old_torch() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("sys_info"))
    return out.getvalue()


@pytest.mark.parametrize("kind", OTHERS)
def test_another_kind_has_its_own_sentence_under_any_name(tmp_path, kind):
    make, sentence = OTHERS[kind]
    for name in ("x.pth", "x.safetensors", "X.SafeTensors", "weights"):
        (tmp_path / name).write_bytes(make())
        with pytest.raises(CheckpointError, match=rf"(?is){name} .*{sentence}") as error:
            read_weights(tmp_path / name)
        assert str(error.value).rstrip().endswith((".", "images"))


def test_sentences_differ_by_kind_and_say_what_to_do(tmp_path):
    said = {}
    for kind, (make, _) in OTHERS.items():
        (tmp_path / "x").write_bytes(make())
        said[kind] = kind_of(tmp_path / "x").sentence
    own = {kind: text for kind, text in said.items() if text}
    pairs = [{"png", "jpeg", "avif"}, {"export", "old_export"}]
    for kind, text in own.items():
        alike = {other for other, words in own.items() if words == text} - {kind}
        assert not alike or any(alike | {kind} <= pair for pair in pairs), (kind, alike)
        assert text.count(".") >= 2, text


READABLE = {
    "zip": lambda: torch_bytes(STATE),
    "legacy": lambda: torch_bytes(STATE, zipped=False),
    "safetensors": lambda: save(STATE),
}


@pytest.mark.parametrize("kind", READABLE)
def test_a_readable_file_is_read_under_any_name(tmp_path, kind):
    for name in ("x.pth", "x.safetensors", "X.SAFETENSORS", "x.bin", "x.zip", "no_suffix", "x.jpg"):
        (tmp_path / name).write_bytes(READABLE[kind]())
        assert torch.equal(read_weights(tmp_path / name).state["a.weight"], STATE["a.weight"])


@pytest.mark.parametrize("kind", [*READABLE, "script", "npz", "tar_gz", "pickle_4", "onnx"])
def test_wherever_a_file_is_cut_it_is_refused_with_a_sentence(tmp_path, kind):
    whole = (READABLE.get(kind) or OTHERS[kind][0])()
    path = tmp_path / "cut"
    for at in sorted(
        {*range(1, min(len(whole), 80)), *range(80, len(whole), max(1, len(whole) // 60)), len(whole) - 1}
    ):
        path.write_bytes(whole[:at])
        with pytest.raises(CheckpointError, match=r"^cut .*\.$"):
            read_weights(path)


@pytest.mark.parametrize("kind", ["zip", "safetensors", "legacy"])
def test_a_long_cut_off_file_is_called_cut_off_and_not_something_else(tmp_path, kind):
    whole = READABLE[kind]()
    for part in (0.5, 0.8, 0.99):
        (tmp_path / "cut").write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(CheckpointError, match="cut off"):
            read_weights(tmp_path / "cut")


def test_paths_that_are_no_files(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "net.safetensors").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "gone")
    for path, sentence in {
        tmp_path / "folder": r"it is a folder. Give a file in it: net\.safetensors",
        tmp_path / "dangling": "link to a file that is not there",
        tmp_path / "gone": "Check the path",
        "/dev/null": "a device, a pipe or a socket",
        tmp_path / ("x" * 300): "There is no weights file",
    }.items():
        with pytest.raises(CheckpointError, match=sentence):
            read_weights(path)
