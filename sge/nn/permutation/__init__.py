"""Permutes the channels of a network without changing its outputs.

``permute.py`` applies permutations, ``regroup.py`` finds those that group similar channels. ``families.py`` and
``residual.py`` know which tensors of a network index the same channels; ``builder.py`` collects them.
"""
