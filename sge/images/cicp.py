"""Color spaces by the numbers of ITU-T H.273: cICP in a PNG, nclx in an AVIF."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sge.images.hdr import HLG, PQ, HdrSpace
from sge.images.profiles import SRGB_CURVE, SRGB_PRIMARIES, Curve, rgb_profile

Space = bytes | HdrSpace
"""What pixel values mean: an ICC profile, or a space of more than the standard brightness."""

_D65 = SRGB_PRIMARIES[:2]
_PRIMARIES: dict[int, tuple[float, ...]] = {
    1: SRGB_PRIMARIES,
    4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    10: (1 / 3, 1 / 3, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
"""White, red, green and blue as x, y (table 2)."""

_BT1886 = Curve(2.4)
_CURVES: dict[int, Curve] = {
    1: _BT1886,
    4: Curve(2.2),
    5: Curve(2.8),
    6: _BT1886,
    7: Curve(1 / 0.45, 0.899626676224, 0.100373323776, 0.25, 0.091286342118),
    8: Curve(1.0),
    11: _BT1886,
    13: SRGB_CURVE,
    14: _BT1886,
    15: _BT1886,
    17: Curve(2.6, (52.37 / 48) ** (1 / 2.6)),
}
"""Table 3, as Chromium decodes it: the curves of television are those of its displays (ITU-R BT.1886)."""
_HDR = {16: PQ, 18: HLG}
_TELEVISION = {1, 6, 11, 14, 15}
_UNSPECIFIED, _SRGB_TRANSFER, _SRGB_NUMBER = 2, 13, 1


@dataclass(frozen=True)
class Stated:
    """The color space that a file states by numbers."""

    space: Space | None = None
    """None for sRGB, or if the numbers are not known."""
    known: bool = True
    notes: tuple[str, ...] = ()


def png_space(primaries: int, transfer: int) -> Stated:
    """The color space of a cICP chunk without matrix and of full range."""
    return _stated(primaries, transfer, "cICP")


def avif_space(primaries: int, transfer: int) -> Stated:
    """The color space of an nclx box; what it leaves open is sRGB's, and so is the curve of television (Chromium)."""
    transfer = _SRGB_TRANSFER if transfer in _TELEVISION | {_UNSPECIFIED} else transfer
    stated = _stated(_SRGB_NUMBER if primaries == _UNSPECIFIED else primaries, transfer, "nclx")
    return replace(stated, known=True)


def _stated(primaries: int, transfer: int, source: str) -> Stated:
    if (primaries, transfer) == (_SRGB_NUMBER, _SRGB_TRANSFER):
        return Stated()
    if primaries in _PRIMARIES and transfer in _HDR:
        space = HdrSpace(_PRIMARIES[primaries], _HDR[transfer])
        note = f"The image is HDR ({space.kind}); it was mapped to the brightness of a standard display."
        return Stated(space, notes=(note,))
    profile = None
    if primaries in _PRIMARIES and transfer in _CURVES:
        profile = rgb_profile(_PRIMARIES[primaries], _CURVES[transfer])
    if profile is None:
        note = f"The image states a color space that is not known ({source} {primaries}, {transfer}); it was ignored."
        return Stated(known=False, notes=(note,))
    return Stated(profile)
