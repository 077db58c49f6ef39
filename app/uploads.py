"""The image of a request, read under a cap while it streams in, and never written to disk."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from fastapi import Request
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from .client_text import visible
from .content_codings import CODINGS, CodingError, codings_of, decoded
from .curl import FIELD, curl_line
from .errors import ProblemError
from .settings_workers import MEBIBYTE
from .upload_problems import (
    encoded,
    malformed,
    no_boundary,
    no_file,
    refuse_text,
    refuse_words,
    unreadable_form,
    wrong_type,
)

RAW_TYPES = ("image/", "application/octet-stream")
MULTIPART_OVERHEAD = 64 * 1024
"""Bytes that boundaries and part headers may add to an image of the largest size."""
MAX_TEXT_FIELDS = 16
MAX_TEXT_BYTES = 4096
MAX_NAME = 200
"""Characters of a file name that are kept."""


@dataclass(frozen=True)
class Upload:
    """An image's bytes as received, and the file name that the client gave."""

    data: bytes
    name: str | None


async def read_upload(request: Request, max_bytes: int) -> Upload:
    """The image in a request's body.

    Args:
        request: Multipart with a file field ``image``, or the image's bytes as ``image/*``.
        max_bytes: Largest image, bytes; checked while the body streams in, chunked or not.

    Raises:
        ProblemError: 400 malformed or without an image, 413 too large, 415 another kind of body, or one that is compressed
            in a way that is not known.
        ClientDisconnect: The client has disconnected.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind == "multipart/form-data":
        upload = await _from_form(request, max_bytes)
    elif kind.startswith(RAW_TYPES):
        upload = Upload(await read_body(request, max_bytes), None)
    else:
        raise wrong_type(request, kind)
    if not upload.data:
        raise malformed(
            f"The image is empty (0 bytes). Check the file's path and send its bytes: {curl_line(request)}."
        )
    refuse_text(request, upload.data)
    return upload


async def read_body(request: Request, max_bytes: int, overhead: int = 0) -> bytes:
    """The whole body of a request, decoded if it is compressed.

    Args:
        request: Its body is not yet read.
        max_bytes: Largest image, bytes.
        overhead: Bytes that the body may have beside the image.

    Raises:
        ProblemError: 400 damaged compression, 413 too large, 415 an unknown compression.
        ClientDisconnect: The client has disconnected.
    """
    data: bytes | bytearray = b""
    async with aclosing(_capped(request, max_bytes + overhead, max_bytes)) as stream:
        async for chunk in stream:
            if not data:
                data = chunk  # mostly there is one
            elif isinstance(data, bytes):
                data = bytearray(data + chunk)
            else:
                data += chunk
    return bytes(data)


async def _from_form(request: Request, max_bytes: int) -> Upload:
    async with aclosing(_capped(request, max_bytes + MULTIPART_OVERHEAD, max_bytes)) as stream:
        form = await _parse(request, stream)
    try:
        file = _image_of(request, form)
        data = await file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise too_large(max_bytes)
        if not file.filename:
            refuse_words(request, data)
        return Upload(data, plain_name(file.filename))
    finally:
        await form.close()


def _image_of(request: Request, form: FormData) -> UploadFile:
    files = [value for value in form.getlist(FIELD) if isinstance(value, UploadFile)]
    if not files:
        raise no_file(request, form)
    return files[0]  # the parser refuses a second file


class _ImageParser(MultiPartParser):
    """A parser for which the part ``image`` is a file, also where the client gives no file name."""

    def on_headers_finished(self) -> None:
        part = self._current_part
        _, options = parse_options_header(part.content_disposition)
        if options.get(b"name") == FIELD.encode("ascii") and b"filename" not in options:
            part.content_disposition = (part.content_disposition or b"") + b'; filename=""'
        super().on_headers_finished()


async def _parse(request: Request, stream: AsyncGenerator[bytes, None]) -> FormData:
    if not re.search(r"""boundary\s*=\s*"?[^\s";]""", request.headers["content-type"], re.IGNORECASE):
        raise no_boundary(request)
    parser = _ImageParser(
        request.headers, stream, max_files=1, max_fields=MAX_TEXT_FIELDS, max_part_size=MAX_TEXT_BYTES
    )
    parser.spool_max_size = 0  # stays in memory; the stream is capped
    try:
        return await parser.parse()
    except MultiPartException as error:
        raise unreadable_form(request, error.message) from error
    except (KeyError, ValueError) as error:  # an unknown charset or a malformed part header
        raise unreadable_form(request, "") from error


async def _capped(request: Request, cap: int, max_bytes: int) -> AsyncGenerator[bytes, None]:
    """The body's bytes, decoded; neither the bytes sent nor the decoded ones exceed ``cap``."""
    codings = codings_of(request.headers.getlist("content-encoding"))
    if len(codings) > 1 or not set(codings) <= set(CODINGS):
        raise encoded(request, ", ".join(codings))
    declared = request.headers.get("content-length", "")
    if re.fullmatch("[0-9]+", declared) and (len(declared) > 18 or int(declared) > cap):
        raise too_large(max_bytes)
    async with aclosing(_counted(request.stream(), cap, max_bytes)) as stream:
        if not codings:
            async for chunk in stream:
                yield chunk
            return
        try:
            async with aclosing(_counted(decoded(stream, codings[0]), cap, max_bytes)) as pieces:
                async for piece in pieces:
                    yield piece
        except CodingError:
            raise malformed(
                f"The body is not the {codings[0]} data that Content-Encoding announces, or it is cut off. Send the image's "
                f"own bytes without Content-Encoding: {curl_line(request)}."
            ) from None


async def _counted(
    stream: AsyncGenerator[bytes, None], cap: int, max_bytes: int
) -> AsyncGenerator[bytes, None]:
    received = 0
    async with aclosing(stream):
        async for chunk in stream:
            received += len(chunk)
            if received > cap:
                raise too_large(max_bytes)
            yield chunk


def plain_name(name: str | None) -> str | None:
    """A file name that is safe to show: no folders, no invisible characters, at most ``MAX_NAME`` characters."""
    last = re.split(r"[\\/]", name or "")[-1]
    return visible(last).strip()[:MAX_NAME] or None


def too_large(max_bytes: int) -> ProblemError:
    """An image of too many bytes: 413."""
    limit = f"{max_bytes / MEBIBYTE:g} MiB" if max_bytes >= MEBIBYTE else f"{max_bytes} bytes"
    return ProblemError(413, f"The image is larger than {limit}. Send a smaller one.", "bytes")
