"""Inserts SGE modules into existing networks without changing their outputs.

``sites.py`` knows the blocks of known families, ``named_modules.py`` handles any module that the user names.
"""
