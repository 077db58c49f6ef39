"""WebP and GIF files: alpha, profiles, orientation, frames that are smaller than the canvas."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from PIL import Image

from sge.arrays import Array
from tests.decoder_cases.case import HEIGHT, WIDTH, Case, gray, on_white, ramp, srgb_to_linear, upright
from tests.decoder_cases.icc import (
    P3_TO_XYZ,
    SRGB_CURVE,
    gamma_curve,
    gray_profile,
    parametric_curve,
    rgb_profile,
)
from tests.decoder_cases.png_color_cases import SWAPPED, shown
from tests.drawn_images import encoded, exif


def _image(values: Array) -> Image.Image:
    return Image.fromarray(values.astype(np.uint8))


def riff(*chunks: bytes) -> bytes:
    body = b"WEBP" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def webp_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def _u24(value: int) -> bytes:
    return struct.pack("<I", value)[:3]


def vp8x(flags: int, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    return webp_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + _u24(width - 1) + _u24(height - 1))


STORED = "Chromium reads no EXIF in WebP."
ICC, ALPHA, EXIF, ANIMATION = 0x20, 0x10, 0x08, 0x02


def _webp_frames(values: Array) -> Iterator[Case]:
    part = values[:6, :8]
    packed = encoded(_image(part), "WEBP", lossless=True)[12:]

    def anmf(x: int, y: int, flags: int = 0) -> bytes:
        head = _u24(x // 2) + _u24(y // 2) + _u24(7) + _u24(5) + _u24(50) + bytes([flags])
        return webp_chunk(b"ANMF", head + packed)

    for background, name in ((b"\xff\xff\xff\xff", "white"), (b"\0\0\xff\xff", "red"), (bytes(4), "clear")):
        anim = webp_chunk(b"ANIM", background + b"\0\0")
        wanted = np.full((HEIGHT, WIDTH, 3), 255.0)
        wanted[4:10, 6:14] = part
        for flags in (0, 2):
            yield Case(
                f"webp first frame is a part, background {name}, flags {flags}",
                riff(vp8x(ANIMATION | ALPHA), anim, anmf(6, 4, flags), anmf(0, 0)),
                wanted,
            )
    yield Case("webp of one frame", riff(vp8x(ANIMATION), webp_chunk(b"ANIM", bytes(6)), anmf(6, 4)), wanted)


def _webp() -> Iterator[Case]:
    rgb, rgba = ramp(3, 255), ramp(4, 255)
    image, alpha = _image(rgb), _image(rgba)
    lossless = encoded(image, "WEBP", lossless=True)
    clear = on_white(rgba[..., :3], rgba[..., 3] / 255)
    swap = rgb_profile(SWAPPED, parametric_curve(*SRGB_CURVE), "sRGB")
    p3 = rgb_profile(P3_TO_XYZ, parametric_curve(*SRGB_CURVE))
    swapped = shown(rgb, SWAPPED, srgb_to_linear)
    yield Case("webp lossless", lossless, rgb)
    yield Case("webp lossy", encoded(image, "WEBP", quality=100), rgb, 40)
    yield Case("webp lossless alpha", encoded(alpha, "WEBP", lossless=True, exact=True), clear, 1.6)
    yield Case("webp lossy alpha", encoded(alpha, "WEBP", quality=100), clear, 40)
    yield Case("webp lossy coarse alpha", encoded(alpha, "WEBP", quality=80, alpha_quality=20), None)
    yield Case("webp of a palette", encoded(image.quantize(8), "WEBP", lossless=True), None)
    yield Case("webp profile swapped", encoded(image, "WEBP", lossless=True, icc_profile=swap), swapped, 2.5)
    yield Case(
        "webp profile P3",
        encoded(image, "WEBP", lossless=True, icc_profile=p3),
        shown(rgb, P3_TO_XYZ, srgb_to_linear),
        2.5,
    )
    yield Case("webp lossy profile", encoded(image, "WEBP", quality=100, icc_profile=swap), None)
    yield Case(
        "webp alpha profile", encoded(alpha, "WEBP", lossless=True, exact=True, icc_profile=swap), None
    )
    yield Case(
        "webp gray profile",
        encoded(image, "WEBP", lossless=True, icc_profile=gray_profile(gamma_curve(1))),
        rgb,
    )
    chunks = lossless[12:]
    yield Case("webp profile without its flag", riff(vp8x(0), webp_chunk(b"ICCP", swap), chunks), None)
    yield Case("webp profile after the pixels", riff(vp8x(ICC), chunks, webp_chunk(b"ICCP", swap)), None)
    yield Case("webp profile broken", riff(vp8x(ICC), webp_chunk(b"ICCP", b"no"), chunks), rgb)
    for turn in range(1, 9):
        data = encoded(image, "WEBP", lossless=True, exif=exif(turn))
        yield Case(f"webp exif {turn}", data, upright(rgb, turn), chromium=STORED if turn > 1 else "")
    bare = webp_chunk(b"EXIF", exif(6).removeprefix(b"Exif\0\0"))
    yield Case(
        "webp exif without its prefix", riff(vp8x(EXIF), chunks, bare), upright(rgb, 6), chromium=STORED
    )
    yield Case("webp exif without its flag", riff(vp8x(0), chunks, bare), rgb)
    yield Case(
        "webp exif before the pixels", riff(vp8x(EXIF), bare, chunks), upright(rgb, 6), chromium=STORED
    )
    yield Case("webp exif broken", riff(vp8x(EXIF), chunks, webp_chunk(b"EXIF", b"MM\0*x")), rgb)
    yield Case("webp with bytes after its end", lossless + b"more" * 20, rgb)
    yield Case(
        "webp alpha without its flag",
        riff(vp8x(0), encoded(alpha, "WEBP", lossless=True, exact=True)[12:]),
        clear,
        1.6,
        chromium="Chromium adds the premultiplied colors to white.",
    )
    yield Case("webp with an unknown chunk", riff(vp8x(0), webp_chunk(b"ABCD", b"x"), chunks), rgb)
    yield from _webp_frames(rgb)
    frames = [image, image.rotate(180)]
    yield Case(
        "webp animated", encoded(image, "WEBP", save_all=True, append_images=frames[1:], lossless=True), rgb
    )


def lzw(indices: Array) -> bytes:
    """Codes of a GIF without compression: 8-bit values in 9-bit codes, cleared before the width would grow."""
    codes = [256]
    for at, value in enumerate(indices.reshape(-1).tolist()):
        if at and at % 200 == 0:
            codes.append(256)
        codes.append(int(value))
    codes.append(257)
    bits = "".join(f"{code:09b}" for code in reversed(codes))
    packed = int(bits, 2).to_bytes(-(-len(bits) // 8), "little")
    blocks = b"".join(
        bytes([len(packed[at : at + 255])]) + packed[at : at + 255] for at in range(0, len(packed), 255)
    )
    return b"\x08" + blocks + b"\0"


def gif_frame(
    indices: Array,
    left: int = 0,
    top: int = 0,
    *,
    hidden: int | None = None,
    disposal: int = 0,
    palette: Array | None = None,
    interlaced: bool = False,
) -> bytes:
    """One frame; a local palette has 256 colors."""
    height, width = indices.shape
    if interlaced:
        indices = np.concatenate([indices[0::8], indices[4::8], indices[2::4], indices[1::2]])
    control = (
        b"\x21\xf9\x04" + bytes([disposal * 4 + (hidden is not None)]) + b"\x05\0" + bytes([hidden or 0, 0])
    )
    flags = (0x87 if palette is not None else 0) + 0x40 * interlaced
    head = b"," + struct.pack("<4HB", left, top, width, height, flags)
    return control + head + (b"" if palette is None else palette.astype(np.uint8).tobytes()) + lzw(indices)


def gif_file(
    *frames: bytes,
    palette: Array | None,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    background: int = 0,
    end: bytes = b";",
) -> bytes:
    flags = 0xF7 if palette is not None else 0x70
    head = b"GIF89a" + struct.pack("<2H3B", *size, flags, background, 0)
    return head + (b"" if palette is None else palette.astype(np.uint8).tobytes()) + b"".join(frames) + end


def _gif() -> Iterator[Case]:
    colors = np.random.RandomState(5).randint(0, 256, (256, 3)).astype(float)
    others = 255 - colors
    whole = (np.arange(WIDTH * HEIGHT) % 256).reshape(HEIGHT, WIDTH)
    rgb = colors[whole]
    small = whole[:5, :7]
    yield Case("gif", gif_file(gif_frame(whole), palette=colors), rgb)
    yield Case("gif interlaced", gif_file(gif_frame(whole, interlaced=True), palette=colors), rgb)
    yield Case("gif local palette", gif_file(gif_frame(whole, palette=others), palette=colors), others[whole])
    yield Case(
        "gif local palette alone", gif_file(gif_frame(whole, palette=others), palette=None), others[whole]
    )
    yield Case(
        "gif without a palette",
        gif_file(gif_frame(whole), palette=None),
        gray(whole.astype(float)),
        chromium="Chromium shows black.",
    )
    wanted = rgb.copy()
    wanted[whole == 9] = 255
    yield Case("gif hides a color", gif_file(gif_frame(whole, hidden=9), palette=colors), wanted)
    placed = np.full_like(rgb, 255)
    placed[3:8, 4:11] = colors[small]
    for background in (0, 7):
        for hidden in (None, 7):
            name = f"background {background}, hides {hidden}"
            shown_part = placed.copy()
            if hidden is not None:
                shown_part[3:8, 4:11][small == hidden] = 255
            data = gif_file(gif_frame(small, 4, 3, hidden=hidden), palette=colors, background=background)
            yield Case(f"gif first frame is a part, {name}", data, shown_part)
    local = placed.copy()
    local[3:8, 4:11] = others[small]
    yield Case(
        "gif part with a local palette",
        gif_file(gif_frame(small, 4, 3, palette=others), palette=colors),
        local,
    )
    for disposal in range(4):
        data = gif_file(gif_frame(small, 4, 3, disposal=disposal), gif_frame(whole), palette=colors)
        yield Case(f"gif two frames, disposal {disposal}", data, placed)
    yield Case("gif frame past the edge", gif_file(gif_frame(whole, 9, 9), palette=colors), None)
    yield Case(
        "gif frame larger than the canvas", gif_file(gif_frame(whole), palette=colors, size=(9, 9)), None
    )
    yield Case("gif canvas of 0 x 0", gif_file(gif_frame(whole), palette=colors, size=(0, 0)), None)
    yield Case("gif without its trailer", gif_file(gif_frame(whole), palette=colors, end=b""), rgb)
    yield Case(
        "gif with bytes after its end", gif_file(gif_frame(whole), palette=colors, end=b";more" * 9), rgb
    )
    yield Case(
        "gif whose second frame is cut",
        gif_file(gif_frame(whole), gif_frame(whole)[:99], palette=colors, end=b""),
        rgb,
    )
    comment = b"\x21\xfe\x04text\0"
    yield Case("gif with a comment", gif_file(comment + gif_frame(whole), palette=colors), rgb)
    profile = rgb_profile(SWAPPED, gamma_curve(2.2))
    packed = b"".join(
        bytes([len(profile[at : at + 255])]) + profile[at : at + 255] for at in range(0, len(profile), 255)
    )
    yield Case(
        "gif with a profile",
        gif_file(b"\x21\xff\x0bICCRGBG1012" + packed + b"\0" + gif_frame(whole), palette=colors),
        None,
    )
    yield Case("gif 87a", b"GIF87a" + gif_file(gif_frame(whole), palette=colors)[6:], rgb)


def webp_gif_cases() -> Iterator[Case]:
    """All of them."""
    yield from _webp()
    yield from _gif()
