"""Networks that a lens cannot run, or whose numbers it cannot use, are refused with a sentence of ours."""

from __future__ import annotations

import json
from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sge.analysis import Analysis
from sge.errors import CaptureError, ChoiceError, NonFiniteError, SGEError, UnsupportedNetworkError
from sge.images import Preprocess
from sge.lens.lens import Lens
from sge.models import Model
from sge.nn import MaskCapture, SpatialGroupEnhance
from tests.conftest import fill
from tests.drawn_images import noise
from tests.lens.networks import CLASSES, LABELS, Plain, lens_of

IMAGE = noise(60, 40)
GRAY = Preprocess(mean=(0.449,), std=(0.226,), size=32, resize=32)
RGB = Preprocess(size=32, resize=32)
ASKED: dict[str, Callable[[Lens], Any]] = {
    "analyze": lambda lens: lens.analyze(IMAGE),
    "predict": lambda lens: lens.predict(IMAGE),
    "ablate": lambda lens: lens.ablate(IMAGE, {"first": [0]}, controls=1),
    "attribute": lambda lens: lens.attribute(IMAGE),
    "grad_cam": lambda lens: lens.grad_cam(IMAGE, 0, layer="first"),
    "steps": lambda lens: lens.steps(IMAGE, "first", 0),
}


def plain(channels: int = 3) -> Plain:
    network = Plain()
    network.stem = nn.Conv2d(channels, 8, 3, 4, 1)
    return fill(network)


def lens_with(network: nn.Module, preprocess: Preprocess = RGB, labels: list[str] | None = None) -> Lens:
    return Lens(
        Model("mine", network, list(LABELS) if labels is None else labels, preprocess=preprocess), "cpu"
    )


Pair = namedtuple("Pair", "logits features")


@dataclass
class Output:
    logits: Tensor


READ: dict[str, Callable[[Tensor], Any]] = {
    "namedtuple": lambda logits: Pair(logits, logits[:, :2]),
    "dict": lambda logits: {"logits": logits, "features": logits},
    "dict of one": lambda logits: {"out": logits, "mask": logits[0]},
    "object": Output,
    "tuple of one": lambda logits: (logits, [logits[0]]),
    "as many as labels": lambda logits: (logits.repeat(1, 3), logits),
    "probabilities and logits": lambda logits: (logits.softmax(1), logits),
    "logits and probabilities": lambda logits: [logits, logits.softmax(1)],
}


@pytest.mark.parametrize("kind", READ)
def test_outputs_whose_logits_are_unambiguous(kind: str) -> None:
    expected, lens = lens_with(plain()), lens_with(_returning(READ[kind]))
    assert lens.predict(IMAGE) == expected.predict(IMAGE) == lens.analyze(IMAGE).predictions
    for ask in ("ablate", "attribute", "grad_cam", "steps"):
        ASKED[ask](lens)
    found, wanted = lens.ablate(IMAGE, {"first": [0]}), expected.ablate(IMAGE, {"first": [0]})
    np.testing.assert_allclose(found.logits_after, wanted.logits_after, atol=1e-5)


UNREAD: dict[str, Callable[[Tensor], Any]] = {
    "tuple of (1, 5), (1, 5)": lambda logits: (logits, logits),
    "tuple of (1, 5), (1, 5) .": lambda logits: (logits, 2 * logits),
    "dict of a, b": lambda logits: {"a": logits, "b": logits},
    "dict of nothing": lambda _logits: {},
    "list of nothing": lambda _logits: [],
    "NoneType": lambda _logits: None,
    "str": lambda _logits: "logits",
    "shape (1, 0)": lambda logits: logits[:, :0],
    "shape (5,)": lambda logits: logits[0],
    "shape (1, 5, 1)": lambda logits: logits[..., None],
    "shape (1, 5, 2, 2)": lambda logits: logits[..., None, None].expand(-1, -1, 2, 2),
    "int64": lambda logits: logits.long(),
}


