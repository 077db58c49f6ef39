"""Sentences for bodies that hold no image: what arrived, and how an image is sent."""

from __future__ import annotations

import base64
import re

from fastapi import Request
from starlette.datastructures import FormData, UploadFile

from .client_text import shown
from .content_codings import CODINGS
from .curl import FIELD, curl_line
from .errors import ProblemError

HEAD_BYTES = 2048
"""Bytes at the beginning of a body that tell what it is."""

MAX_WORDS = 4096
"""Bytes of a part that may be words; no image is so small and all text."""

_MAGIC = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"RIFF")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{24,}={0,2}")
_TEXT_TRANSFER = (
    b"\xef\xbf\xbd\xef\xbf\xbd",  # JPEG, read as UTF-8
    b"\xef\xbf\xbdPNG",
    b"\xc3\xbf\xc3\x98\xc3\xbf",  # JPEG, read as Latin-1 and written as UTF-8
    b"\xc2\x89PNG",
    b"\x89PNG\n",  # line ends were converted
    b"\x89PNG\r\r",
)
_DECODE = "(base64 -d photo.txt > photo.jpg) and send the bytes"
_KINDS = {
    "application/json": "JSON holds no image bytes: decode the base64 text in it and send the bytes, or send JSON with "
    "base64 to /v2/models/NAME/infer (Open Inference Protocol)",
    "application/x-www-form-urlencoded": "That is a form without a file, as curl -d sends it",
    "text/plain": "That is text",
    "": "It says what the body is",
}


def wrong_type(request: Request, kind: str) -> ProblemError:
    """A body that is neither a form nor an image: 415."""
    why = _KINDS.get(kind)
    detail = (
        f"The body's Content-Type is {shown(kind) or 'missing'}.{f' {why}.' if why else ''} Send multipart/form-data "
        f"with a file field '{FIELD}', or the image's bytes with Content-Type: image/jpeg (or its own): "
        f"{curl_line(request)}."
    )
    return ProblemError(415, detail, "format")


def encoded(request: Request, codings: str) -> ProblemError:
    """A body that is compressed in another way: 415, with the codings that are accepted (RFC 9110, 15.5.16)."""
    detail = (
        f"The body is compressed (Content-Encoding: {shown(codings)}); one of gzip and deflate is understood here. Image "
        f"files are compressed already: send the image's own bytes without Content-Encoding: {curl_line(request)}."
    )
    return ProblemError(415, detail, "format", headers={"Accept-Encoding": ", ".join(CODINGS)})


def malformed(detail: str) -> ProblemError:
    """A body that cannot be read: 400."""
    return ProblemError(400, detail, "malformed")


def unreadable_form(request: Request, reason: str) -> ProblemError:
    """A form that the parser refuses: 400.

    Args:
        request: Its address is repeated in a command.
        reason: The parser's message. It selects the sentence and is not shown.
    """
    curl = curl_line(request)
    if reason.startswith("Too many files"):
        return malformed(f"The form holds more than one file. Send one image in each request: {curl}.")
    if reason.startswith("Too many fields"):
        return malformed(f"The form has too many fields. Send one file field '{FIELD}' alone: {curl}.")
    if reason.startswith("Part exceeded"):
        return malformed(
            f"The form has a text field of more than 4 KiB. If it is the image, call its part '{FIELD}': {curl}."
        )
    if '"name"' in reason:
        return malformed(
            f'A part of the form has no field name. Give the image\'s part name="{FIELD}": {curl}.'
        )
    return malformed(
        "The form cannot be read: its parts are malformed or are not separated by the boundary that Content-Type names. "
        f"Let the HTTP library write Content-Type itself: {curl}."
    )


def no_boundary(request: Request) -> ProblemError:
    """``multipart/form-data`` without a boundary: 400."""
    return malformed(
        "Content-Type: multipart/form-data has no boundary. Do not set this header yourself: requests with files=, fetch "
        f"with FormData, and curl -F set it with its boundary: {curl_line(request)}."
    )


def no_file(request: Request, form: FormData) -> ProblemError:
    """A form without the file field ``image``: 400. The sentence names what it holds instead."""
    curl = curl_line(request)
    texts = {name: value for name, value in form.multi_items() if isinstance(value, str)}
    files = [name for name, value in form.multi_items() if isinstance(value, UploadFile)]
    for name in sorted(texts, key=lambda name: name != FIELD):
        what = _text_kind(texts[name])
        if what and not files:
            return malformed(f"The field '{shown(name)}' holds {what}: {curl}.")
    if files:
        return malformed(f"The form's file field is called '{shown(files[0])}'. Call it '{FIELD}': {curl}.")
    others = [shown(name) for name in texts][:3]
    held = (
        f"only the text field{'s' * (len(others) > 1)} {', '.join(others)}" if others else "no complete part"
    )
    return malformed(
        f"The form has no file field '{FIELD}'; it holds {held}, or it is cut off. Send the whole form: {curl}."
    )


