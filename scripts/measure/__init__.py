"""Measurements of shipped models."""
