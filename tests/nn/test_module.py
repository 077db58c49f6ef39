"""The module against reference arrays; memory formats, dtypes and unusual shapes."""

from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.errors import GroupsError, ShapeError
from sge.nn import SpatialGroupEnhance, group_similarity
from sge.nn.module import masked, nearest_divisor

CASES = [
    *(f"c{i:02d}" for i in range(1, 9)),
    *("c09_tiny", "c10_large", "c11_const", "c12_2x1", "c13_1x1"),
]


def active(channels: int, groups: int, seed: int = 0) -> SpatialGroupEnhance:
    module = SpatialGroupEnhance(channels, groups)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        module.weight.normal_(generator=generator)
        module.bias.normal_(generator=generator)
    return module


def by_the_formula(x: torch.Tensor, module: SpatialGroupEnhance) -> torch.Tensor:
    """The paper's equations, group by group, in float64."""
    out = torch.empty_like(x, dtype=torch.float64)
    size = x.shape[1] // module.groups
    for n in range(x.shape[0]):
        for g in range(module.groups):
            part = x[n, g * size : (g + 1) * size].double()
            mean = part.mean((1, 2))
            c = torch.einsum("c,chw->hw", mean, part)
            t = (c - c.mean()) / (c.std() + 1e-5)
            mask = torch.sigmoid(module.weight[0, g].double() * t + module.bias[0, g].double())
            out[n, g * size : (g + 1) * size] = part * mask
    return out


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("case", CASES)
def test_equals_the_reference_arrays(shared, case, layout):
    arrays = np.load(shared / "reference" / "sge_module.npz")
    facts = json.loads((shared / "reference" / "sge_module.json").read_text())[case]
    x = torch.from_numpy(arrays[f"{case}.x"]).to(memory_format=layout)
    module = SpatialGroupEnhance(facts["C"], facts["G"])
    module.load_state_dict({k: torch.from_numpy(arrays[f"{case}.{k}"]) for k in ("weight", "bias")})
    seen = {}
    module.gate.register_forward_hook(lambda _m, inputs, output: seen.update(t=inputs[0], mask=output))
    out = module(x)
    if facts["nan"]:
        assert np.isnan(arrays[f"{case}.out"]).all()
        assert torch.equal(seen["t"], torch.zeros_like(seen["t"]))
        assert torch.equal(seen["mask"], torch.sigmoid(module.bias).expand_as(seen["mask"]))
        return
    # Where all positions are equal, both sides are rounding noise of up to 0.024, with either sign.
    loose = 0.05 if case == "c11_const" else 1e-5
    for name, ours in (("t", seen["t"]), ("mask", seen["mask"]), ("out", out)):
        theirs = arrays[f"{case}.{name}"]
        scale = max(1.0, float(np.abs(theirs).max()))
        np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=1e-5, atol=loose * scale)


