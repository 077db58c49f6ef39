"""Weights of networks of other libraries: loaded and imported by name, with the SGE that they have or that is inserted."""

from __future__ import annotations

import json
import os

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

import sge
from sge.errors import CheckpointError, ChoiceError, SGEError, UnknownModelError
from sge.models import import_weights, imported_notes, is_exported, load_model, verify_model
from sge.models.description import Description
from sge.models.libraries import built, outline
from sge.models.library_weights import usual
from sge.models.model import with_own_input
from sge.nn import insert_sge, sge_blocks
from tests.drawn_images import noise, scene
from tests.weights import save

SMALL = "timm:test_resnet"
SHAPE = (2, 3, 64, 64)


def network(name: str = "test_resnet", library: str = "timm", seed: int = 0, **kwargs) -> nn.Module:
    torch.manual_seed(seed)
    made = built(Description(library, name, kwargs))
    for one in made.modules():
        if isinstance(one, nn.BatchNorm2d):
            nn.init.uniform_(one.running_var, 0.5, 2)
            nn.init.uniform_(one.weight, 0.5, 2)
    for weight in made.parameters():
        nn.init.normal_(weight, std=0.1) if weight.ndim > 1 else None
    return made


def act(made: nn.Module) -> nn.Module:
    for one in sge_blocks(made).values():
        nn.init.normal_(one.weight)
        nn.init.normal_(one.bias)
    return made


