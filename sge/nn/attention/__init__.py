"""The attention modules that the paper compares SGE with, one a file."""

from sge.nn.attention.bam import BottleneckAttention
from sge.nn.attention.cbam import ConvolutionalBlockAttention
from sge.nn.attention.gate import MapGate
from sge.nn.attention.gc import GlobalContext
from sge.nn.attention.se import squeeze_excitation
from sge.nn.attention.sk import SelectiveKernel

__all__ = [
    "BottleneckAttention",
    "ConvolutionalBlockAttention",
    "GlobalContext",
    "MapGate",
    "SelectiveKernel",
    "squeeze_excitation",
]