@given(
    n=st.integers(1, 3),
    groups=st.integers(1, 6),
    size=st.integers(1, 5),
    height=st.integers(1, 9),
    width=st.integers(2, 9),
    seed=st.integers(0, 99),
    last=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_equals_the_formula_on_any_shape(n, groups, size, height, width, seed, last):
    x = torch.randn(n, groups * size, height, width, generator=torch.Generator().manual_seed(seed))
    module = active(groups * size, groups, seed)
    layout = torch.channels_last if last else torch.contiguous_format
    torch.testing.assert_close(
        module(x.to(memory_format=layout)).double(), by_the_formula(x, module), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_keeps_the_memory_format(layout):
    x = torch.randn(2, 32, 6, 5).to(memory_format=layout)
    out = active(32, 8)(x)
    assert out.is_contiguous(memory_format=layout)
    assert out.stride() == x.stride()


def test_a_view_without_a_layout_works():
    x = torch.randn(2, 64, 12, 10)[:, ::2, ::2, 1::2]
    module = active(32, 8)
    torch.testing.assert_close(module(x), module(x.contiguous()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_half_precision_does_not_overflow(dtype, layout):
    """Sums over 112x112 positions of values near 200 exceed the range of float16 (65504)."""
    x = (200 * torch.rand(1, 64, 112, 112, generator=torch.Generator().manual_seed(1))).to(dtype)
    x = x.to(memory_format=layout)
    module = active(64, 16)
    exact = module(x.float())
    with torch.autocast("cpu", dtype=dtype):
        out = module(x)
    assert out.dtype == dtype
    assert torch.isfinite(out).all()
    torch.testing.assert_close(out.float(), exact, rtol=1e-2, atol=0.5)
    similarity = group_similarity(x, 16)
    assert similarity.dtype == torch.float32
    torch.testing.assert_close(similarity, group_similarity(x.float(), 16))


def test_autocast_leaves_float32_statistics_alone():
    x = 300 * torch.rand(1, 32, 56, 56)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = group_similarity(x, 8)
    assert torch.equal(inside, group_similarity(x, 8))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_in_float64(layout):
    module = active(8, 4).double()
    x = torch.randn(2, 8, 3, 4, dtype=torch.float64).to(memory_format=layout).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, _w, _b: module(x), (x, module.weight, module.bias))


@pytest.mark.parametrize("shape", [(2, 8, 1, 1), (2, 8, 3, 3)])
def test_equal_positions_have_finite_gradients(shape):
    x = torch.ones(shape, requires_grad=True)
    module = active(8, 4)
    module(x).sum().backward()
    assert torch.isfinite(x.grad).all()
    assert torch.isfinite(module.weight.grad).all()


def test_a_single_position_has_the_mask_of_the_bias():
    module = active(8, 4)
    x = torch.randn(3, 8, 1, 1)
    expected = x * torch.sigmoid(module.bias).repeat_interleave(2, 1)
    torch.testing.assert_close(module(x), expected)


def test_an_empty_batch_stays_empty():
    assert active(8, 4)(torch.empty(0, 8, 3, 3)).shape == (0, 8, 3, 3)


def test_a_new_gate_is_inactive():
    x = torch.randn(1, 64, 5, 5)
    torch.testing.assert_close(SpatialGroupEnhance(64)(x), x / (1 + math.exp(-1)))


def test_groups_that_do_not_divide_are_refused():
    with pytest.raises(GroupsError, match="60 groups would"):
        SpatialGroupEnhance(240, 64)
    with pytest.raises(GroupsError, match="5 groups do not divide 12 channels; 4"):
        SpatialGroupEnhance(groups=5)(torch.randn(1, 12, 2, 2))
    with pytest.raises(GroupsError, match="at least 1"):
        SpatialGroupEnhance(8, 0)


@pytest.mark.parametrize("shape", [(8,), (8, 3, 3), (1, 8, 3, 3, 3)])
def test_an_input_that_is_not_four_dimensional_is_refused(shape):
    with pytest.raises(ShapeError, match=r"\(N, C, H, W\)"):
        SpatialGroupEnhance(groups=4)(torch.randn(shape))


@pytest.mark.parametrize(
    ("channels", "groups"), [(96, 48), (144, 48), (240, 60), (480, 60), (672, 56), (1152, 64)]
)
def test_nearest_divisor(channels, groups):
    assert nearest_divisor(channels, 64) == groups


@pytest.mark.slow
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_compiles_without_graph_breaks(layout):
    module = active(32, 8).eval()
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    for shape in ((2, 32, 6, 5), (1, 32, 7, 7)):
        x = torch.randn(shape).to(memory_format=layout)
        torch.testing.assert_close(compiled(x), module(x))


@pytest.mark.slow
def test_exports_with_free_batch_and_size():
    module = active(32, 8).eval()
    free = {0: torch.export.Dim("n"), 2: torch.export.Dim("h", min=2), 3: torch.export.Dim("w", min=2)}
    program = torch.export.export(module, (torch.randn(2, 32, 6, 5),), dynamic_shapes=(free,))
    x = torch.randn(3, 32, 9, 4)
    torch.testing.assert_close(program.module()(x), module(x))


def test_the_choice_of_compiled_statistics_belongs_to_one_module(monkeypatch):
    module, other = active(32, 8).eval(), active(32, 8)
    x = torch.randn(2, 32, 6, 5)
    eager = module(x)
    calls = []

    def counted(function):
        return lambda *args: calls.append(function.__name__) or function(*args)

    compiled = counted(group_similarity), counted(masked)
    monkeypatch.setattr("sge.nn.module._compiled_functions", lambda: compiled)
    keys = module.state_dict().keys()
    module.compile_statistics()
    assert module.state_dict().keys() == keys
    for same in (module, copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        calls.clear()
        assert torch.equal(same(x), eager)
        assert calls == ["group_similarity", "masked"]
    calls.clear()
    other(x)
    assert calls == []


@pytest.mark.slow
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_compiled_statistics_equal_eager_ones(layout):
    module = active(32, 8)
    sizes = range(2, 13)  # more than torch recompiles by default
    images = [torch.randn(2, 32, size, 5).to(memory_format=layout) for size in sizes]
    eager = [module(x) for x in images]
    module.compile_statistics()
    for x, expected in zip(images, eager, strict=True):
        torch.testing.assert_close(module(x), expected)
    module(images[0]).sum().backward()
    assert torch.isfinite(module.weight.grad).all()
