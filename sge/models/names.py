"""Names of the shipped models."""

from __future__ import annotations

LITE0 = "sge_efficientnet_lite0"
"""EfficientNet-Lite0 with SGE: the architecture, and the shipped model with inactive gates."""

DEFAULT_MODEL = LITE0
"""The model that commands and the service use when none is named."""
TUNED_MODEL = f"{LITE0}_tuned"
"""The default model after gate tuning."""
DOGS_MODEL = "sge_resnet18_dogs"
"""The SGE-ResNet-18 that was trained in this repository."""
