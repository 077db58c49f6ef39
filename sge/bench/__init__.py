"""Costs, as ratios within one run: single times on a shared machine mean little."""
