"""Reads torch checkpoints, zipped and legacy, without running code: first the structure, then the numbers asked for."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
import torch
from torch import Tensor

from sge.errors import CheckpointError
from sge.models.inert_pickle import BoundedReader, Structure, TooLargeError, read_structure
from sge.models.stand_ins import StorageRef, TensorRef
from sge.models.wording import AGAIN, SAVE_WEIGHTS

_MAGIC = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The number with which a checkpoint begins that was saved without a zip, as every protocol writes it."""
MAX_PICKLE = 1 << 30
"""Most bytes of the pickle in a zipped checkpoint."""


@dataclass
class TorchFile:
    """A torch checkpoint whose structure has been read."""

    path: Path
    structure: Structure
    swapped: bool
    """Whether its numbers have the other byte order than this machine."""
    positions: dict[str, tuple[int, int, int | None]]
    """Key of a storage to its first byte in the file, its length in bytes, and its CRC-32 if there is one."""
    _read: dict[str, Tensor] = field(default_factory=dict)

    def tensor(self, name: str, ref: TensorRef) -> Tensor:
        """Reads one tensor's numbers.

        Args:
            name: Its name, for the sentence.
            ref: Taken from ``structure``.

        Raises:
            CheckpointError: It is no plain tensor of real numbers, claims more numbers than the file holds, or its
                checksum is wrong.
        """
        storage, dtype = ref.storage, ref.dtype
        if ref.odd or storage is None or dtype is None or dtype.is_complex:
            kind = ref.odd or ("complex" if dtype is not None else "quantized")
            raise CheckpointError(
                f"{self.path.name} holds tensors that are not plain numbers: {name} ({kind}). {_PLAIN}"
            )
        extent = sum((n - 1) * step for n, step in zip(ref.shape, ref.stride, strict=False)) + 1
        claimed = max(ref.numel(), extent + ref.offset) if ref.numel() else 0
        limit = self.positions[storage.key][1] // dtype.itemsize - storage.offset
        if len(ref.shape) != len(ref.stride) or claimed > min(
            limit, storage.numel if storage.dtype else limit
        ):
            raise CheckpointError(
                f"{self.path.name} holds tensors that are not plain numbers: {name} claims more numbers than the file "
                f"has for it. {_PLAIN}"
            )
        flat = self._storage(storage.key, dtype)
        return torch.as_strided(flat, ref.shape, ref.stride, storage.offset + ref.offset)

    def _storage(self, key: str, dtype: torch.dtype) -> Tensor:
        if key not in self._read:
            start, length, checksum = self.positions[key]
            raw = torch.empty(length, dtype=torch.uint8)
            with self.path.open("rb") as file:
                file.seek(start)
                got = file.readinto(raw.numpy().data)
            if got != length:
                raise CheckpointError(f"{self.path.name} is cut off or damaged. {AGAIN}")
            if checksum is not None and zlib.crc32(raw.numpy().data) != checksum:
                raise CheckpointError(
                    f"{self.path.name} is damaged: the checksum of the numbers with key {key} in it is wrong. {AGAIN}"
                )
            self._read[key] = raw
        raw = self._read[key]
        flat = raw[: raw.numel() // dtype.itemsize * dtype.itemsize]
        if self.swapped and dtype.itemsize > 1:
            swapped = flat.numpy().reshape(-1, dtype.itemsize)[:, ::-1]
            flat = torch.from_numpy(np.ascontiguousarray(swapped)).reshape(-1)
        return flat.view(dtype)


_PLAIN = "Save real numbers: torch.save({k: v.float().contiguous() for k, v in network.state_dict().items()}, path)."


def read_zip(path: Path, pickle_name: str) -> TorchFile:
    """Reads the structure of a zipped checkpoint.

    Args:
        path: The file.
        pickle_name: Path of ``data.pkl`` in the archive.

    Raises:
        CheckpointError: The file is damaged, or is not as ``torch.save`` writes it.
    """
    size = path.stat().st_size
    with ZipFile(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if len(entries) != len(archive.infolist()) or sum(e.file_size for e in entries.values()) > size:
            raise _unusual(path)
    if any(entry.compress_type != ZIP_STORED or entry.flag_bits & 1 for entry in entries.values()):
        raise _unusual(path)
    folder = pickle_name.removesuffix("data.pkl")
    # torch has an option to write no checksums; all are 0 then
    has_checksums = any(entry.CRC for entry in entries.values())
    with path.open("rb") as file:
        content = _entry(path, file, entries[pickle_name], has_checksums)
        order = b"little"
        if (named := entries.get(f"{folder}byteorder")) is not None:
            order = _entry(path, file, named, has_checksums)
        if order not in (b"little", b"big"):
            raise CheckpointError(
                f"{path.name} is damaged: its byte order is neither little nor big. {AGAIN}"
            )
        structure = parsed(path, io.BytesIO(content), len(content))
        positions = {}
        for key, storage in structure.storages.items():
            if (found := entries.get(f"{folder}data/{key}")) is None:
                raise CheckpointError(
                    f"{path.name} is damaged: the numbers with key {key} are missing. {AGAIN}"
                )
            if storage.numel * (storage.dtype.itemsize if storage.dtype else 1) > found.file_size:
                raise CheckpointError(
                    f"{path.name} is damaged: it claims more numbers for key {key} than it holds. {AGAIN}"
                )
            start = _start(path, file, found)
            positions[key] = (start, found.file_size, found.CRC if has_checksums else None)
    return TorchFile(path, structure, order.decode() != sys.byteorder, positions)


def _unusual(path: Path) -> CheckpointError:
    return CheckpointError(
        f"{path.name} is a zip archive that torch.save did not write like this (compressed, encrypted, or with two "
        "entries in one position). Load it where it was made and save it again with torch.save."
    )


def _start(path: Path, file: BinaryIO, entry: ZipInfo) -> int:
    """Returns the first byte of an entry's content, which the header in front of it tells."""
    file.seek(min(entry.header_offset, path.stat().st_size))
    header = file.read(30)
    if len(header) < 30 or not header.startswith(b"PK\x03\x04"):
        raise CheckpointError(f"{path.name} is damaged. {AGAIN}")
    name, extra = struct.unpack("<HH", header[26:30])
    return int(entry.header_offset + 30 + name + extra)


def _entry(path: Path, file: BinaryIO, entry: ZipInfo, has_checksums: bool) -> bytes:
    if entry.file_size > MAX_PICKLE:
        raise CheckpointError(
            f"{path.name} holds {entry.file_size:,} bytes beside its numbers. {_WEIGHTS_ALONE}"
        )
    file.seek(_start(path, file, entry))
    content = file.read(entry.file_size)
    if len(content) != entry.file_size or (has_checksums and zlib.crc32(content) != entry.CRC):
        raise CheckpointError(
            f"{path.name} is damaged: the checksum of {Path(entry.filename).name} in it is wrong. {AGAIN}"
        )
    return content


_WEIGHTS_ALONE = f"Save the weights alone: {SAVE_WEIGHTS}."


def parsed(path: Path, file: io.BufferedIOBase | BinaryIO, size: int) -> Structure:
    """Reads one pickle from a file's current position.

    Args:
        path: Names the file in sentences.
        file: Positioned at the pickle.
        size: Bytes from there to the end.

    Raises:
        CheckpointError: It is cut off, damaged or too large.
    """
    try:
        return read_structure(BoundedReader(file, size))
    except Exception as error:  # by the byte that is bad: IndexError, KeyError, UnicodeDecodeError, ...
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CheckpointError:
    if isinstance(error, CheckpointError):
        return error
    if isinstance(error, TooLargeError | MemoryError):
        return CheckpointError(f"{path.name} holds millions of objects beside its weights. {_WEIGHTS_ALONE}")
    if isinstance(error, EOFError):
        return CheckpointError(f"{path.name} is cut off: it ends in the middle. {AGAIN}")
    return CheckpointError(f"{path.name} is damaged: its pickle cannot be read. {AGAIN}")


def read_legacy(path: Path) -> TorchFile:
    """Reads the structure of a checkpoint that is no zip: five pickles, then the storages.

    The third pickle tells the byte order of the machine that wrote it, which does not matter: torch writes the numbers
    as little-endian on every machine.

    Raises:
        CheckpointError: The file is cut off or damaged.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        try:
            reader = BoundedReader(file, size)
            for _ in range(3):  # the magic number, the version of the format, and what the machine was
                read_structure(reader)
            structure = read_structure(reader)
            keys = read_structure(reader).root
        except Exception as error:
            raise _unreadable(path, error) from error
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise CheckpointError(f"{path.name} is damaged: it does not list its storages. {AGAIN}")
        positions = _legacy_positions(path, file, [str(key) for key in keys], structure, size)
    if missing := [key for key in structure.storages if key not in positions]:
        raise CheckpointError(
            f"{path.name} is damaged: the numbers with key {missing[0]} are missing. {AGAIN}"
        )
    return TorchFile(path, structure, sys.byteorder != "little", positions)


def _legacy_positions(
    path: Path, file: BinaryIO, keys: list[str], structure: Structure, size: int
) -> dict[str, tuple[int, int, int | None]]:
    positions: dict[str, tuple[int, int, int | None]] = {}
    for key in keys:
        storage: StorageRef | None = structure.storages.get(key)
        if storage is None:
            raise CheckpointError(f"{path.name} is damaged: it has numbers that belong to no tensor. {AGAIN}")
        itemsize = storage.dtype.itemsize if storage.dtype is not None else 1
        count = file.read(8)  # some versions of PyTorch wrote it in the order of their machine
        start, length = file.tell(), storage.numel * itemsize
        if len(count) < 8 or start + length > size:
            raise CheckpointError(f"{path.name} is cut off: it ends in the middle. {AGAIN}")
        if storage.numel not in (int.from_bytes(count, "little"), int.from_bytes(count, "big")):
            raise CheckpointError(
                f"{path.name} is damaged: it has another number of numbers than it says. {AGAIN}"
            )
        positions[key] = (start, length, None)
        file.seek(length, io.SEEK_CUR)
    return positions


def zip_names(path: Path) -> list[str] | None:
    """Returns the names of a zip's entries; None if its directory cannot be read, as where the file is cut off."""
    try:
        with ZipFile(path) as archive:
            return archive.namelist()
    except (BadZipFile, OSError, ValueError, EOFError, NotImplementedError, struct.error, OverflowError):
        return None


def begins_legacy(head: bytes) -> bool:
    """Whether bytes begin a checkpoint that is no zip; they may be cut off after the second one.

    Args:
        head: The first bytes of a file.
    """
    starts = [b"\x80" + bytes([protocol]) + _MAGIC for protocol in (2, 3)]
    starts += [b"\x80" + bytes([protocol]) + b"\x95\x0d" + bytes(7) + _MAGIC for protocol in (4, 5)]
    return any(
        head.startswith(start) or (2 < len(head) < len(start) and start.startswith(head)) for start in starts
    )
