"""The neighbours that the paper compares SGE with, one a file."""

from sge.nn.attention.bam import BottleneckAttention
from sge.nn.attention.cbam import ConvolutionalBlockAttention
from sge.nn.attention.gate import MapGate
from sge.nn.attention.gc import GlobalContext
from sge.nn.attention.se import SqueezeExcitation
from sge.nn.attention.sk import SelectiveKernel

__all__ = [
    "BottleneckAttention",
    "ConvolutionalBlockAttention",
    "GlobalContext",
    "MapGate",
    "SelectiveKernel",
    "SqueezeExcitation",
]
