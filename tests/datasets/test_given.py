"""Images in every form that a caller may have, read by one reader."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from sge.datasets import given
from sge.datasets.given import GivenImages, images_to_crop, normalized_images
from sge.errors import BrokenImageError, DataError, ImageError, ImageNotFoundError
from sge.images import Preprocess, decode, frame
from tests.drawn_images import encoded, noise, refused

PREPROCESS = Preprocess(size=64, resize=64)
DRAWN = [noise(96, 64, seed) for seed in range(3)]


@pytest.fixture
def folder(tmp_path):
    """Three images, one of them below, beside a text and a file that claims to be an image."""
    root = tmp_path / "images"
    (root / "below").mkdir(parents=True)
    for number, image in enumerate(DRAWN):
        (root / ("below" if number == 2 else ".") / f"{number}.png").write_bytes(encoded(image))
    (root / "notes.txt").write_text("nothing")
    return root


def expected() -> torch.Tensor:
    return torch.from_numpy(np.stack([frame(decode(image), PREPROCESS).array for image in DRAWN]))


def arrays() -> list[np.ndarray]:
    return [np.asarray(image) for image in DRAWN]


FORMS = {
    "bytes": lambda folder: [encoded(image) for image in DRAWN],
    "bytearrays": lambda folder: [bytearray(encoded(image)) for image in DRAWN],
    "PIL": lambda folder: list(DRAWN),
    "decoded": lambda folder: [decode(image) for image in DRAWN],
    "file objects": lambda folder: [io.BytesIO(encoded(image)) for image in DRAWN],
    "paths": lambda folder: [folder / "0.png", folder / "1.png", folder / "below/2.png"],
    "text paths": lambda folder: [str(folder / "0.png"), str(folder / "1.png"), str(folder / "below/2.png")],
    "a folder": lambda folder: folder,
    "a folder by its name": lambda folder: str(folder),
    "a file and a folder": lambda folder: [folder / "0.png", folder / "1.png", folder / "below"],
    "arrays": lambda folder: arrays(),
    "one array": lambda folder: np.stack(arrays()),
    "channels first": lambda folder: [np.moveaxis(one, 2, 0) for one in arrays()],
    "tensors": lambda folder: torch.from_numpy(np.stack(arrays())).permute(0, 3, 1, 2),
    "frames": lambda folder: [frame(decode(image), PREPROCESS) for image in DRAWN],
    "normalized": lambda folder: expected(),
    "normalized arrays": lambda folder: expected().numpy(),
    "batches": lambda folder: [expected()[:2], expected()[2:]],
    "a generator": lambda folder: (image for image in DRAWN),
    "mixed": lambda folder: [encoded(DRAWN[0]), arrays()[1], expected()[2]],
}


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_gives_the_same_inputs(folder, form):
    found = list(normalized_images(FORMS[form](folder), PREPROCESS))
    assert all(one.is_floating_point() for one in found)
    assert torch.equal(torch.cat([one if one.dim() == 4 else one[None] for one in found]), expected())


@pytest.mark.parametrize("form", list(FORMS))
def test_every_form_gives_the_same_pixels_to_crop(folder, form):
    found = images_to_crop(FORMS[form](folder))
    singles = [found[i] for i in range(len(found))]
    if form in ("frames", "normalized", "normalized arrays"):
        assert torch.equal(torch.stack(singles), expected())
    elif form == "batches":
        assert len(singles) == 2  # Tensors in a list are taken as they are; gate tuning refuses batches.
    else:
        for one, drawn in zip(singles, arrays(), strict=True):
            wanted = torch.from_numpy(drawn.copy()).permute(2, 0, 1)
            assert one.is_floating_point() or torch.equal(one, wanted)
            assert form == "mixed" or not one.is_floating_point()


@pytest.mark.parametrize("alone", [encoded(DRAWN[0]), DRAWN[0], arrays()[0], io.BytesIO(encoded(DRAWN[0]))])
def test_one_image_alone(alone):
    assert torch.equal(torch.stack(list(normalized_images(alone, PREPROCESS))), expected()[:1])


def test_an_archive_and_a_gray_array(tmp_path):
    with tarfile.open(tmp_path / "images.tar", "w") as archive:
        for number, image in enumerate(DRAWN):
            data = encoded(image)
            entry = tarfile.TarInfo(f"a/{number}.png")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    assert torch.equal(torch.stack(list(normalized_images(tmp_path / "images.tar", PREPROCESS))), expected())
    gray = arrays()[0][..., 0]
    (found,) = normalized_images([gray], PREPROCESS)
    assert torch.equal(found, torch.from_numpy(frame(decode(Image.fromarray(gray)), PREPROCESS).array))


def test_the_length_is_known_where_no_folder_has_to_be_read(folder):
    assert len(normalized_images(DRAWN, PREPROCESS)) == 3
    assert not hasattr(normalized_images(folder, PREPROCESS), "__len__")
    assert not hasattr(normalized_images(iter(DRAWN), PREPROCESS), "__len__")


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        ([DRAWN[0], b"no image"], ImageError, "Image 2 of those given"),
        ([refused("TIFF")], ImageError, "Image 1 of those given"),
        ([encoded(DRAWN[0])[:200]], BrokenImageError, "Image 1"),
        (["nowhere.png"], ImageNotFoundError, "no file nowhere.png"),
        ("nowhere.png", ImageNotFoundError, "no file nowhere.png"),
        ([(DRAWN[0], 3)], DataError, "Image 1 of those given: it is of type tuple.*without labels"),
        ([{"image": DRAWN[0]}], DataError, "of type dict"),
        ([None], DataError, "of type NoneType"),
        (7, DataError, "this is int"),
        ([np.zeros((8, 8, 3))], DataError, r"floating and \(8, 8, 3\)"),
        ([np.zeros((8, 8, 3), np.int64)], DataError, r"\(8, 8, 3\) of int64"),
        ([np.zeros((0, 8, 3), np.uint8)], DataError, r"\(0, 8, 3\) of uint8"),
        ([np.zeros((5, 8, 8), np.uint8)], DataError, r"\(5, 8, 8\) of uint8"),
        ([torch.zeros(8, 8)], DataError, r"floating and \(8, 8\)"),
        ([np.zeros(3, bool)], DataError, r"\(3,\) of bool"),
    ],
)
def test_what_is_no_image_is_refused(images, error, message):
    with pytest.raises(error, match=message):
        list(normalized_images(images, PREPROCESS))


def test_a_damaged_file_of_a_folder_is_left_out_and_logged(folder, caplog):
    (folder / "0.png").write_bytes(encoded(DRAWN[0])[:200])
    found = GivenImages(folder)
    assert found.names == ["1.png", "below/2.png"]
    assert "0.png is left out" in caplog.text
    (folder / "1.png").unlink()
    (folder / "below/2.png").unlink()
    with pytest.raises(DataError, match="None of the 1 images"):
        GivenImages(folder)
    (folder / "0.png").unlink()
    with pytest.raises(DataError, match="holds no images"):
        GivenImages([folder])


def test_large_images_are_reduced_and_beyond_the_limit_read_again(folder, monkeypatch):
    (folder / "1.png").write_bytes(encoded(noise(900, 600)))
    kept = GivenImages(folder)
    assert kept[1].shape == (3, 256, 384)
    monkeypatch.setattr(given, "MAX_KEPT_BYTES", 0)
    again = GivenImages([folder, DRAWN[0], encoded(DRAWN[1])])
    assert len(again) == 5
    assert all(torch.equal(again[i], kept[i]) for i in range(3))
    assert torch.equal(again[3], kept[0])
    (folder / "1.png").unlink()
    with pytest.raises(ImageNotFoundError):
        again[1]


def test_a_sequence_that_makes_tensors_is_not_read():
    class Lazy:
        def __len__(self) -> int:
            return 10**9

        def __getitem__(self, i: int) -> torch.Tensor:
            return torch.zeros(3, 8, 8)

    lazy = Lazy()
    assert images_to_crop(lazy) is lazy
