"""Recognizes what a file is by its content, and says what to do with one that is no accepted image."""

from __future__ import annotations

import codecs
import re

from sge.images.tiff import MAGIC as TIFF_MAGIC
from sge.images.tiff import tiff_entries

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")
FORMATS_TEXT = "JPEG, PNG, WebP, GIF or AVIF"

HEAD_BYTES = 4096
"""The kind of a file is told from as many bytes at its beginning."""

_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"}
_AVIF_BRANDS = {b"avif", b"avis"}
_VIDEO_BRANDS = re.compile(rb"isom|iso\d|mp4\d|M4V |M4A |qt  |avc1|3gp.|dash|MSNV|f4v |mmp4")
_SAVE_AS = f"Save it as {FORMATS_TEXT} and try again."
_CAMERA = (
    "On an iPhone or iPad, choose Settings > Camera > Formats > Most Compatible for new photos, or share or "
    "export this one as JPEG. Whoever runs this program can install sge-lens[heic], with which HEIC is read."
)


def _raw_photo(kind: str) -> str:
    return f"This is a raw photo of a camera ({kind}). Export it as JPEG and try again."


def _video(kind: str) -> str:
    return f"This is a video ({kind}). Save one of its frames as PNG or JPEG."


_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"BM", f"This is a BMP image. {_SAVE_AS}"),
    (b"\xff\x0a", f"This is a JPEG XL image. {_SAVE_AS}"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", f"This is a JPEG XL image. {_SAVE_AS}"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", f"This is a JPEG 2000 image. {_SAVE_AS}"),
    (b"\xff\x4f\xff\x51", f"This is a JPEG 2000 image. {_SAVE_AS}"),
    (b"8BPS", "This is a Photoshop document (PSD). Export it as JPEG or PNG and try again."),
    (b"gimp xcf", "This is a GIMP document (XCF). Export it as PNG and try again."),
    (b"FUJIFILMCCD-RAW", _raw_photo("RAF")),
    (b"FOVb", _raw_photo("X3F")),
    (b"IIU\0", _raw_photo("RW2")),
    (b"IIRO", _raw_photo("ORF")),
    (b"IIRS", _raw_photo("ORF")),
    (b"MMOR", _raw_photo("ORF")),
    (b"\0MRM", _raw_photo("MRW")),
    (b"%PDF", "This is a PDF document. Export the page, or the photo on it, as PNG or JPEG and try again."),
    (b"%!PS", "This is a PostScript document. Export it as PNG and try again."),
    (b"\0\0\1\0", f"This is an icon (ICO). {_SAVE_AS}"),
    (b"\0\0\2\0", f"This is a cursor (CUR). {_SAVE_AS}"),
    (b"icns", f"This is an icon (ICNS). {_SAVE_AS}"),
    (b"DDS ", f"This is a texture (DDS). {_SAVE_AS}"),
    (b"v/1\1", f"This is an OpenEXR image. Map it to 8 bits. {_SAVE_AS}"),
    (b"#?RADIANCE", f"This is a Radiance HDR image. Map it to 8 bits. {_SAVE_AS}"),
    (b"SIMPLE  =", f"This is a FITS image. Map it to 8 bits. {_SAVE_AS}"),
    (b"qoif", f"This is a QOI image. {_SAVE_AS}"),
    (b"BPG\xfb", f"This is a BPG image. {_SAVE_AS}"),
    (b"FLIF", f"This is a FLIF image. {_SAVE_AS}"),
    (b"\x1aE\xdf\xa3", _video("Matroska or WebM")),
    (b"FLV\1", _video("FLV")),
    (b"\0\0\1\xba", _video("MPEG")),
    (b"\0\0\1\xb3", _video("MPEG")),
    (b"OggS", "This is an Ogg video or sound. Save one of its frames as PNG or JPEG."),
    (b"ID3", "This is a sound file (MP3), not an image. Choose another file."),
    (b"fLaC", "This is a sound file (FLAC), not an image. Choose another file."),
    (b"PK\3\4", "This is a ZIP archive or an office document. Unpack it and give the image inside."),
    (b"PK\5\6", "This is an empty ZIP archive. Choose another file."),
    (b"\x1f\x8b", "This is a gzip archive. Unpack it and give the image inside."),
    (b"BZh", "This is a bzip2 archive. Unpack it and give the image inside."),
    (b"\xfd7zXZ\0", "This is an xz archive. Unpack it and give the image inside."),
    (b"(\xb5/\xfd", "This is a Zstandard archive. Unpack it and give the image inside."),
    (b"7z\xbc\xaf'\x1c", "This is a 7-Zip archive. Unpack it and give the image inside."),
    (b"Rar!\x1a\7", "This is a RAR archive. Unpack it and give the image inside."),
    (b"\x93NUMPY", "This is a NumPy array. Save it as an image, for example with PIL.Image.fromarray."),
    (b"\x89HDF\r\n\x1a\n", "This is an HDF5 file. Save the image inside as PNG."),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "This is an office document. Save the image inside as PNG or JPEG.",
    ),
    (b"\x7fELF", "This is a program, not an image. Choose another file."),
    (b"MZ", "This is a program, not an image. Choose another file."),
    (
        b"\0\5\x16\7",
        "This is a macOS companion file (AppleDouble, its name begins with ._). Choose the photo itself.",
    ),
    (
        b"version https://git-lfs",
        "This is a Git LFS pointer: the text that stands for the image. Run `git lfs pull` to get the image.",
    ),
)
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_DNG_VERSION, _SUB_IMAGES = 0xC612, 0x014A
"""Tags of a TIFF."""
_NETPBM = re.compile(rb"P[1-7f F]\s")


