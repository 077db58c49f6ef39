"""Puts SGE modules into existing networks."""
