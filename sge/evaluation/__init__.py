"""Accuracy, calibration, confusion and gate measurements over sets of images."""
