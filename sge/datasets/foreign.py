"""Tells images from the other files of a folder: what operating systems leave there, texts, tables, checksums.

A file counts as an image by the ending of its name, or by its first bytes where the ending is another one. Images of
formats that are not accepted (HEIC, TIFF) count too: reading them gives an error that names the format.
"""

from __future__ import annotations

from collections.abc import Callable

from sge.images import accepted_format, is_heic

HEAD = 32
"""Number of bytes by which a file without an image's ending is recognized."""

SUFFIXES = (
    *(
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".pjpeg",
        ".pjp",
        ".png",
        ".apng",
        ".webp",
        ".gif",
        ".avif",
        ".avifs",
    ),
    # Formats that are not accepted.
    *(".heic", ".heif", ".hif", ".tif", ".tiff", ".bmp", ".dib", ".jxl", ".jp2", ".j2k", ".psd", ".tga"),
    *(".ppm", ".pgm", ".pnm", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
)
"""Endings of names that make a file an image, whatever it contains; in lower case."""

_FOLDERS = {
    "__macosx": "a folder that macOS adds to archives",
    "lost+found": "a folder of the file system",
    "found.000": "a folder of the file system",
    "@eadir": "a folder of thumbnails that a Synology device makes",
    "#recycle": "a recycle bin",
    "@recycle": "a recycle bin",
    "$recycle.bin": "a recycle bin",
    "recycler": "a recycle bin",
    "system volume information": "a folder of Windows",
    "__pycache__": "a folder of Python",
}
_FILES = {
    "thumbs.db": "a list of thumbnails that Windows makes",
    "ehthumbs.db": "a list of thumbnails that Windows makes",
    "ehthumbs_vista.db": "a list of thumbnails that Windows makes",
    ".ds_store": "settings of a folder that macOS makes",
    "desktop.ini": "settings of a folder that Windows makes",
    "icon\r": "a folder's icon that macOS makes",
}
_ENDINGS = {
    ":zone.identifier": "a note that Windows adds to a download",
    ".part": "an unfinished download",
    ".crdownload": "an unfinished download",
    ".download": "an unfinished download",
    ".tmp": "a temporary file",
    "~": "a backup that an editor makes",
}
_KINDS = {
    **dict.fromkeys(("txt", "md", "rst", "log", "html", "htm", "rtf", "xmp"), "text"),
    **dict.fromkeys(("csv", "tsv", "xls", "xlsx", "parquet"), "a table"),
    **dict.fromkeys(("json", "jsonl", "yaml", "yml", "xml", "toml", "ini", "cfg"), "data or settings"),
    **dict.fromkeys(("md5", "sha1", "sha256", "sha512", "sfv", "crc"), "a checksum"),
    **dict.fromkeys(("zip", "tar", "gz", "tgz", "bz2", "xz", "7z", "rar", "zst"), "an archive"),
    **dict.fromkeys(("mp4", "mov", "avi", "mkv", "webm", "m4v", "3gp", "mts"), "a video"),
    **dict.fromkeys(("pdf", "doc", "docx", "ppt", "pptx", "svg", "ico", "db"), "another kind of document"),
    **dict.fromkeys(("py", "sh", "ipynb", "js", "css", "bat"), "a program"),
    **dict.fromkeys(("pth", "pt", "safetensors", "onnx", "npy", "npz", "h5", "pkl"), "arrays or weights"),
}
_STARTS = (b"II*\0", b"MM\0*", b"8BPS", b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\0\x0cjP  ")
_HEIF = (b"ftypmif1", b"ftypmsf1")
"""Beginnings of images of formats that are not accepted; HEIF has its own after a length of 4 bytes."""


def foreign_folder(name: str) -> str | None:
    """Why a folder is left out with everything in it; None for a folder that may hold images."""
    return _FOLDERS.get(name.casefold()) or ("hidden" if name.startswith(".") else None)


def made_by_systems(name: str) -> str | None:
    """Why nobody means a file or folder of this name as an image; None for any other name, also a hidden one."""
    lower = name.casefold()
    if lower.startswith("._"):
        return "attributes of a file that macOS keeps"
    return _FILES.get(lower) or _FOLDERS.get(lower)


def foreign_name(name: str) -> str | None:
    """Why a file is left out by its name alone; None if the name does not tell."""
    lower = name.casefold()
    if lower.startswith("._"):
        return "attributes of a file that macOS keeps"
    if lower in _FILES:
        return _FILES[lower]
    if name.startswith("."):
        return "hidden"
    return next((reason for ending, reason in _ENDINGS.items() if lower.endswith(ending)), None)


def foreign_file(name: str, head: Callable[[], bytes]) -> str | None:
    """Why a file is left out; None for an image.

    Args:
        name: Its name without folders.
        head: Gives the first ``HEAD`` bytes; called where the name does not tell.

    Raises:
        OSError: ``head`` raises it.
    """
    if reason := foreign_name(name):
        return reason
    if has_image_name(name):
        return None
    start = head()
    if _starts_like_an_image(start):
        return None
    if not start:
        return "an empty file"
    stem, dot, ending = name.rpartition(".")
    return (_KINDS.get(ending.lower()) if stem and dot else None) or "no image by its name and first bytes"


def has_image_name(name: str) -> bool:
    """Whether the ending of the name is an image's."""
    return name.lower().endswith(SUFFIXES)


def _starts_like_an_image(start: bytes) -> bool:
    known = accepted_format(start) is not None or is_heic(start)
    return known or start.startswith(_STARTS) or start[4:12] in _HEIF