@pytest.mark.parametrize("kind", UNREAD)
def test_outputs_that_are_no_logits(kind: str) -> None:
    lens = lens_with(_returning(UNREAD[kind]))
    seen = lens.analyze(IMAGE)
    assert (seen.predictions, seen.boxes, lens.predict(IMAGE)) == ([], [], [])
    (note,) = lens.classify(IMAGE).notes
    assert seen.model.notes == (note,)
    assert kind.removesuffix(" .") in note
    np.testing.assert_array_equal(seen.masks["second"], lens_with(plain()).analyze(IMAGE).masks["second"])
    ASKED["steps"](lens)
    for ask in (
        ASKED["ablate"],
        ASKED["attribute"],
        ASKED["grad_cam"],
        lambda lens: lens.attribute(IMAGE, 1, method="ablation"),
        lambda lens: lens.grad_cam(IMAGE),
    ):
        with pytest.raises(UnsupportedNetworkError, match="logits, one row of numbers for each image"):
            ask(lens)


def test_logits_of_another_number_of_images() -> None:
    lens = lens_with(_returning(lambda logits: torch.cat([logits, logits])))
    for ask in ("analyze", "predict", "attribute"):
        with pytest.raises(UnsupportedNetworkError, match=r"shape \(2, 5\) for 1 image"):
            ASKED[ask](lens)


def _returning(function: Callable[[Tensor], Any]) -> Plain:
    network = plain()
    network.fc = nn.Sequential(network.fc, _Turned(function))
    return network


class _Turned(nn.Module):
    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:
        return self.function(x)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("preprocess", [RGB, GRAY], ids=["RGB", "gray"])
def test_networks_of_other_channels(channels: int, preprocess: Preprocess) -> None:
    lens = lens_with(plain(channels), preprocess)
    given = len(preprocess.mean)
    for name, ask in ASKED.items():
        if channels == given:
            ask(lens)
            continue
        with pytest.raises(
            UnsupportedNetworkError, match=rf"takes {channels} channel.* gives {given} channel"
        ):
            ASKED[name](lens)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_in_other_precisions(dtype: torch.dtype) -> None:
    exact = lens_with(plain()).analyze(IMAGE)
    lens = lens_with(plain().to(dtype))
    for ask in ASKED.values():
        ask(lens)
    seen = lens.analyze(IMAGE)
    for name, mask in exact.masks.items():
        assert seen.masks[name].dtype == np.float32
        assert np.abs(mask - seen.masks[name]).max() < 0.1
    assert lens.network.fc.weight.dtype == dtype


def test_sge_in_another_precision_than_its_network() -> None:
    network = plain().bfloat16()
    for module in network.modules():
        if isinstance(module, SpatialGroupEnhance):
            module.float()
    seen = lens_with(network).analyze(IMAGE)
    assert set(seen.masks) == {"first", "second"}
    network.second[0].float()
    with pytest.raises(
        UnsupportedNetworkError, match=r"several types: stem\.weight is bfloat16 and .* is float32"
    ):
        lens_with(network).analyze(IMAGE)


@pytest.mark.parametrize("ask", ASKED)
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite(value: float, ask: str) -> None:
    network = plain()
    with torch.no_grad():
        network.first[0].weight[0] = value
    with pytest.raises(NonFiniteError, match=r"infinite or not a number.*first\.0\.weight has such numbers"):
        ASKED[ask](lens_with(network))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_one_number_among_many_is_found(value: float) -> None:
    check, values = lens_with(plain())._backend.check_finite, np.full((2, 3, 40, 50), 1e38, np.float32)
    check(
        {"large numbers": values, "nothing": values[:0]}
    )  # The sum of these exceeds float32; none of them does.
    for place in (0, 5_999, values.size - 1):
        wrong = values.copy()
        wrong.flat[place] = value
        with pytest.raises(NonFiniteError, match="large numbers"):
            check({"large numbers": wrong})
    with pytest.raises(NonFiniteError, match="both signs"):
        check({"both signs": np.float32([np.inf, -np.inf])})


