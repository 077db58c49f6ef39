"""Names of devices and precisions."""

from __future__ import annotations

import pytest
import torch

from sge.devices import autocast, find_device, find_precision
from sge.errors import ChoiceError


def test_devices_that_every_machine_has():
    assert find_device("cpu") == torch.device("cpu")
    assert find_device("auto").type in ("cpu", "cuda")


@pytest.mark.parametrize("name", ["meta", "toaster", "cuda:99", ""])
def test_a_device_that_is_not_there(name):
    with pytest.raises(ChoiceError, match="choose auto or cpu"):
        find_device(name)


def test_precisions():
    assert find_precision("auto") == "float32"
    assert find_precision("bfloat16") == "bfloat16"
    with pytest.raises(ChoiceError, match="auto, float32, bfloat16, float16"):
        find_precision("int8")


def test_autocast():
    x = torch.ones(2, 2)
    for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        with autocast(torch.device("cpu"), name):
            assert (x @ x).dtype == dtype