def accepted_format(data: bytes) -> str | None:
    """Pillow's name of the accepted format that the file begins like; None for another file.

    Args:
        data: The file, or at least its first 64 bytes. It may be damaged after its beginning.
    """
    if data.startswith(b"\xff\xd8\xff") or data == b"\xff\xd8":
        return "JPEG"
    if data.startswith(b"\x89PNG"):
        return "PNG"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    return "AVIF" if _brands(data) & _AVIF_BRANDS else None


def unsupported_sentence(data: bytes) -> str:
    """What a file is that is no JPEG, PNG, WebP, GIF or AVIF, and what to do; always one to three sentences."""
    head = data[:HEAD_BYTES]
    for recognize in (_media_container, _tiff, _by_magic, _riff, _text):
        if sentence := recognize(head):
            return sentence if FORMATS_TEXT in sentence else f"{sentence} The format must be {FORMATS_TEXT}."
    return f"This is not a {FORMATS_TEXT} image. Save it as one of these and try again."


def is_heic(data: bytes) -> bool:
    """True for a HEIC image or a sequence of them: HEIF with HEVC inside, as iPhones write it."""
    brands = _brands(data)
    if brands & _AVIF_BRANDS:
        return False
    return bool(brands & _HEIC_BRANDS) or (bool(brands & {b"mif1", b"msf1"}) and b"hvc1" in data[:HEAD_BYTES])


def _brands(data: bytes) -> set[bytes]:
    """The brands of an ISO media file, among them the major one; empty for another file."""
    if data[4:8] != b"ftyp":
        return set()
    end = min(max(16, int.from_bytes(data[:4])), 512)
    compatible = {data[at : at + 4] for at in range(16, end, 4)}
    return {data[8:12], *compatible} - {b""}


def _media_container(head: bytes) -> str | None:
    brands = _brands(head)
    if not brands:
        if head[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
            return _video("QuickTime")
        return None
    if is_heic(head):
        return f"This is a HEIC image (HEIF). {_CAMERA}"
    if head[8:12] == b"crx ":
        return _raw_photo("CR3")
    if brands & {b"mif1", b"msf1", b"miaf"}:
        return f"This is a HEIF image. {_CAMERA}"
    if b"jxl " in brands:
        return f"This is a JPEG XL image. {_SAVE_AS}"
    if any(_VIDEO_BRANDS.match(brand) for brand in brands):
        return _video("MP4 or MOV")
    return "This is a video, or a media file of another kind. Save one of its images as PNG or JPEG."


def _tiff(head: bytes) -> str | None:
    if head[:4] not in (*TIFF_MAGIC, b"II+\0", b"MM\0+"):
        return None
    if head[8:10] == b"CR":
        return _raw_photo("CR2")
    tags = {entry.tag for entry in tiff_entries(head)}
    if _DNG_VERSION in tags:
        return "This is a raw photo (DNG). Export it as JPEG and try again."
    if b"NIKON" in head[:1024] and _SUB_IMAGES in tags:
        return _raw_photo("NEF")
    if b"SONY" in head[:1024] and _SUB_IMAGES in tags:
        return _raw_photo("ARW")
    if head[4:8] != b"\0\0\0\0" and b"PENTAX" in head[:1024]:
        return _raw_photo("PEF")
    return f"This is a TIFF image, or a raw photo of a camera. {_SAVE_AS}"


def _by_magic(head: bytes) -> str | None:
    if head[257:262] == b"ustar":
        return "This is a tar archive. Unpack it and give the image inside."
    if _NETPBM.match(head):
        return f"This is a Netpbm image (PPM, PGM, PBM, PAM or PFM). {_SAVE_AS}"
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") not in _BMP_HEADERS:
        return None
    if head[:6] in (b"\0\0\1\0\0\0", b"\0\0\2\0\0\0"):  # A TGA begins like an icon of 0 images.
        return None
    return next((sentence for magic, sentence in _MAGIC if head.startswith(magic)), None)


def _riff(head: bytes) -> str | None:
    if not head.startswith(b"RIFF"):
        return None
    if head[8:12] == b"AVI ":
        return _video("AVI")
    return "This is a sound or another RIFF file, not an image. Choose another file."


def _text(head: bytes) -> str | None:
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    lower = text[:2048].lower()
    if not text:
        return None
    if b"<svg" in lower and lower.startswith((b"<?xml", b"<svg", b"<!doctype svg", b"<!--")):
        return "This is a vector drawing (SVG). Export it as PNG and try again."
    if lower.startswith((b"<!doctype html", b"<html", b"<head", b"<body", b"<script")):
        return (
            "This is a web page (HTML), not an image. Open the image itself, save that with Save image as, "
            "and try again."
        )
    if lower.startswith((b"data:image/", b"/9j/", b"ivborw0kggo", b"uklgr", b"r0lgodlh", b'"data:image/')):
        return "This is an image written as base64 text. Decode it first and give the bytes."
    if lower.startswith(b"<?xml"):
        return "This is an XML document, not an image. Choose another file."
    if re.match(rb"https?://\S+\s*$", text[:2048]):
        return "This is the text of a web address. Download the image first and give the file."
    if lower.startswith((b"{", b"[")):
        return "This is JSON or other text, not an image. Choose another file."
    return "This is text, not an image. Choose another file." if _is_text(head) else None


def _is_text(head: bytes) -> bool:
    encoding = "utf-16" if head.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)  # The head may end inside a character.
    except UnicodeDecodeError:
        return False
    return bool(text) and all(letter.isprintable() or letter in "\t\r\n\f\x1b\ufeff" for letter in text)