def test_numbers_that_overflow() -> None:
    network = plain()
    with torch.no_grad():
        network.second[1].weight.fill_(1e38)
        network.second[1].bias.fill_(1e38)
    with pytest.raises(NonFiniteError, match="block second"):
        lens_with(network).analyze(IMAGE)
    halved = plain().half()
    with torch.no_grad():
        halved.first[1].weight.fill_(6e4)
        halved.first[1].bias.fill_(6e4)
    with pytest.raises(NonFiniteError, match=r"network\.float\(\)"):
        lens_with(halved).analyze(IMAGE)


def test_networks_without_values() -> None:
    with torch.device("meta"):
        empty = Plain()
    lazy = Plain()
    lazy.fc = nn.LazyLinear(CLASSES)
    for network, words in ((empty, "meta device"), (lazy, "Call the network once")):
        with pytest.raises(UnsupportedNetworkError, match=words):
            lens_with(network)


def test_a_forward_that_fails_keeps_its_cause_in_one_line() -> None:
    network = plain()
    network.fc = nn.Linear(9, CLASSES)
    with pytest.raises(
        UnsupportedNetworkError, match=r"cannot be run on an input of shape \(1, 3, 32"
    ) as refused:
        lens_with(network).analyze(IMAGE)
    assert isinstance(refused.value.__cause__, RuntimeError)
    assert len(str(refused.value)) < 500
    assert "\n" not in str(refused.value)


def test_no_gradient_to_the_masks() -> None:
    class Frozen(Plain):
        def features(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                x = self.first(x)
            return self.second(x)

    lens = lens_with(fill(Frozen()))
    with pytest.raises(UnsupportedNetworkError, match="no gradient with respect to the masks of first"):
        lens.attribute(IMAGE)
    assert set(lens.attribute(IMAGE, blocks=["second"], method="gradient").effect) == {"second"}


def test_a_network_that_was_moved_away() -> None:
    lens = lens_of(Plain())
    lens.network.to("meta")
    with pytest.raises(ChoiceError, match="moved to meta"):
        lens.analyze(IMAGE)


def test_every_result_is_plain_json() -> None:
    lens = lens_with(plain(), labels=list("abcde"))
    seen = lens.analyze(IMAGE)
    assert isinstance(seen, Analysis)
    scores = [one.score for one in seen.predictions]
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores
    assert issubclass(NonFiniteError, SGEError)


@pytest.mark.parametrize("value", [True, 1.0, "1.0", None, [1]])
@pytest.mark.parametrize("what", ["top_k", "target", "group", "controls", "seed", "size"])
def test_numbers_of_other_types(what: str, value: object) -> None:
    lens = lens_with(plain())
    ask: dict[str, Callable[[Any], object]] = {
        "top_k": lambda n: lens.predict(IMAGE, top_k=n),
        "target": lens.find_target,
        "group": lambda n: lens.steps(IMAGE, "first", n).group,
        "controls": lambda n: lens.ablate(IMAGE, {"first": [0]}, controls=n),
        "seed": lambda n: lens.ablate(IMAGE, {"first": [0]}, controls=1, seed=n),
        "size": lambda n: None if n is None else lens.frame(IMAGE, size=n),
    }
    if not (what == "size" and value is None):
        with pytest.raises(ChoiceError, match=r"give a whole number|No class is named"):
            ask[what](value)
    ask[what](np.int64(32) if what == "size" else np.int64(1))


def test_what_is_no_model_and_no_network() -> None:
    with pytest.raises(ChoiceError, match=r"A Lens needs a Model, and this is Plain.*sge\.Model\("):
        Lens(plain(), "cpu")  # type: ignore[arg-type]
    with pytest.raises(CaptureError, match=r"give model\.network"):
        MaskCapture(Model("mine", plain(), list(LABELS)))  # type: ignore[arg-type]


def test_frames_and_blocks_may_come_from_generators() -> None:
    lens = lens_with(plain())
    frame = lens.frame(IMAGE)
    assert len(lens.analyze_frames(frame for _ in range(2))) == len(
        lens.predict_frames(frame for _ in range(2))
    )  # type: ignore[arg-type]
    assert list(lens.attribute(IMAGE, blocks=(name for name in ["second"]))) == ["second"]  # type: ignore[arg-type]