def same(made: nn.Module, other: nn.Module) -> bool:
    x = torch.rand(SHAPE, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        a, b = made(x), other(x)
    return torch.allclose(a, b, rtol=1e-4, atol=1e-5 * float(b.abs().max()))


@pytest.mark.parametrize(
    ("library", "name"),
    [
        ("timm", "test_resnet"), ("timm", "test_efficientnet"), ("timm", "test_convnext"), ("timm", "mobilenetv3_small_050"),
        ("torchvision", "resnet18"), ("torchvision", "mnasnet0_5"),
    ],
)  # fmt: skip
def test_plain_weights_receive_inactive_sge_and_compute_the_same(tmp_path, library, name):
    plain = network(name, library, num_classes=5)
    path = save(tmp_path / "w.pth", {"state_dict": {f"module.{k}": v for k, v in plain.state_dict().items()}})
    model = load_model(f"{library}:{name}?groups=16@{path}")
    assert model.inactive
    assert model.groups
    assert max(model.groups.values()) == 16
    assert same(model.network, plain)
    assert model.card.gates == "inactive"
    assert (model.name, model.arch, len(model.labels)) == ("w", f"{library}:{name}", 5)
    notes = " ".join(model.card.notes)
    for words in ("have no SGE", "inactive gates", "names no labels", "states no preprocessing"):
        assert words in notes


def test_a_detector_takes_the_size_that_it_states():
    described = Description("torchvision", "ssdlite320_mobilenet_v3_large")
    usual_input = usual(described).preprocess
    assert with_own_input(usual_input, outline(described)) == sge.Preprocess.unnormalized(320)
    classifier = Description("timm", "test_resnet")
    usual_input = usual(classifier).preprocess
    assert with_own_input(usual_input, outline(classifier)) == usual_input


@pytest.mark.parametrize(
    ("name", "groups", "where"),
    [
        ("test_resnet", 16, None),
        ("test_resnet", 8, ["layer2.0", "layer4.0"]),
        ("test_resnet", 8, ["layer3"]),
        ("test_efficientnet", 8, None),
        ("test_convnext", 8, None),
    ],
)
def test_the_sge_of_weights_is_loaded_at_its_sites(tmp_path, name, groups, where):
    trained = act(insert_sge(network(name), groups, where))
    path = save(tmp_path / "w.pth", trained.state_dict())
    model = load_model(f"timm:{name}@{path}")
    assert model.groups == {key: one.groups for key, one in sge_blocks(trained).items()}
    assert same(model.network, trained)
    assert model.card.gates == "trained"
    assert not any("inserted" in note for note in model.card.notes)


def test_an_import_is_loaded_listed_verified_and_analyzed_by_its_name(home, tmp_path):
    plain = network(num_classes=3)
    path = save(tmp_path / "w.pth", plain.state_dict())
    stored = import_weights(
        path, "mine", network=SMALL, groups=8, where="layer4", labels=list("abc"), preprocess={"size": 64}
    )
    assert stored == home / "mine.safetensors"
    model = load_model("mine")
    assert same(model.network, plain)
    assert (model.groups, model.labels, model.preprocess.size) == ({"layer4": 8}, list("abc"), 64)
    assert model.description == Description("timm", "test_resnet", {"num_classes": 3}, ("layer4",), 8)
    assert any("inserted into 1 block" in note for note in imported_notes(stored))
    assert verify_model("mine").file == str(stored)
    analysis = sge.Lens(model).analyze(scene())
    assert analysis.masks["layer4"].shape[0] == 8
    assert len(analysis.predictions) == 3
    assert import_weights(path, network=SMALL).stem == "test_resnet"


def test_an_imported_network_can_be_trained_and_imported_again(home, tmp_path):
    import_weights(save(tmp_path / "w.pth", network().state_dict()), "mine", network=SMALL, groups=8)
    trained = act(load_model("mine").network)
    again = import_weights(save(tmp_path / "t.pth", trained.state_dict()), "tuned", network=SMALL)
    assert same(load_model("tuned").network, trained)
    assert not any("inserted" in note for note in imported_notes(again))


def test_weights_of_another_width_depth_or_network(tmp_path):
    for other, wrong in (
        ("test_resnet", network("test_resnet", in_chans=1)),
        ("test_resnet", network("test_efficientnet")),
        ("resnet34", network("test_resnet")),
    ):
        path = save(tmp_path / "w.pth", wrong.state_dict())
        with pytest.raises(CheckpointError, match=f"do not fit timm:{other}") as error:
            load_model(f"timm:{other}@{path}")
        assert len(str(error.value)) < 800
    path = save(
        tmp_path / "w.pth",
        act(insert_sge(network(), 8)).state_dict() | {"layer1.0.conv1.weight": torch.ones(1)},
    )
    with pytest.raises(CheckpointError, match="do not fit"):
        load_model(f"{SMALL}@{path}")


@pytest.mark.parametrize("shape", [(1, 0, 1, 1), (1, 10**6, 1, 1), (1, 7, 1, 1)])
def test_gates_that_cannot_be(tmp_path, shape):
    state = network().state_dict() | {f"layer4.0.se.{key}": torch.ones(shape) for key in ("weight", "bias")}
    with pytest.raises(SGEError, match=r".*\.$"):
        load_model(f"{SMALL}@{save(tmp_path / 'w.pth', state)}")


HOSTILE = [
    {"library": "os"}, {"name": "../x"}, {"name": "os.system"}, {"kwargs": {"checkpoint_path": "x"}},
    {"kwargs": {"act_layer": "os.system"}}, {"kwargs": {"num_classes": 10**7}}, {"kwargs": {"stem_width": 99_999}},
    {"sites": ["../.."]}, {"sites": ["nowhere"]}, {"groups": -1}, {"version": 9}, {"code": "print()"},
]  # fmt: skip


@pytest.mark.parametrize("change", [*HOSTILE, "x", None, [], 3], ids=str)
def test_descriptions_of_hostile_files(tmp_path, change):
    record = Description("timm", "test_resnet").to_record()
    record = record | change if isinstance(change, dict) else change
    state = insert_sge(network(), 8).state_dict() if record else network().state_dict()
    save_file(
        {k: v.contiguous() for k, v in state.items()},
        tmp_path / "odd.safetensors",
        {"sge.description": json.dumps(record)},
    )
    with pytest.raises(CheckpointError, match=r"^(odd\.safetensors|The weights do not fit).*\.$") as error:
        load_model(tmp_path / "odd.safetensors")
    assert len(str(error.value)) < 800


def test_a_file_that_states_another_network(home, tmp_path):
    stored = import_weights(save(tmp_path / "w.pth", network().state_dict()), "mine", network=SMALL)
    with pytest.raises(CheckpointError, match=r"holds timm:test_resnet, not timm:resnet18"):
        load_model(f"timm:resnet18@{stored}")
    with pytest.raises(CheckpointError, match=r"holds timm:test_resnet, not sge_resnet18"):
        load_model("sge_resnet18", stored)
    assert load_model(f"{SMALL}@{stored}").groups


def test_without_weights_nothing_is_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    for name, fetch in (
        ("timm:resnet18", "timm.create_model('resnet18', pretrained=True)"),
        ("torchvision:resnet18", "get_model('resnet18', weights='DEFAULT')"),
        ("sge:sge_resnet18", ""),
    ):
        with pytest.raises(CheckpointError, match="random weights show nothing") as error:
            load_model(name)
        assert fetch in str(error.value)
    with pytest.raises(CheckpointError, match="There is no weights file"):
        load_model("timm:resnet18@missing.pth")


def test_weights_in_the_cache_have_the_labels_and_preprocessing_of_the_library(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    plain = network("resnet18", "torchvision")
    save(tmp_path / "checkpoints" / "resnet18-f37072fd.pth", plain.state_dict())
    model = load_model("torchvision:resnet18")
    assert same(model.network, plain)
    assert (model.labels[0], model.preprocess.resize) == ("tench", 256)
    assert not any("assumed" in note or "labels" in note for note in model.card.notes)


def test_labels_missing_or_of_another_number(tmp_path):
    path = save(tmp_path / "w.pth", network(num_classes=3).state_dict())
    assert load_model(f"{SMALL}@{path}").labels == ["class 0", "class 1", "class 2"]
    assert load_model(SMALL, path, labels=list("abc")).labels == list("abc")
    with pytest.raises(CheckpointError, match="a label for each of its 3 classes"):
        load_model(SMALL, path, labels=list("ab"))


def test_images_of_one_channel_need_their_preprocessing(tmp_path):
    path = save(tmp_path / "w.pth", network(in_chans=1).state_dict())
    name = f"{SMALL}?in_chans=1@{path}"
    with pytest.raises(CheckpointError, match="for 3 channels, the network takes 1"):
        load_model(name)
    assert load_model(name, preprocess={"mean": [0.5], "std": [0.5]}).preprocess.channels == 1


def test_images_are_framed_to_the_only_size_that_a_network_takes(tmp_path):
    name = "timm:vit_tiny_patch16_224?depth=1&where=patch_embed.proj"
    plain = built(Description("timm", "vit_tiny_patch16_224", {"depth": 1, "num_classes": 3}))
    path = save(tmp_path / "w.pth", plain.state_dict())
    model = load_model(name, path)
    assert model.preprocess.fixed == (224, 224)
    assert len(sge.Lens(model).analyze(noise(60, 90)).predictions) == 3
    assert load_model(name, path, preprocess={"size": 160}).preprocess.fixed is None
    assert load_model(f"{name}&dynamic_img_size=true", path).preprocess.fixed is None
    for other, fixed in (("vit_b_16", (224, 224)), ("maxvit_t", (224, 224)), ("resnet18", None)):
        assert usual(Description("torchvision", other)).preprocess.fixed == fixed


def test_images_of_four_channels_are_none(tmp_path):
    path = save(tmp_path / "w.pth", network(in_chans=4).state_dict())
    with pytest.raises(CheckpointError, match="takes 4 channels, and images have 1 or 3"):
        load_model(f"{SMALL}?in_chans=4@{path}")


def test_a_card_that_opens_with_a_block_of_another_network(tmp_path):
    card = {"version": 2, "title": "t", "sentence": "s."}
    card["opens_with"] = {"block": "layer9", "group": 0, "reason": "it is there"}
    entries = {"sge.description": Description("timm", "test_resnet").to_record(), "sge.card": card}
    path = tmp_path / "w.safetensors"
    save_file(
        {k: v.contiguous() for k, v in network().state_dict().items()},
        path,
        {k: json.dumps(v) for k, v in entries.items()},
    )
    with pytest.raises(CheckpointError, match="names the block layer9, which the network lacks"):
        load_model(path)


def test_weights_in_half_precision_under_a_name_that_cannot_be_shown(tmp_path):
    state = {k: v.half() if v.is_floating_point() else v for k, v in network().state_dict().items()}
    model = load_model(SMALL, save(tmp_path / "\u202e\n.pth", state))
    assert "Weights are stored as float16 and computed as float32." in model.card.notes
    assert (model.name, model.card.source.split(",")[0]) == (r"\u202e\n", r"\u202e\n.pth")


def test_choices_that_need_a_network(small_file, tmp_path):
    for choice in ({"groups": 8}, {"where": "layer4"}):
        with pytest.raises(ChoiceError, match="Name it: --network"):
            import_weights(small_file, "mine", **choice)
    for named in ("resnet18", "timm:test_resnet@x.pth", ""):
        with pytest.raises(ChoiceError, match="names no network alone"):
            import_weights(small_file, "mine", network=named)
    with pytest.raises(ChoiceError, match="names no network alone"):
        import_weights(small_file, network=3)
    with pytest.raises(ChoiceError, match="no list of names"):
        import_weights(small_file, network=SMALL, where=3)
    with pytest.raises(UnknownModelError, match="timm:NAME@FILE"):
        load_model("keras:vgg16")


@pytest.mark.parametrize("classes_of_the_file", [0, 3])
def test_a_feature_extractor_has_no_classes_to_name(classes_of_the_file, tmp_path):
    plain = timm.create_model("test_resnet", num_classes=classes_of_the_file)
    path = save(tmp_path / "w.pth", plain.state_dict())
    model = load_model(f"{SMALL}?num_classes=0@{path}")
    assert model.labels is None
    assert sge.Lens(model).analyze(scene()).predictions == []
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        features = plain.eval().forward_head(plain.forward_features(image), pre_logits=True)
        torch.testing.assert_close(model.network(image), features, atol=1e-5, rtol=0)
    stored = import_weights(path, "x", network=f"{SMALL}?num_classes=0", folder=tmp_path)
    assert load_model(stored).labels is None


def test_a_pipe_is_no_weights_file_and_is_not_waited_for(tmp_path):
    pipe = tmp_path / "pipe.onnx"
    os.mkfifo(pipe)
    assert not is_exported(pipe)
    for use in (
        lambda: load_model(pipe),
        lambda: load_model(f"{SMALL}@{pipe}"),
        lambda: import_weights(pipe, "x"),
        lambda: import_weights(pipe, "x", network=SMALL),
    ):
        with pytest.raises(CheckpointError, match="it is a device, a pipe or a socket"):
            use()
