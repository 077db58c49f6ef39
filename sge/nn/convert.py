"""Replaces SGE modules of other people's code by those of this package."""

from __future__ import annotations

from torch import Tensor, nn
from torch._jit_internal import is_scripting

from sge.errors import UnsupportedNetworkError
from sge.nn.compiled import clean_path
from sge.nn.foreign import ForeignSGE, foreign_sge
from sge.nn.formula import Formula, standardized
from sge.nn.hooks import TemporaryHook
from sge.nn.module import SpatialGroupEnhance, check_features, group_products, masked

_NAMES = ("weight", "bias")
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_FLAGS = ("_forward_hooks_with_kwargs", "_forward_hooks_always_called", "_forward_pre_hooks_with_kwargs")


class FormulaGroupEnhance(SpatialGroupEnhance):
    """SGE with another formula than the paper's; its groups are of consecutive channels.

    Args:
        formula: Of the similarity.
    """

    def __init__(self, formula: Formula) -> None:
        super().__init__(None, formula.groups, formula.eps)
        self.formula = formula
        self._unbiased, self._in_variance = formula.deviation == "unbiased", formula.eps_in == "variance"
        self._averaged, self._residual = formula.products == "mean", formula.residual

    def enhanced(self, x: Tensor) -> Tensor:
        """Features times the masks of their groups, by the formula."""
        if not is_scripting():
            return self._by_formula(x)
        c = group_products(x, self.groups)
        if self._averaged:
            c = c * (self.groups / x.shape[1])
        mask: Tensor = self.gate(
            standardized(c, self.eps, self._unbiased, self._in_variance), self.weight, self.bias
        )
        return masked(x, mask + 1 if self._residual else mask)

    def _by_formula(self, x: Tensor) -> Tensor:
        check_features(x, self.groups)
        mask = self.gate(self.formula.similarity(x), self.weight, self.bias)
        return self.formula.multiplied(x, mask)

    def extra_repr(self) -> str:
        """The formula, shown by ``print(network)``."""
        return str(self.formula)


def convert_sge(network: nn.Module) -> nn.Module:
    """Replaces the SGE modules of other people's code by those of this package, in place.

    What a module computes was compared with its formula on drawn features (``foreign_probe.py``), so that outputs stay
    equal up to rounding. One difference is intended: on a map of one position the paper's formula gives no number, and
    this package's module sigmoid(bias). Parameters stay the same objects and keep their keys, so that optimizers and
    checkpoints fit; hooks of the user move along. Modules of this package stay as they are.

    Args:
        network: Any network.

    Returns:
        The same network; if the network itself is such a module, what replaces it.

    Raises:
        UnsupportedNetworkError: A module cannot be replaced without a change of outputs or of the state dict's keys.
            Nothing is changed then.
    """
    found = {path: foreign_sge(module) for path, module in network.named_modules()}
    made = {
        id(block.module): _replacement(clean_path(network, path) or "The network", block)
        for path, block in found.items()
        if block is not None
    }
    if id(network) in made:
        return made[id(network)]
    for parent in list(network.modules()):
        for name, child in parent._modules.items():
            if id(child) in made:
                parent._modules[name] = made[id(child)]
    return network


def _replacement(name: str, block: ForeignSGE) -> SpatialGroupEnhance:
    formula, kind = block.formula, type(block.module).__name__
    if formula.order != "consecutive":
        raise UnsupportedNetworkError(
            f"{name} ({kind}) groups interleaved channels, while the modules of this package group consecutive ones. Use "
            "the network as it is: captures, edits and a Lens read this module too."
        )
    shape = tuple(block.parameters[0].shape)
    if block.names != _NAMES or shape != (1, block.groups, 1, 1):
        raise UnsupportedNetworkError(
            f"{name} ({kind}) has the parameters {' and '.join(block.names)} of shape {shape}; those of this package are "
            f"weight and bias of shape {(1, block.groups, 1, 1)}, so the keys of the state dict would change. Use the "
            "network as it is: captures, edits and a Lens read this module too."
        )
    if block.in_place:
        raise UnsupportedNetworkError(
            f"{name} ({kind}) changes its input in place, which the modules of this package do not. Use the network as it "
            "is: captures, edits and a Lens read this module too."
        )
    made = (
        SpatialGroupEnhance(groups=formula.groups, eps=formula.eps)
        if formula.is_standard
        else FormulaGroupEnhance(formula)
    )
    made.weight, made.bias = block.parameters
    made.train(block.module.training)
    for kind_of_hook in _HOOKS:
        hooks = getattr(block.module, kind_of_hook)
        own = {key: hook for key, hook in hooks.items() if not isinstance(hook, TemporaryHook)}
        getattr(made, kind_of_hook).update(own)
    for flags in _FLAGS:
        getattr(made, flags).update(getattr(block.module, flags))
    return made