def refuse_words(request: Request, data: bytes) -> None:
    """Refuses words in a part ``image`` without a file name: such a part may be a field of a form for text.

    Args:
        request: Its address is repeated in a command.
        data: The part's content.

    Raises:
        ProblemError: 400, and what the words are.
    """
    try:
        text = data.decode("utf-8") if len(data) <= MAX_WORDS else "\0"
    except UnicodeDecodeError:
        return
    if all(letter.isprintable() or letter in "\r\n\t" for letter in text):
        what = _text_kind(text) or "text. Send the file itself, with curl by an @ before its name"
        raise malformed(f"The field '{FIELD}' holds {what}: {curl_line(request)}.")


def _text_kind(text: str) -> str | None:
    """What a text is that was sent in place of a file, with what to do; None if it is none of these."""
    value = text.strip()
    if re.match(r"https?://", value, re.IGNORECASE):
        return "an address. This service fetches nothing: download the image and send the file"
    if value.startswith("data:"):
        return f"a data URL. Decode the base64 text after its comma {_DECODE}"
    if _is_base64(value.encode("utf-8", "replace")):
        return f"base64 text. Decode it {_DECODE}"
    if re.fullmatch(r"@?[\w ./\\:~-]{1,255}\.[A-Za-z0-9]{1,5}", value):
        return "the name of a file. Send the file itself, with curl by an @ before the name"
    return None if value else "empty text. Send the file"


def refuse_text(request: Request, data: bytes) -> None:
    """Refuses an upload that is an image's text form, or not an image but its envelope.

    Args:
        request: Its address is repeated in a command.
        data: What was sent as the image. Bytes that are not recognized here are left to the decoder.

    Raises:
        ProblemError: 415, base64, a data URL, JSON, an address, a form in place of the image, or bytes that were sent as
            text.
    """
    what = envelope_of(data)
    if what:
        raise ProblemError(415, f"What was sent as the image is {what}: {curl_line(request)}.", "format")


def envelope_of(data: bytes) -> str | None:
    """What bytes are that hold an image's text form, with what to do; None if they are none of these."""
    head = data[:HEAD_BYTES]
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(_TEXT_TRANSFER):
        return (
            "an image that was read or sent as text, which damages it. Open the file in binary mode and send its bytes "
            "(curl --data-binary, not -d)"
        )
    if text.startswith(b"data:"):
        return f"a data URL. Decode the base64 text after its comma {_DECODE}"
    if re.match(rb"b['\"]\\?", text):
        return "the text that Python prints for bytes (b'...'). Send the bytes themselves"
    if re.match(rb"\{\s*[\"}]|\[\s*[\[{\"\d-]", text):
        return "JSON. Send the image's bytes; base64 text in JSON must be decoded first"
    if re.match(rb"https?://\S+\s*$", text, re.IGNORECASE):
        return "an address. This service fetches nothing: download the image and send the file"
    if text.startswith(b"--") and b"content-disposition" in text.lower():
        return "a whole form. Its Content-Type must be multipart/form-data with the form's boundary"
    if re.match(rb"[\w.%+-]{1,80}=(?:data%3A|%FF%D8|%89PNG)", text, re.IGNORECASE):
        return "a form without a file. Send the image's bytes"
    if _is_base64(text):
        return f"base64 text. Decode it {_DECODE}"
    if re.match(rb"(?:ffd8ff|89504e47|47494638|52494646)[0-9a-f]{16}", text, re.IGNORECASE):
        return "hexadecimal text. Decode it (xxd -r -p photo.txt > photo.jpg) and send the bytes"
    return None


def _is_base64(text: bytes) -> bool:
    """Whether text decodes to the beginning of an image, or of any ISO media file such as AVIF and HEIC."""
    found = _BASE64.match(text.strip(b"\"' \t\r\n"))
    if found is None:
        return False
    start = base64.b64decode(found[0][:24].translate(bytes.maketrans(b"-_", b"+/")))
    return start.startswith(_MAGIC) or start[4:8] == b"ftyp"
