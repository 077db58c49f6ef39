"""Every script can be imported and read: its module runs nothing, and its docstring names its command."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import scripts

MODULES = [module.name for module in pkgutil.walk_packages(scripts.__path__, "scripts.") if not module.ispkg]


@pytest.mark.parametrize("name", MODULES)
def test_a_script_can_be_imported(name):
    module = importlib.import_module(name)
    if hasattr(module, "main"):
        assert f"python -m {name}" in module.__doc__
