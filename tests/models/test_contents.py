"""Weights are found in any container and behind any prefix; which of several is taken is said and can be chosen."""

from __future__ import annotations

import argparse

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.errors import CheckpointError
from sge.models.checkpoint import read_weights
from sge.models.contents import choose
from tests.weights import save

WRAPPERS = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"]
WORDS = ["model", "net", "backbone", "encoder", "student", "feature_extractor", "my_resnet", "0", "generator"]
CONTAINERS = [
    "state_dict",
    "model",
    "model_state_dict",
    "net",
    "network",
    "module",
    "weights",
    "checkpoint",
    "best",
    "optimized_model",
    "schedulefree_weights",
]
AVERAGES = ["ema", "model_ema", "state_dict_ema", "ema_state_dict", "swa_model", "teacher", "averaged"]


def resnet(start: float = 0.0) -> dict[str, torch.Tensor]:
    """A few entries of a state dict, with the shapes of a ResNet-18 of three classes."""
    shapes = {
        "conv1.weight": (2, 3, 1, 1),
        "layer1.0.conv1.weight": (2, 2, 1, 1),
        "layer1.0.sge.weight": (1, 2, 1, 1),
        "layer4.0.conv2.weight": (4, 2, 1, 1),
        "fc.weight": (3, 4),
        "fc.bias": (3,),
    }
    return {key: torch.rand(shape) + start for key, shape in shapes.items()}


def lite() -> dict[str, torch.Tensor]:
    shapes = {
        "conv_stem.weight": (2, 3, 1, 1),
        "blocks.1.0.se.weight": (1, 2, 1, 1),
        "conv_head.weight": (4, 2, 1, 1),
    }
    return {
        key: torch.rand(shape)
        for key, shape in (shapes | {"classifier.weight": (3, 4), "classifier.bias": (3,)}).items()
    }


def same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    return found.keys() == expected.keys() and all(found[key] is expected[key] for key in expected)


def prefixed(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in state.items()}


def nested(value: object, path: list[str]) -> object:
    for i, key in enumerate(reversed(path)):
        beside = {
            "epoch": i,
            "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}},
            "args": argparse.Namespace(),
        }
        value = {**beside, key: value} if i % 2 else {key: value, **beside}
    return value


@st.composite
def wrapped(draw) -> tuple[dict[str, torch.Tensor], object, list[str], str]:
    state = draw(st.sampled_from([resnet, lite]))()
    parts = draw(st.lists(st.sampled_from(WRAPPERS + WORDS), max_size=5))
    prefix = "".join(part + "." for part in parts)
    names = prefixed(state, prefix)
    if draw(st.booleans()):  # one stage or block compiled or wrapped in place
        word = draw(st.sampled_from(WRAPPERS))
        names = {
            k.replace("layer1.", f"layer1.{word}.").replace("blocks.1.", f"blocks.1.{word}."): v
            for k, v in names.items()
        }
    if parts and set(parts) - set(WRAPPERS) and draw(st.booleans()):
        names = {**names, "criterion.weight": torch.ones(3), "n_averaged": torch.tensor(3)}
    path = draw(st.lists(st.sampled_from(CONTAINERS), max_size=3, unique=True))
    return state, nested(names, path), path, prefix


@given(wrapped())
@settings(max_examples=150, deadline=None)
def test_any_container_and_prefix_is_seen_through_and_said(case):
    state, root, path, prefix = case
    chosen = choose(root, "x.pth")
    assert same(chosen.entries, state)
    said = " ".join(chosen.notes)
    if path:
        assert f"'{'.'.join(path)}'" in said
    for part in prefix.split("."):
        assert part in said
    assert bool(path or prefix) <= bool(said)


