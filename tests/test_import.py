"""``import sge``: the public names, and what importing them costs."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

import sge
from tests.conftest import ROOT


def test_every_public_name_is_there():
    assert sorted(set(sge.__all__)) == sorted(sge.__all__)
    for name in sge.__all__:
        assert getattr(sge, name) is not None
    assert set(dir(sge)) == set(sge.__all__)


def test_type_checkers_see_the_same_names_from_the_same_modules():
    """The ``TYPE_CHECKING`` block and the table of lazy imports state the same."""
    tree = ast.parse((ROOT / "sge" / "__init__.py").read_text("utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    stated = {node.module: tuple(alias.name for alias in node.names) for node in block.body}
    assert stated == sge._MODULES
    errors = {name for name in vars(sge.errors) if name.endswith("Error")}
    assert {*sge._MODULE_OF, *errors, "__version__"} == set(sge.__all__)


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        sge.nothing  # noqa: B018
    assert not hasattr(sge, "Picture")  # the name of version 1


def test_importing_the_package_imports_nothing_heavy():
    heavy = ("torch", "timm", "torchvision", "sklearn", "matplotlib", "scipy", "PIL", "numpy")
    code = f"import sys, sge; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
