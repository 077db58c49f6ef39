"""Permutes the channels of a network without changing its outputs."""
