"""Reads images in every form in which a caller may have them: as ``Lens.analyze`` takes them, arrays, frames, folders."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from sge.datasets.archives import is_compressed
from sge.datasets.decoded_cache import shrink
from sge.datasets.entries import ImageFile
from sge.datasets.labelled import decode_file, decode_files, list_images, no_images
from sge.errors import DataError, ImageError
from sge.images import DecodedImage, Frame, Preprocess, Source, decode, frame

log = logging.getLogger(__name__)

MAX_KEPT_BYTES = 2**30
"""Decoded pixels that ``GivenImages`` keeps in memory. Files beyond are decoded each time they are asked for."""

OneImage = Source | DecodedImage | Frame | Tensor | npt.NDArray[Any]
"""One image: a path, bytes, a file object, a PIL image, a decoded image, a frame, or an array.

uint8 arrays are pixels, (H, W), (H, W, 3), (H, W, 4) or (3, H, W); floating ones are normalized, (C, H, W) or (N, C, H, W).
"""
Images = OneImage | Iterable[OneImage]
"""Images, or one; a path may name a folder or a ``.tar``, whose images are meant."""

_ALONE = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image, DecodedImage, Frame)
_Content = DecodedImage | Tensor
"""An image, or the tensor that was given in its place: uint8 pixels (3, H, W), or normalized floats."""


def normalized_images(images: Images, preprocess: Preprocess) -> Iterable[Tensor]:
    """Images as network inputs, one after another; none is kept.

    Args:
        images: Images in any form. Files and pixels are framed as a whole, as ``Lens.analyze`` does it; what is floating
            is taken as it is.
        preprocess: Size and normalization of files and pixels.

    Returns:
        Floating tensors (C, H, W) or (N, C, H, W). It has a length if that is known before folders are read.

    Raises:
        ImageError, DataError: while it is iterated, as ``read_images``.
    """
    items = _items(images)
    made = (_normalized(content, preprocess) for _, content, _ in read_images(items))
    if isinstance(items, Sized) and not any(map(_is_collection, items)):
        return _Counted(made, len(items))
    return made


def images_to_crop(images: Images | Sequence[Tensor]) -> Sequence[Tensor]:
    """Images as a sequence of tensors: as they are if they are one already, else as ``GivenImages``.

    Args:
        images: Images in any form, or a sequence of tensors, such as a ``DecodedCache``, whose items may be made at each
            access.

    Raises:
        ImageError, DataError: as ``read_images``.
    """
    if isinstance(images, list | tuple):
        return images if all(isinstance(image, Tensor) for image in images) else GivenImages(images)
    if isinstance(images, Tensor):
        return images if images.dim() == 4 else GivenImages(images)  # type: ignore[return-value]
    lazy = hasattr(images, "__getitem__") and hasattr(images, "__len__")
    if lazy and not isinstance(images, (*_ALONE, np.ndarray)):
        return images  # type: ignore[return-value]
    return GivenImages(images)


class GivenImages(Sequence[Tensor]):
    """Images to draw crops from; ``images[i]`` is (3, h, w) uint8, RGB, or (C, h, w) floating and normalized.

    All are decoded once when this is made, so that a damaged one is noticed before a training begins.

    Args:
        images: Images in any form. Files are reduced as ``shrink`` does it; arrays are taken as they are.

    Raises:
        ImageError, DataError: as ``read_images``.
    """

    def __init__(self, images: Images) -> None:
        self.names: list[str] = []
        """What each image is called, or the hash of its pixels."""
        self._images: list[Tensor | Callable[[], Tensor]] = []
        kept = 0
        for name, content, again in read_images(_items(images)):
            for tensor in _pixels(content):
                kept += tensor.nbytes
                fits = again is None or kept <= MAX_KEPT_BYTES
                self._images.append(tensor if fits else _read_again(again))
                self.names.append(name)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, i: int) -> Tensor:  # type: ignore[override]
        image = self._images[i]
        return image if isinstance(image, Tensor) else image()


def read_images(images: Iterable[Any]) -> Iterator[tuple[str, _Content, Callable[[], DecodedImage] | None]]:
    """Reads images in any form, one after another.

    Files of a folder or archive that cannot be read are left out, and logged. What is named by itself must be readable.

    Yields:
        A name, the image, and what decodes it again; None for an image that is given once, such as a stream.

    Raises:
        ImageError: An image cannot be used; the message says which one.
        DataError: A folder or archive holds no image, an item is no image at all, or an array has another shape or dtype.
    """
    for number, item in enumerate(images, 1):
        if _is_collection(item):
            yield from _read_collection(item)
            continue
        try:
            content = _read(item)
        except (ImageError, DataError) as error:
            raise type(error)(f"Image {number} of those given: {error}") from error
        again = (lambda item=item: decode(item)) if isinstance(item, str | os.PathLike | bytes) else None
        name = f"array {number}" if isinstance(content, Tensor) else content.name or content.sha256
        yield name, content, again


def _read_collection(source: Any) -> Iterator[tuple[str, DecodedImage, Callable[[], DecodedImage] | None]]:
    listing = list_images(source)
    if not listing.files:
        raise no_images([source], None, (*listing.unreadable, *listing.skipped))
    count = 0
    for file, image in decode_files(listing.files):
        if isinstance(image, ImageError):
            log.warning("%s is left out: %s", file.path, image)
            continue
        count += 1
        yield file.name, image, _reader_of(file)
    if not count:
        raise DataError(
            f"None of the {len(listing.files)} images of {source} can be read; the log says why of each."
        )


def _reader_of(file: ImageFile) -> Callable[[], DecodedImage] | None:
    """A compressed archive would be unpacked for each of its members."""
    if file.member is not None and is_compressed(file.source):
        return None
    return lambda: decode_file(file)


def _items(images: Any) -> Iterable[Any]:
    """The images, also of one that is given alone."""
    if isinstance(images, Tensor | np.ndarray):
        return images if images.ndim == 4 else [images]
    if isinstance(images, _ALONE) or hasattr(images, "read"):
        return [images]
    if not isinstance(images, Iterable):
        raise DataError(f"Images are given as a list, a folder or an array; this is {type(images).__name__}.")
    return images


def _is_collection(item: Any) -> bool:
    return isinstance(item, str | os.PathLike) and (
        os.path.isdir(item) or os.fsdecode(item).lower().endswith((".tar", ".tar.gz", ".tgz"))
    )


def _read(item: Any) -> _Content:
    if isinstance(item, DecodedImage):
        return item
    if isinstance(item, Frame):
        return torch.from_numpy(item.array)
    if isinstance(item, Tensor):
        return _from_tensor(item)
    if isinstance(item, np.ndarray):
        return _from_array(item)
    if isinstance(item, str | bytes | bytearray | memoryview | os.PathLike | Image.Image) or hasattr(
        item, "read"
    ):
        return decode(item)
    raise DataError(
        f"it is of type {type(item).__name__}. Give a path, bytes, a file, a PIL image, an array or a frame, without labels."
    )


def _from_tensor(tensor: Tensor) -> _Content:
    if not tensor.is_floating_point():
        return _from_array(tensor.detach().cpu().numpy())
    if tensor.dim() not in (3, 4) or tensor.shape[-3] not in (1, 3) or not tensor.numel():
        raise DataError(
            f"it is floating and {tuple(tensor.shape)}. Floating images are normalized, (3, H, W) or (N, 3, H, W); give "
            "pixels as uint8."
        )
    return tensor


def _from_array(array: npt.NDArray[Any]) -> _Content:
    if np.issubdtype(array.dtype, np.floating):
        return _from_tensor(torch.from_numpy(np.ascontiguousarray(array)))
    first = array.ndim == 3 and array.shape[0] == 3
    last = array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))
    if array.dtype != np.uint8 or not array.size or not (first or last):
        raise DataError(
            f"it is {array.shape} of {array.dtype}. Give pixels as uint8, (H, W, 3) or (3, H, W), and normalized values as "
            "floats, (3, H, W)."
        )
    pixels = np.ascontiguousarray(array)
    return torch.from_numpy(pixels) if first else decode(Image.fromarray(pixels))


def _normalized(content: _Content, preprocess: Preprocess) -> Tensor:
    if isinstance(content, Tensor):
        if content.is_floating_point():
            return content
        content = decode(Image.fromarray(np.ascontiguousarray(content.permute(1, 2, 0).cpu().numpy())))
    return torch.from_numpy(frame(content, preprocess).array)


def _pixels(content: _Content) -> Iterable[Tensor]:
    """One tensor (C, h, w), or those of a batch."""
    if isinstance(content, Tensor):
        return content if content.dim() == 4 else [content]
    return [torch.from_numpy(np.array(shrink(content.rgb))).permute(2, 0, 1)]


def _read_again(again: Callable[[], DecodedImage] | None) -> Callable[[], Tensor]:
    assert again is not None
    return lambda: next(iter(_pixels(again())))


class _Counted(Iterable[Tensor]):
    """An iterable of known length."""

    def __init__(self, images: Iterable[Tensor], length: int) -> None:
        self._images, self._length = images, length

    def __iter__(self) -> Iterator[Tensor]:
        return iter(self._images)

    def __len__(self) -> int:
        return self._length
