"""The SGE module in one pass on a GPU: kernels in Triton, and when and how they take the place of the eager code."""

from sge.nn.kernels.fusion import fused_gate, fused_gate_with_maps, without_fused_gates

__all__ = ["fused_gate", "fused_gate_with_maps", "without_fused_gates"]
