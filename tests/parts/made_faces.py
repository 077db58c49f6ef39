"""Made-up maps of images with faces: group 1 of the fine block responds to noses, channel 2 to eyes."""

from __future__ import annotations

import numpy as np

from sge.images import Box, Geometry
from sge.parts.columns import BlockMaps
from sge.parts.labelled_faces import Face, FacesImage

IMAGE = (160, 120)
SIZES = (64, 96, 128)


def face(number, **more):
    """A face of 40 pixels at a place that the number decides."""
    x, y = np.random.RandomState(number).uniform((40, 50), (120, 100))
    points = {
        "nose": (float(x), float(y)),
        "left_eye": (float(x) - 20, float(y) - 32),
        "right_eye": (float(x) + 20, float(y) - 32),
    }
    return Face(points, 40.0, **more)


def images(shown=24, empty=9):
    made = [FacesImage(f"{number}.png", (face(number),)) for number in range(shown)]
    return made + [FacesImage(f"empty {number}.png") for number in range(empty)]


def source_of(listed, channels=True):
    """A ``Source`` of these images."""

    def source(number, sizes):
        for size in sizes:
            rows, cols = round(size / 16), round(size / 16 * IMAGE[0] / IMAGE[1])
            rs = np.random.RandomState(1000 * number + size)
            fine = 0.4 * rs.standard_normal((3, rows, cols))
            single = 0.4 * rs.standard_normal((4, rows, cols))
            coarse = 0.4 * rs.standard_normal((2, -(-rows // 2), -(-cols // 2)))
            for one in listed[number].faces:
                for name, (x, y) in one.points.items():
                    at = int(y / IMAGE[1] * rows), int(x / IMAGE[0] * cols)
                    (fine[1] if name == "nose" else single[2])[at] = 3
                    if name != "nose" and not channels:
                        fine[2][at] = 3
            geometry = Geometry(IMAGE, (16 * cols, 16 * rows), Box(0.0, 0.0, *map(float, IMAGE)), "whole")
            yield (
                {
                    "fine": BlockMaps(
                        fine.astype(np.float32).clip(-1, 3),
                        single.astype(np.float32).clip(-1, 3) if channels else None,
                    ),
                    "coarse": BlockMaps(coarse.astype(np.float32).clip(-1, 3)),
                },
                geometry,
            )

    return source
