"""Made-up analyses whose every number is known."""

from __future__ import annotations

from typing import Literal

import numpy as np
from PIL import Image

from sge.analysis import Ablation, Attribution, BlockInfo, GradCam, ImageInfo, ModelInfo, Prediction
from sge.analysis.analysis import Analysis
from sge.arrays import Array
from sge.images.geometry import Box, Geometry
from sge.parts.finder import GroupWeight, Part, PartMap

FINE, COARSE = "layer1.0", "layer2.0"


def made(
    size: tuple[int, int] = (80, 60),
    window: Box | None = None,
    grids: dict[str, tuple[int, int]] | None = None,
    groups: int = 8,
    framing: str = "whole",
    seed: int = 0,
) -> Analysis:
    """Two blocks of random maps over a gray image; the fine block's gates are active, the coarse one's are inactive."""
    grids = grids or {FINE: (6, 8), COARSE: (3, 4)}
    rs = np.random.RandomState(seed)
    similarity = {
        name: rs.standard_normal((groups, *grid)).astype(np.float32) for name, grid in grids.items()
    }
    masks = {name: (1 / (1 + np.exp(-values))).astype(np.float32) for name, values in similarity.items()}
    masks[COARSE] = np.full_like(masks[COARSE], 0.73)
    terms = {name: rs.random_sample(groups).astype(np.float32) for name in grids}
    return Analysis(
        image_info=ImageInfo(
            "grey.png", *size, "PNG", "ab" * 32, ("The profile is damaged and was ignored.",)
        ),
        model=ModelInfo(
            "made",
            "Made up",
            "Knows nothing.",
            "tuned",
            None,
            notes=("The labels are assumed to be ImageNet's.",),
        ),
        predictions=[Prediction("tabby </script>", 0.75, 281), Prediction("Ünï 犬", 0.25, 1)],
        blocks=[
            BlockInfo(name, groups, *grids[name], stride, 64, inactive)
            for name, stride, inactive in ((FINE, 8, 0), (COARSE, 16, groups))
        ],
        masks=masks,
        similarity=similarity,
        energy={name: values / values.sum() for name, values in terms.items()},
        geometry=Geometry(size, (64, 64), window or Box(0.0, 0.0, *map(float, size)), framing, grids),
        part_maps={"nose": PartMap(_hill(), 0.4, [GroupWeight(FINE, 3, 0.75), GroupWeight(COARSE, 1, 0.25)])},
        parts=[Part("nose", 40.5, 30.25, 0.9, Box(30.0, 20.0, 50.0, 40.0))],
        image=Image.new("RGB", size, (128, 128, 128)),
    )


def _hill() -> Array:
    y, x = np.mgrid[:12, :16]
    hill: Array = (0.9 * np.exp(-((x - 8) ** 2 + (y - 6) ** 2) / 8)).astype(np.float32)
    return hill


def made_attribution(analysis: Analysis, seed: int = 0) -> Attribution:
    """Effects of every group of an analysis, with a Grad-CAM."""
    rs = np.random.RandomState(seed)
    effect, spatial = (
        {block.name: rs.standard_normal(block.groups).astype(np.float32) for block in analysis.blocks}
        for _ in range(2)
    )
    method: dict[str, Literal["gradient", "ablation"]] = {block.name: "gradient" for block in analysis.blocks}
    method[COARSE] = "ablation"
    return Attribution(
        analysis.predictions[0], 3.25, effect, spatial, method, GradCam(_hill(), "layer2.0.conv")
    )


def made_ablation(classes: int = 9, draws: int = 4, temperature: float = 1.5, seed: int = 0) -> Ablation:
    """Scores of an ablation whose every class changes."""
    rs = np.random.RandomState(seed)
    logits = (3 * rs.standard_normal((2 + draws, classes))).astype(np.float32)
    scores = np.exp(logits / temperature, dtype=np.float32)
    scores /= scores.sum(1, keepdims=True)
    return Ablation(
        before=scores[0],
        after=scores[1],
        controls=scores[2:],
        logits_before=logits[0],
        logits_after=logits[1],
        logits_controls=logits[2:],
        mode="zero",
        groups={FINE: [2, 5], COARSE: [0]},
        control_groups=[{FINE: [draw, 7], COARSE: [draw]} for draw in range(draws)],
        labels=[f"class {index}, Ünï" for index in range(classes)],
        seed=3,
    )
