"""Benchmarks that report ratios within one run, because single times on a shared machine vary too much."""
