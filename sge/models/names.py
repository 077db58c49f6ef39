"""Names of the shipped models, and other constants of the models' files. Importing them does not import torch."""

from __future__ import annotations

import hashlib
import os
import re

from sge.text import printable

LITE0 = "sge_efficientnet_lite0"
"""EfficientNet-Lite0 with SGE: the architecture, and the shipped model with inactive gates."""

ORIGINAL_MODEL = LITE0
"""The network with inactive gates: the baseline, whose outputs are those of the published weights."""
TUNED_MODEL = f"{LITE0}_tuned"
"""The same network after gate tuning: its masks act."""
DEFAULT_MODEL = TUNED_MODEL
"""The model that commands and the service use when none is named."""
PETS_MODEL = "sge_resnet18_pets"
"""The SGE-ResNet-18 that was trained in this repository, on 45 breeds of dogs and cats."""
DOGS_MODEL = "sge_resnet18_dogs"
"""The SGE-ResNet-18 of ten dog breeds, whose weights the training of ``PETS_MODEL`` started from."""

DELTA_SUFFIX = ".delta.safetensors"
IDENTITY_PERMUTATION = hashlib.sha256().hexdigest()
"""Digest of no channel permutations; the same as ``sge.nn.IDENTITY_PERMUTATION``."""


def name_of_file(path: str | os.PathLike[str]) -> str:
    """A model's name from that of its file: without folders and endings, never empty, and printable."""
    last = re.split(r"[/\\]", os.fspath(path))[-1]
    return printable(last.lstrip(".").split(".")[0] or last)
