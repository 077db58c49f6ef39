"""Bytes to a frame, and cells back to pixels."""
