"""The kernels under Triton's interpreter, on the CPU. ``test_kernels.py`` runs this file in a process of its own."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.nn import MaskCapture, SpatialGroupEnhance, edit_masks
from sge.nn.kernels import fused_gate, fused_gate_with_maps, fusion, launch, without_fused_gates
from sge.nn.module import EPS, _enhanced, group_similarity
from tests.nn.test_module import active

LAYOUTS = [torch.contiguous_format, torch.channels_last]
ROUNDING = {torch.float32: 1e-6, torch.bfloat16: 8e-3, torch.float16: 1e-3}
"""Largest relative rounding of what is stored; the interpreter cuts bfloat16 off where a GPU rounds to the nearest."""
CALLS: list[str] = []


@pytest.fixture(autouse=True)
def _kernel_on_the_cpu(monkeypatch):
    """Lets the module use the kernel on the CPU, and counts its calls."""
    monkeypatch.setattr(fusion, "_on_gpu", lambda x: True)
    assert fusion._works(torch.device("cpu"))
    CALLS.clear()
    for name in ("forward", "backward"):
        monkeypatch.setattr(launch, name, counted(name, getattr(launch, name)))


def counted(name, function):
    return lambda *args, **options: CALLS.append(name) or function(*args, **options)


def tiles(monkeypatch, limit, programs):
    """Keeps tiles of at most ``limit`` elements whole, and lets groups share a program from ``programs`` on."""
    launch.tiling.cache_clear()
    monkeypatch.setattr(launch, "_RESIDENT", limit)
    monkeypatch.setattr(launch, "_CHUNK", 256)
    monkeypatch.setattr(launch, "_PROGRAMS", programs)


def exact(x, module, dy=None):
    """Output and gradients of the eager functions in float64."""
    leaves = [t.detach().double().requires_grad_() for t in (x, module.weight, module.bias)]
    out = _enhanced(*leaves, module.groups, EPS)
    return out.detach(), torch.autograd.grad(out, leaves, torch.ones_like(out) if dy is None else dy.double())


def error(found, expected):
    return float((found.detach().double() - expected).norm() / expected.norm().clamp_min(1e-12))


def features(n, groups, size, height, width, dtype, layout, seed):
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(n, groups * size, height, width, generator=random)
    x += 2 * torch.randn(1, groups * size, 1, 1, generator=random)
    return x.to(dtype).to(memory_format=layout)


@given(
    n=st.integers(1, 2),
    groups=st.integers(1, 5),
    size=st.integers(1, 9),
    height=st.integers(1, 7),
    width=st.integers(1, 7),
    layout=st.sampled_from(LAYOUTS),
    dtype=st.sampled_from(list(ROUNDING)),
    limit=st.sampled_from([0, 128, 16384]),
    programs=st.sampled_from([1, 128]),
    seed=st.integers(0, 99),
)
@settings(max_examples=30, deadline=None)
def test_equals_the_module_in_float64(n, groups, size, height, width, layout, dtype, limit, programs, seed):
    with pytest.MonkeyPatch.context() as patch:
        tiles(patch, limit, programs)
        x = features(n, groups, size, height, width, dtype, layout, seed).requires_grad_()
        module = active(groups * size, groups, seed)
        out = module(x)
        dy = torch.randn(x.shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
        out.backward(dy.to(memory_format=layout))
    expected, (of_x, of_weight, of_bias) = exact(x, module, dy)
    assert CALLS[-2:] == ["forward", "backward"]
    assert out.dtype == dtype
    assert out.stride() == x.stride()
    assert error(out, expected) < ROUNDING[dtype]
    assert error(x.grad, of_x) < 5 * ROUNDING[dtype]
    scale = max(float(of_weight.norm()), float(of_bias.norm()))
    assert float((module.weight.grad - of_weight).norm()) < 1e-5 * scale
    assert float((module.bias.grad - of_bias).norm()) < 1e-5 * scale


@pytest.mark.parametrize("limit", [0, 16384])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_unusual_values(monkeypatch, limit, layout):
    """Zeros, equal positions, tiny and huge values, large means: the exact result, where it is defined, and no NaN."""
    tiles(monkeypatch, limit, 1)
    noise = features(2, 3, 4, 5, 7, torch.float32, layout, 1)
    module = active(12, 3)
    level = torch.arange(1.0, 13).reshape(1, 12, 1, 1).expand_as(noise).contiguous(memory_format=layout)
    for x in (
        0 * noise,
        level,
        1e3 * level,
        1e-20 * noise,
        1e8 * noise,
        1e4 + noise,
        noise[..., :1, :1].clone(),
    ):
        given_x = x.to(memory_format=layout).clone(memory_format=torch.preserve_format).requires_grad_()
        out = module(given_x)
        out.sum().backward()
        expected, (of_x, *_) = exact(x, module)
        assert error(out, expected) < 1e-4  # the mean of 1e4 + noise is itself rounded
        assert torch.isfinite(given_x.grad).all()
        if float(x.abs().max()) in (float((1e4 + noise).max()), float((1e8 * noise).abs().max())):
            assert error(given_x.grad, of_x) < 1e-2
    large = (200 * torch.rand(1, 12, 9, 9)).half().to(memory_format=layout)
    assert error(module(large), exact(large, module)[0]) < 1e-3


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("limit", [0, 16384])
def test_maps_without_another_pass(monkeypatch, limit, layout):
    tiles(monkeypatch, limit, 1)
    x = features(2, 5, 3, 6, 7, torch.bfloat16, layout, 3)
    module = active(15, 5)
    out, similarity, mask = fused_gate_with_maps(x, module.weight, module.bias, 5, EPS)
    assert CALLS == ["forward"]
    expected = group_similarity(x.double(), 5)
    assert similarity.stride() == mask.stride() == group_similarity(x, 5).stride()
    assert error(similarity, expected) < 1e-5
    assert (
        error(mask, torch.sigmoid(module.weight.double() * expected + module.bias.double()).detach()) < 1e-6
    )
    assert torch.equal(out, fused_gate(x, module.weight, module.bias, 5, EPS))


def test_captures_read_what_the_kernel_computed():
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 12, 3), active(12, 4)).eval()
    x = torch.randn(2, 3, 8, 9)
    with without_fused_gates(), torch.no_grad(), MaskCapture(network, energy=True) as eager:
        expected = network(x)
    assert CALLS == []
    with torch.no_grad(), MaskCapture(network, energy=True) as seen:
        torch.testing.assert_close(network(x), expected)
    assert CALLS == ["forward"]
    for kind in ("masks", "similarity", "energy"):
        torch.testing.assert_close(getattr(seen, kind), getattr(eager, kind))


@pytest.mark.parametrize("inference", [torch.no_grad, torch.inference_mode])
def test_edits_and_other_hooks_use_the_eager_code(inference):
    module = active(12, 4).eval()
    x = torch.randn(2, 12, 5, 5)
    with inference():
        with edit_masks(module, {"sge": torch.zeros_like}):
            assert not module(x).any()
        handle = module.gate.register_forward_hook(lambda _m, _i, mask: mask.zero_())
        assert not module(x).any()
        handle.remove()
        assert CALLS == []
        assert module(x).any()
    assert CALLS == ["forward"]


def test_a_kernel_that_cannot_be_built_is_left_alone(monkeypatch, caplog):
    def forward(*_args):
        raise RuntimeError("no C compiler")

    fusion._works.cache_clear()
    monkeypatch.setattr(launch, "forward", forward)
    x = torch.randn(2, 12, 5, 5)
    module = active(12, 4)
    for _ in range(2):
        torch.testing.assert_close(module(x).double(), exact(x, module)[0], rtol=1e-4, atol=1e-5)
    assert [record.message for record in caplog.records] == [
        "SGE runs without its GPU kernel, because Triton does not work here: no C compiler"
    ]
    fusion._works.cache_clear()


def test_a_captured_mask_with_a_graph_has_a_gradient():
    module = active(12, 4)
    seen = {}
    handle = module.gate.register_forward_hook(lambda _m, _i, mask: seen.update(mask=mask))
    module(torch.randn(1, 12, 5, 5))
    seen["mask"].sum().backward()
    handle.remove()
    assert module.bias.grad.abs().sum() > 0
    assert CALLS == []


def test_what_cannot_be_fused_uses_the_eager_code():
    module = active(12, 4)
    x = torch.randn(2, 12, 5, 6)
    for case in (x[:, :, ::2, ::2], x[:0]):
        module(case)
    copy.deepcopy(module).double()(x.double())
    torch.jit.trace(module.eval(), x, check_trace=False)
    torch.func.jvp(module, (x,), (x,))
    torch.func.grad(lambda x: module(x).sum())(x)
    torch.export.export(module, (x,))
    assert CALLS == []


def test_gradient_of_a_gradient():
    module = active(12, 4)
    found = []
    for switch in (without_fused_gates, torch.enable_grad):
        x = torch.randn(2, 12, 4, 5, generator=torch.Generator().manual_seed(0)).requires_grad_()
        with switch():
            (gradient,) = torch.autograd.grad(module(x).square().sum(), x, create_graph=True)
            found.append(torch.autograd.grad(gradient.square().sum(), (x, module.weight)))
    for eager, fused in zip(*found, strict=True):
        torch.testing.assert_close(fused, eager, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("of_input", "of_gradient"), list(itertools.product(LAYOUTS, LAYOUTS)))
def test_gradients_in_another_layout(of_input, of_gradient):
    module = active(12, 4)
    x = torch.randn(2, 12, 4, 5).to(memory_format=of_input).requires_grad_()
    dy = torch.randn(2, 12, 4, 5).to(memory_format=of_gradient)
    module(x).backward(dy)
    torch.testing.assert_close(x.grad.double(), exact(x, module, dy)[1][0], rtol=1e-4, atol=1e-5)
    x.grad = None
    module(x).sum().backward()  # an expanded gradient
    torch.testing.assert_close(x.grad.double(), exact(x, module)[1][0], rtol=1e-4, atol=1e-5)


def test_half_precision_parameters_and_autocast():
    module = active(12, 4).bfloat16()
    x = torch.randn(2, 12, 6, 6).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = module(x)
    out.sum().backward()
    assert module.weight.grad.dtype == torch.bfloat16
    assert error(out, exact(x, module)[0]) < ROUNDING[torch.bfloat16]


def test_as_an_operation_of_torch():
    module = active(12, 4)
    x = torch.randn(2, 12, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
    torch.library.opcheck(torch.ops.sge.gate.default, (x, module.weight, module.bias, 4, EPS))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_compiles_into_one_graph(layout):
    module = active(12, 4)
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 12, 6, 5).to(memory_format=layout).requires_grad_()
    out = compiled(x)
    out.square().sum().backward()
    assert CALLS == ["forward", "backward"]
    expected, (of_x, *_) = exact(x, module, 2 * out.detach())
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(x.grad.double(), of_x, rtol=1e-4, atol=1e-4)
    with without_fused_gates():
        compiled(x.detach())
    assert CALLS == ["forward", "backward"]


def test_a_gained_module_and_a_patched_gate():
    from sge.nn.insertion.sites import GainedSGE

    x = torch.randn(1, 12, 5, 5)
    torch.testing.assert_close(GainedSGE(12, 4)(x), x)
    module = SpatialGroupEnhance(12, 4)
    module.gate.forward = lambda similarity, _w, _b: torch.ones_like(similarity)
    CALLS.clear()
    torch.testing.assert_close(module(x), x)
    assert CALLS == []
