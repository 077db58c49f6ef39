"""Weights on disk to a model: checkpoints, deltas, cards, and the registry."""
