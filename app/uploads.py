"""The picture of a request, read under a cap while it streams in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from app.errors import ProblemError

FIELD = "image"
MULTIPART_OVERHEAD = 64 * 1024
"""Bytes that boundaries and part headers may add to a picture of the largest size."""
MAX_TEXT_FIELDS = 16
RAW_TYPES = ("image/", "application/octet-stream")


@dataclass(frozen=True)
class Upload:
    """A picture's bytes, as they came."""

    data: bytes
    name: str | None


async def read_upload(request: Request, max_bytes: int) -> Upload:
    """The picture in a request's body.

    Args:
        request: Multipart with a file field ``image``, or the picture's bytes as ``image/*``.
        max_bytes: The cap; enforced while the body streams in, chunked or not, and for each part.

    Raises:
        ProblemError: 400 malformed or without a picture, 413 too large, 415 another kind of body.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _from_form(request, max_bytes)
    if kind.startswith(RAW_TYPES):
        data = b"".join([chunk async for chunk in _capped(request, max_bytes, max_bytes)])
        return _checked(Upload(data, None))
    raise ProblemError(
        415,
        f"The body's Content-Type is {kind or 'missing'}. Send multipart/form-data with a file field "
        f"'{FIELD}', or the picture's bytes with Content-Type: image/jpeg (or its own).",
        "format",
    )


async def _from_form(request: Request, max_bytes: int) -> Upload:
    stream = _capped(request, max_bytes + MULTIPART_OVERHEAD, max_bytes)
    parser = MultiPartParser(
        request.headers, stream, max_files=1, max_fields=MAX_TEXT_FIELDS, max_part_size=4096
    )
    try:
        form = await parser.parse()
    except MultiPartException as error:
        raise ProblemError(
            400, f"The form cannot be read: {error.message} Send one file field '{FIELD}'.", "malformed"
        ) from error
    except (KeyError, ValueError, UnicodeError, AssertionError) as error:  # a boundary that is missing or mad
        raise ProblemError(
            400, "The form cannot be read: its boundary or headers are malformed.", "malformed"
        ) from error
    try:
        part = form.get(FIELD)
        if not isinstance(part, UploadFile):
            raise ProblemError(
                400,
                f"The form has no file field '{FIELD}'. Name the field that holds the picture so.",
                "malformed",
            )
        data = await part.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise _too_large(max_bytes)
        return _checked(Upload(data, part.filename or None))
    finally:
        await form.close()


def _checked(upload: Upload) -> Upload:
    if not upload.data:
        raise ProblemError(400, "The picture is empty (0 bytes). Send its bytes.", "malformed")
    return upload


async def _capped(request: Request, cap: int, max_bytes: int) -> AsyncIterator[bytes]:
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > cap:
        raise _too_large(max_bytes)
    received = 0
    async for chunk in request.stream():
        received += len(chunk)
        if received > cap:
            raise _too_large(max_bytes)
        yield chunk


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError(
        413, f"The picture is larger than {max_bytes / 1048576:g} MiB. Send a smaller one.", "bytes"
    )
