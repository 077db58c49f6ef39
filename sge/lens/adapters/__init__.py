"""Adapters: what a network returned, read as logits, as boxes, or as neither."""

from sge.lens.adapters.choice import ADAPTERS, find_adapter
from sge.nn import Adapter, Output

__all__ = ["ADAPTERS", "Adapter", "Output", "find_adapter"]
