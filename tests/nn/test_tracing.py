"""Networks with SGE can be traced, scripted, exported and compiled; the result equals the network at every size."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from sge.errors import CaptureError, GroupsError, ShapeError
from sge.nn import SpatialGroupEnhance, build_resnet, insert_sge, spatial_blocks
from sge.nn.capture import Capture
from sge.nn.intervention import edit_masks
from sge.nn.mask_capture import MaskCapture
from sge.nn.module import group_similarity
from tests.conftest import fill
from tests.nn.networks import randomize_gates, small

SIZES = [(2, 32, 32), (1, 64, 32), (3, 40, 72), (2, 1, 1)]
"""Numbers of rows, heights and widths; 1 x 1 has no deviation over space."""


def images(rows: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(height * width)
    return torch.randn(rows, 3, height, width, generator=generator)


def named_site() -> nn.Module:
    body = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 8, 1), nn.Sigmoid())
    return randomize_gates(insert_sge(body, 4, ["0", "3"]))


def blocks(attention: str) -> nn.Module:
    """A stem and two residual blocks."""
    return nn.Sequential(nn.Conv2d(3, 64, 3, 4, 1), fill(build_resnet(18, attention, 3).layer1))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "module": small,
    "named site": named_site,
    **{kind: partial(blocks, kind) for kind in ("sge", "cbam", "gc")},
}


def traced(network: nn.Module) -> nn.Module:
    # Without the check, which would run the network once more.
    return torch.jit.trace(network, images(2, 24, 32), check_trace=False)


def exported(network: nn.Module) -> nn.Module:
    dims = {0: torch.export.Dim("n"), 2: torch.export.Dim("h"), 3: torch.export.Dim("w")}
    return torch.export.export(network, (images(2, 24, 32),), dynamic_shapes=(dims,)).module()


@pytest.fixture(autouse=True)
def no_deprecations() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch._dynamo.reset()
        yield


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    return {kind: make().eval() for kind, make in NETWORKS.items()}


WAYS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "fx": torch.fx.symbolic_trace,
    "jit.trace": traced,
    "jit.script": torch.jit.script,
}


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("way", WAYS)
def test_every_way_gives_the_network_at_every_size(
    networks: dict[str, nn.Module], way: str, kind: str
) -> None:
    network = networks[kind]
    with torch.no_grad():
        made = WAYS[way](network)
        for size in SIZES:
            x = images(*size)
            for layout in (torch.contiguous_format, torch.channels_last):
                expected = network(x.to(memory_format=layout))
                assert (
                    made(x.to(memory_format=layout)) - expected
                ).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("kind", ["module", "named site"])
def test_export_with_sizes_that_change(networks: dict[str, nn.Module], kind: str) -> None:
    with torch.no_grad():
        made = exported(networks[kind])
        for size in SIZES[:3]:
            if size[0] > 1:
                torch.testing.assert_close(made(images(*size)), networks[kind](images(*size)))


@pytest.mark.parametrize(
    ("how", "backend"),
    [("whole", "aot_eager"), ("in place", "eager"), ("stage", "eager"), ("block", "aot_eager")],
)
def test_compiled_networks_are_captured_eagerly(how: str, backend: str) -> None:
    network, x = small(nn.Conv2d(8, 8, 1), SpatialGroupEnhance(8, 2)), images(2, 16, 16)
    randomize_gates(network)
    with torch.no_grad(), MaskCapture(network, energy=True) as plain:
        expected = network(x)
    compiled: nn.Module = network
    if how == "whole":
        compiled = torch.compile(network, backend=backend)
    elif how == "in place":
        network.compile(backend=backend)
    else:
        number = 1 if how == "block" else 0
        network[number] = torch.compile(network[number], backend=backend)
    assert list(spatial_blocks(compiled)) == ["1", "3"]
    with torch.no_grad():
        torch.testing.assert_close(compiled(x), expected)
        with MaskCapture(compiled, energy=True) as seen:
            compiled(x)
        for name, mask in plain.masks.items():
            torch.testing.assert_close(seen.masks[name], mask)
            torch.testing.assert_close(seen.energy[name], plain.energy[name])
        with edit_masks(compiled, {"1": torch.zeros_like}) as calls:
            assert not torch.allclose(compiled(x), expected)
        assert calls == {"1": 1}
        torch.testing.assert_close(compiled(x), expected)


def test_a_feature_extractor_reads_masks_by_name() -> None:
    network = blocks("sge").eval()
    extractor = create_feature_extractor(network, {"1.1.sge.gate": "mask", "1.0.sge": "out"})
    for size in SIZES:
        with torch.no_grad(), MaskCapture(network, "1.1") as seen:
            network(images(*size))
            assert torch.equal(extractor(images(*size))["mask"], seen.masks["1.1"])


def test_a_traced_graph_can_be_pickled_and_keeps_the_checks() -> None:
    made = torch.fx.symbolic_trace(small())
    again = pickle.loads(pickle.dumps(made))
    x = images(1, 8, 8)
    assert torch.equal(made(x), again(x))
    wrong = torch.fx.symbolic_trace(SpatialGroupEnhance(groups=4))
    with pytest.raises(ShapeError, match="needs a feature map"):
        wrong(torch.zeros(2, 8))
    with pytest.raises(GroupsError, match="3 groups would"):
        wrong(torch.zeros(2, 3, 4, 4))


@pytest.mark.parametrize("way", ["fx", "jit.trace", "export"])
def test_what_is_traced_inside_a_capture_or_edit_has_neither(way: str) -> None:
    network, x = small(), images(2, 24, 32)
    make = {**WAYS, "export": exported}[way]
    with torch.no_grad():
        expected = network(x)
        with (
            Capture(network, energy=True, outputs=["0"]) as seen,
            edit_masks(network, {"1": torch.zeros_like}),
        ):
            made = make(network)
    with torch.no_grad():
        torch.testing.assert_close(made(x), expected)
    with pytest.raises(CaptureError, match="No forward pass"):
        _ = seen.masks


def test_traced_networks_say_that_they_have_no_modules() -> None:
    for made in (torch.fx.symbolic_trace(small()), torch.jit.script(small())):
        with pytest.raises(CaptureError, match=r"traced, scripted or exported.*made from"):
            MaskCapture(made)


def test_meta_tensors_and_maps_without_positions() -> None:
    with torch.device("meta"):
        network = small()
    with MaskCapture(network) as seen:
        assert network(torch.zeros(1, 3, 8, 8, device="meta")).shape == (1, 8, 8, 8)
    assert seen.masks["1"].shape == (1, 4, 8, 8)
    with pytest.raises(ShapeError, match="needs a feature map"):
        group_similarity(torch.zeros(1, 8, 0, 4), 4)
    assert SpatialGroupEnhance(8, 4)(torch.zeros(0, 8, 3, 3)).shape == (0, 8, 3, 3)
