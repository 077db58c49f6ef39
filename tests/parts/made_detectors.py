"""Detectors whose weights are drawn by chance."""

from __future__ import annotations

import numpy as np

from sge.arrays import Array
from sge.parts import BlockReadout, Calibration, Detector, Pair

GROUPS = {"layer1.0": 8, "layer2.0": 8}
CHANNELS = {"layer2.0": 16}
PAIRS = {
    "nose-eye": Pair((0.0, -2.7), ((2.5, 0.0), (0.0, 1.0))),
    "eye-nose": Pair((0.0, 2.7), ((2.5, 0.0), (0.0, 1.0))),
    "eye-eye": Pair((3.0, 0.0), ((1.5, 0.0), (0.0, 0.8))),
}
CALIBRATION = Calibration((1.0, 0.1, 0.05), 1.0, (1.0, -0.5))


def made_detector(
    channels: bool = False,
    groups: dict[str, int] | None = None,
    with_channels: dict[str, int] | None = None,
    sizes: tuple[int, ...] = (256, 416),
    seed: int = 0,
) -> Detector:
    """A detector of noses and eyes; by default of the blocks of ``tests.analyses``."""
    rs = np.random.RandomState(seed)
    groups, read = groups or GROUPS, (with_channels or CHANNELS) if channels else {}

    def weights(count: int | None) -> Array | None:
        return None if count is None else (0.3 * rs.standard_normal((2, count))).astype(np.float32)

    return Detector(
        ("nose", "eye"),
        sizes,
        tuple(
            BlockReadout(name, weights(groups.get(name)), weights(read.get(name))) for name in groups | read
        ),
        (-1.0, -0.5),
        {"nose": CALIBRATION, "eye": CALIBRATION},
        dict(PAIRS),
    )