@given(
    st.sampled_from(AVERAGES),
    st.sampled_from(["", "module.", "net."]),
    st.sampled_from(CONTAINERS[:6]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_plain_weights_are_taken_before_an_average_which_is_named_and_can_be_chosen(
    name, prefix, container, inside
):
    plain, average = resnet(), resnet(9)
    beside = {"module": prefixed(average, prefix), "updates": 3} if inside else prefixed(average, prefix)
    for root in ({container: plain, name: beside}, {name: beside, container: plain}):
        chosen = choose(root, "x.pth")
        assert same(chosen.entries, plain)
        assert any(
            name in note and "--take ema" in note and "weights_key='ema'" in note for note in chosen.notes
        )
        assert same(choose(root, "x.pth", "plain").entries, plain)
        assert same(choose(root, "x.pth", container).entries, plain)
        for key in ("ema", f"{name}.module" if inside else name):
            taken = choose(root, "x.pth", key)
            assert same(taken.entries, average)
            assert any("average of the weights" in note for note in taken.notes)
        with pytest.raises(CheckpointError, match=rf"no weights that 'other' names.*{name}"):
            choose(root, "x.pth", "other")
    alone = choose({name: beside}, "x.pth")
    assert same(alone.entries, average)
    assert any("average of the weights" in note for note in alone.notes)


def test_averages_and_plain_weights_in_one_state_dict():
    plain, average = resnet(), resnet(9)
    for plain_prefix, average_prefix in [
        ("student.", "teacher."),
        ("model.", "ema_model.module."),
        ("", "ema."),
    ]:
        root = {"state_dict": prefixed(plain, plain_prefix) | prefixed(average, average_prefix)}
        assert same(choose(root, "x.pth").entries, plain)
        assert same(choose(root, "x.pth", "ema").entries, average)


def test_several_networks_are_not_guessed_among():
    a, b = resnet(), resnet(9)
    for root in (
        {"gen": a, "disc": b},
        {"state_dict": prefixed(a, "net_a.") | prefixed(b, "net_b.")},
        [a, b],
    ):
        with pytest.raises(CheckpointError, match=r"several networks: .*--take NAME.*weights_key"):
            choose(root, "x.pth")
    assert same(choose({"gen": a, "disc": b}, "x.pth", "disc").entries, b)
    both = {"state_dict": prefixed(a, "net_a.") | prefixed(b, "net_b.")}
    for key in ("net_b", "state_dict.net_b"):
        assert same(choose(both, "x.pth", key).entries, b)
    with pytest.raises(CheckpointError, match="several networks"):
        choose(both, "x.pth", "state_dict")
    wrapped = {"state_dict": a | prefixed(b, "module.")}  # the same names but for a wrapper
    assert same(choose(wrapped, "x.pth").entries, a)
    assert same(choose(wrapped, "x.pth", "module").entries, b)
    # The same tensors under two names are one network.
    assert same(choose({"gen": a, "copy": dict(a)}, "x.pth").entries, a)


@pytest.mark.parametrize("head", ["head.fc", "head", "linear", "classifier", "last_linear"])
@pytest.mark.parametrize("prefix", ["", "backbone.", "model.backbone."])
def test_a_classifier_under_another_name_is_found_by_its_shape(prefix, head):
    state = resnet()
    parent = prefix.removesuffix("backbone.")
    names = {(f"{parent}{head}{k[2:]}" if k.startswith("fc.") else prefix + k): v for k, v in state.items()}
    chosen = choose({"state_dict": names}, "x.pth")
    assert same(chosen.entries, state)
    assert any(f"classifier was read from '{parent}{head}'" in note for note in chosen.notes)
    names |= {
        f"{parent}cls.weight": torch.rand(5, 4),
        f"{parent}cls.bias": torch.rand(5),
    }  # two that fit: neither
    assert "fc.weight" not in choose({"state_dict": names}, "x.pth").entries


def test_what_is_left_out_is_named():
    chosen = choose(
        {"state_dict": prefixed(resnet(), "model.") | {"criterion.weight": torch.ones(3)}}, "x.pth"
    )
    assert any("criterion.weight" in note for note in chosen.notes)
    assert choose(resnet(), "x.pth").notes == ()


def test_loops_and_wide_or_deep_structures_end():
    root: dict[str, object] = {"a": [1, 2]}
    root["self"] = root
    deep: dict[str, object] = {}
    for _ in range(5000):
        deep = {"x": deep}
    for content in (root, {"a": {str(i): {"b": i} for i in range(50_000)}}, deep):
        with pytest.raises(CheckpointError, match="holds no state dict"):
            choose(content, "x.pth")


def test_a_safetensors_file_and_a_torch_file_are_seen_through_alike(tmp_path):
    from safetensors.torch import save_file

    state = prefixed(resnet(), "module.net.")
    save_file(state, tmp_path / "a.safetensors")
    notes = []
    for path in (tmp_path / "a.safetensors", save(tmp_path / "a.pth", state)):
        weights = read_weights(path)
        assert weights.state.keys() == resnet().keys()
        notes.append([note.replace(path.name, "FILE") for note in weights.notes])
    assert notes[0] == notes[1] != []


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "generator.module."])
def test_an_average_of_torch_is_known_by_its_counter(prefix):
    average = prefixed(resnet(9), f"{prefix}module.") | {f"{prefix}n_averaged": torch.tensor(3)}
    assert "as the name 'n_averaged' says" in " ".join(choose(average, "x.pth").notes)
    plain = resnet()
    chosen = choose({"weights_a": average, "weights_b": plain}, "x.pth")
    assert same(chosen.entries, plain)
    assert "an average of weights" in " ".join(chosen.notes)
