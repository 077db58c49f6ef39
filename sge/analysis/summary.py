"""Draws the image with its parts, its predictions and a block's groups on one sheet."""

from __future__ import annotations

import math
from textwrap import wrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from sge.analysis.box import Box
from sge.analysis.contact_sheet import FAINT, INK, PAPER, draw_contact_sheet
from sge.analysis.data import AnalysisData
from sge.analysis.overlay import draw_overlay
from sge.analysis.part_words import key_in_words, parts_in_words
from sge.analysis.prediction import Prediction
from sge.text import shortened

MAX_IMAGE = (1280, 640)
"""Maximum width and height of the image on a summary, in pixels."""
MAX_BOXES = 8
"""Number of boxes that are listed."""
MAX_FACES = 6
"""Number of faces whose parts are listed; all are drawn."""
MAX_LETTERS = 80
"""Length of a label that is listed; a longer one ends with an ellipsis."""
NO_CLASSES = "No classes: the model gives none for an image."
NO_BOXES = "No boxes: the detector found nothing in this image."
_LINE_HEIGHT = 26


def draw_summary(analysis: AnalysisData, *, signal: str | None = None) -> Image.Image:
    """The image with the parts and the group that the model opens with, the predicted classes, and the block's groups.

    Args:
        analysis: With its image.
        signal: ``mask`` or ``similarity``; ``analysis.signal`` by default.

    Raises:
        ChoiceError: an unknown signal.
        AnalysisFileError: the analysis holds no image.
    """
    block = analysis.default_block
    group, reason = _opening_group(analysis, block)
    image = _reduced(draw_overlay(analysis, block, group, signal=signal, legend=False, parts=True))
    groups = draw_contact_sheet(analysis, block, signal=signal)
    small, large = ImageFont.load_default(14), ImageFont.load_default(18)
    lines = [(f"{block}/g{group}: {reason}", FAINT, small)]
    lines += [(text, INK, large) for text in _findings(analysis)]
    lines += [(text, FAINT, small) for text in _parts(analysis)]
    column = max(image.width, *(math.ceil(font.getlength(text)) for text, _, font in lines))
    height = max(image.height + _LINE_HEIGHT * (len(lines) + 1), groups.height) + 16
    sheet = Image.new("RGB", (column + groups.width + 24, height), PAPER)
    sheet.paste(image, (8, 8))
    sheet.paste(groups, (column + 16, 8))
    draw = ImageDraw.Draw(sheet)
    for number, (text, color, font) in enumerate(lines):
        draw.text((8, image.height + 16 + _LINE_HEIGHT * number), text, fill=color, font=font)
    return sheet


def _findings(analysis: AnalysisData) -> list[str]:
    """The classes and the best boxes with their scores, or that there are none."""
    lines = [f"{100 * each.score:5.1f} %   {shortened(each.label, MAX_LETTERS)}" for each in listed(analysis)]
    return lines or [nothing_found(analysis)]


def _parts(analysis: AnalysisData) -> list[str]:
    """The parts of every face, or that there are none, in lines of limited length."""
    lines = parts_in_words(analysis)
    if analysis.parts:
        lines = [*lines[:MAX_FACES], key_in_words(analysis)]
    return [part for line in lines for part in wrap(line, MAX_LETTERS)]


def listed(analysis: AnalysisData) -> list[Prediction | Box]:
    """The predicted classes, and the best boxes."""
    return [*analysis.predictions, *analysis.boxes[:MAX_BOXES]]


def nothing_found(analysis: AnalysisData) -> str:
    """What is said in place of classes and boxes where there are neither."""
    return NO_BOXES if analysis.is_detector else NO_CLASSES


def _opening_group(analysis: AnalysisData, block: str) -> tuple[int, str]:
    """The group that the model's card names and the reason, else the most focused group of the block."""
    opening = analysis.model.opens_with
    if opening and opening["block"] == block and 0 <= opening["group"] < len(analysis.maps(block)):
        return int(opening["group"]), str(opening["reason"])
    return int(np.argmax(analysis.focus(block))), "the block's most focused group"


def _reduced(image: Image.Image) -> Image.Image:
    factor = min(MAX_IMAGE[0] / image.width, MAX_IMAGE[1] / image.height)
    return image.resize((max(1, round(image.width * factor)), max(1, round(image.height * factor))))
