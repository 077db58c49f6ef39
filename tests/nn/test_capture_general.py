"""Capture: inputs, outputs, gradients, calls and reductions, beyond the masks."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from sge.errors import CaptureError, UnknownBlockError
from sge.nn import insert_sge
from sge.nn.capture import Capture
from tests.nn.networks import hooks, randomize_gates, small


def test_inputs_and_outputs_of_any_module() -> None:
    network = small(nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    x = torch.randn(2, 3, 8, 8)
    with torch.no_grad(), Capture(network, inputs=["5"], outputs=["1", "5"]) as seen:
        logits = network(x)
    assert torch.equal(seen.outputs["5"], logits)
    assert torch.equal(network[5](seen.inputs["5"]), logits)
    # The in-place ReLU has overwritten SGE's output, but not its recorded copy.
    assert float(seen.outputs["1"].min()) < 0
    assert list(seen.masks) == ["1"]
    assert seen.calls == {"1": 1, "5": 2}
    assert hooks(network) == 0


def test_the_input_is_recorded_before_the_module_runs() -> None:
    network = nn.Sequential(nn.Identity(), nn.ReLU(inplace=True))
    x = torch.randn(2, 3, 8, 8)
    before = x.clone()
    with Capture(network, inputs=["1"]) as seen:
        network(x)
    assert torch.equal(seen.inputs["1"], before)
    assert not torch.equal(x, before)


def test_a_network_without_maps() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1))
    with Capture(network, outputs=["0"]) as seen:
        network(torch.zeros(1, 3, 2, 2))
    assert seen.masks == {}
    assert seen.outputs["0"].shape == (1, 4, 2, 2)


def test_no_blocks_on_request() -> None:
    network = small()
    with Capture(network, ()) as seen:
        network(torch.zeros(1, 3, 2, 2))
    assert seen.masks == {}


def test_grad_records_the_graph() -> None:
    network = randomize_gates(insert_sge(torchvision.models.resnet18(num_classes=5), 16, ["layer1.0"]))
    gate = network.layer1[0].sge
    with Capture(network, energy=True, inputs=["fc"], outputs=["layer1.0"], grad=True) as seen:
        network(torch.randn(2, 3, 32, 32))
    (seen.masks["layer1.0"].mean() + seen.outputs["layer1.0"].square().mean()).backward(retain_graph=True)
    assert float(gate.bias.grad.abs().min()) > 0
    assert seen.inputs["fc"].requires_grad
    assert seen.outputs["layer1.0"].requires_grad
    assert not seen.energy["layer1.0"].requires_grad
    assert seen.similarity["layer1.0"].requires_grad


def test_reduce_is_applied_at_once_and_without_gradients() -> None:
    network = small()
    with Capture(
        network, (), inputs=["1"], outputs=["1"], reduce=lambda features: features.mean((2, 3))
    ) as seen:
        network(torch.randn(2, 3, 8, 8))
    assert seen.inputs["1"].shape == seen.outputs["1"].shape == (2, 8)
    assert not seen.inputs["1"].requires_grad


def test_an_output_that_is_no_tensor_is_recorded_as_it_is() -> None:
    class Pair(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, str]:
            return x, "second"

    network = nn.Sequential(Pair())
    with Capture(network, outputs=["0"]) as seen:
        network(torch.zeros(1))
    assert seen.outputs["0"][1] == "second"


def test_errors() -> None:
    network = small()
    with pytest.raises(UnknownBlockError, match="Sequential has no module layer9"):
        Capture(network, outputs=["layer9"])
    with pytest.raises(UnknownBlockError, match="No block layer9; there are: 1"):
        Capture(network, ["layer9"])
    capture = Capture(network, outputs=["0"])
    with capture, pytest.raises(CaptureError, match="open already"), capture:
        pass
    with pytest.raises(CaptureError, match="No forward pass has gone through 0"):
        _ = capture.outputs


def test_another_number_of_rows_is_refused() -> None:
    network = small()
    with Capture(network, rows=4) as seen:
        network(torch.zeros(2, 3, 4, 4))
    with pytest.raises(CaptureError, match="2 of 4 images"):
        _ = seen.masks
