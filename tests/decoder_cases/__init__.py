"""Synthesised image files of every format and mode, each with the pixels that it shows."""
