"""Accuracy, calibration and gate measurements over labelled images."""
