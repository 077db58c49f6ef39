"""Image, predictions and groups on one sheet."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image

from sge.analysis.contact_sheet import draw_contact_sheet
from sge.analysis.summary import draw_summary
from sge.errors import AnalysisFileError
from tests.analyses import COARSE, made


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB"), np.int64)


def test_without_an_image_there_is_no_summary() -> None:
    with pytest.raises(AnalysisFileError, match="holds no image"):
        draw_summary(dataclasses.replace(made(), image=None))


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 60), (1, 1), (1, 500), (3000, 20), (4000, 3000)])
def test_a_summary_never_distorts_the_image(size: tuple[int, int]) -> None:
    # The ring of a part would cover the corner of a large image.
    analysis = dataclasses.replace(made(size), image=Image.new("RGB", size, (10, 200, 30)), parts=[])
    analysis.similarity[COARSE] = np.zeros_like(analysis.similarity[COARSE])
    analysis.masks[COARSE] = np.zeros_like(analysis.masks[COARSE])
    sheet = pixels(draw_summary(analysis))
    color = sheet[8, 8]
    wide = int((sheet[8, :] == color).all(1).sum())
    high = int((sheet[:, 8] == color).all(1).sum())
    assert wide <= 1280
    assert high <= 640
    factor = min(1280 / size[0], 640 / size[1])
    assert wide == pytest.approx(max(1, size[0] * factor), abs=1)
    assert high == pytest.approx(max(1, size[1] * factor), abs=1)


@pytest.mark.slow
def test_texts_and_groups_of_a_summary_never_overlap() -> None:
    analysis = made((1, 500), groups=256)  # The sheet of groups is higher than the image.
    long = dataclasses.replace(analysis.predictions[0], label="w" * 60)
    analysis = dataclasses.replace(analysis, predictions=[long])
    sheet = pixels(draw_summary(analysis))
    groups = draw_contact_sheet(analysis, analysis.default_block)
    assert groups.height > 700
    np.testing.assert_array_equal(sheet[8 : 8 + groups.height, -groups.width - 8 : -8], pixels(groups))


def test_the_group_of_the_models_card_is_named() -> None:
    analysis = made((400, 300))
    plain = draw_summary(analysis)
    opening = {"block": COARSE, "group": 2, "reason": "it follows noses"}
    opened = draw_summary(
        dataclasses.replace(analysis, model=dataclasses.replace(analysis.model, opens_with=opening))
    )
    assert plain.tobytes() != opened.tobytes()
    outside = {"block": COARSE, "group": 99, "reason": "there is none"}
    ignored = draw_summary(
        dataclasses.replace(analysis, model=dataclasses.replace(analysis.model, opens_with=outside))
    )
    assert ignored.tobytes() == plain.tobytes()


def test_a_label_of_any_length_is_cut() -> None:
    analysis = made((40, 30))
    long = dataclasses.replace(analysis.predictions[0], label="w" * 2_000_000)
    sheet = draw_summary(dataclasses.replace(analysis, predictions=[long]))
    assert sheet.width < 3000
