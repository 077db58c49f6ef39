"""Descriptions and names of networks: what is no scalar, no name or no library is refused before anything is built."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sge.errors import ChoiceError, SGEError
from sge.models import model_name, named_network
from sge.models.description import LIBRARIES, Description
from sge.models.libraries import build, built, outline
from sge.models.size_budget import MAX_TENSORS, TooLargeError, without_memory
from sge.nn import sge_blocks

HOSTILE_NAMES = [
    "", ".", "..", "../resnet50", "resnet50/../x", "/etc/passwd", "hf_hub:timm/resnet50", "hf-hub:x/y", "local-dir:/tmp",
    "os.system", "a.b.c", "resnet50\n", "resnet50\0", "__import__('os')", "x" * 200, 3, None, ["resnet50"],
]  # fmt: skip
HOSTILE_KWARGS = [
    {"act_layer": "torch.nn.ReLU"}, {"norm_layer": "os.system"}, {"x": {"nested": 1}}, {"x": [[1]]}, {"x": [{}]},
    {"x": "lambda: 0"}, {"x": "/etc/passwd"}, {"x": "__import__('os')"}, {"x": 1e999}, {"x": float("nan")},
    {"x": 10**9}, {"x": object()}, {"x": [0] * 5000}, {"a b": 1}, {"__class__": 1}, {3: 1}, {"x": "y" * 100}, ["x"], "x",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=repr)
def test_a_name_that_is_none(name):
    for library in LIBRARIES:
        with pytest.raises(ChoiceError) as error:
            outline(Description(library, name))
        assert len(str(error.value)) < 400


@pytest.mark.parametrize("library", ["", "os", "torch", "timm.models", "../timm", None, 1, "TIMM"], ids=repr)
def test_a_library_that_is_none(library):
    with pytest.raises(ChoiceError, match="choose one of: timm, torchvision, sge"):
        Description(library, "resnet18")


@pytest.mark.parametrize("kwargs", HOSTILE_KWARGS, ids=range(len(HOSTILE_KWARGS)))
def test_arguments_that_are_no_scalars(kwargs):
    with pytest.raises(ChoiceError, match=r"Leave it out|Correct them"):
        Description("timm", "resnet18", kwargs)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"version": None}, {"version": True}, {"library": None}, {"code": "x"}, {"sites": []}, {"sites": 3},
        {"sites": ["a/b"]}, {"sites": ["layer4..0"]}, {"sites": [None]}, {"groups": 0}, {"groups": "64"}, {"groups": 1.5},
        {"groups": True}, {"exact_groups": 1}, {"kwargs": []}, {"kwargs": None},
    ],
    ids=str,
)  # fmt: skip
def test_records_that_are_no_descriptions(change):
    record = Description("timm", "resnet18").to_record() | change
    with pytest.raises(SGEError):
        Description.from_record(record)


@pytest.mark.parametrize("record", [None, [], "timm:resnet18", {}, {"version": 1}])
def test_what_is_no_record_at_all(record):
    with pytest.raises(ChoiceError, match="description of the network"):
        Description.from_record(record)


LOADS = [
    "pretrained",
    "pretrained_cfg",
    "checkpoint_path",
    "cache_dir",
    "weights",
    "weights_backbone",
    "progress",
    "url",
]


@pytest.mark.parametrize("name", LOADS)
@pytest.mark.parametrize("library", ["timm", "torchvision"])
def test_arguments_that_open_or_fetch_files(library, name, monkeypatch):
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("downloads"))
    with pytest.raises(ChoiceError, match="opens or fetches files"):
        outline(Description(library, "resnet18", {name: True}))


def test_unknown_names_and_arguments_are_answered_with_similar_ones():
    for library, name, near in (
        ("timm", "resnet5O", "resnet50"),
        ("torchvision", "resnet-50".replace("-", "_"), "resnet50"),
        ("sge", "sge_resnet5", "sge_resnet50"),
    ):
        with pytest.raises(ChoiceError, match=f"Did you mean .*{near}"):
            outline(Description(library, name))
    with pytest.raises(ChoiceError, match=r"no argument num_clases\. Did you mean num_classes"):
        outline(Description("timm", "resnet18", {"num_clases": 3}))
    with pytest.raises(
        ChoiceError, match=r"timm has no weights resnet18\.mine; there are: resnet18\.a1_in1k"
    ):
        outline(Description("timm", "resnet18.mine"))
    with pytest.raises(ChoiceError, match="for films"):
        outline(Description("torchvision", "r3d_18"))


@pytest.mark.parametrize(
    ("name", "kwargs"),
    [
        ("resnet18", {"act_layer": "relu7"}),
        ("resnet18", {"global_pool": 7}),
        ("resnet18", {"block_args": "x"}),
        ("vit_tiny_patch16_224", {"embed_dim": -1}),
    ],
)
def test_arguments_on_which_the_library_fails(name, kwargs):
    with pytest.raises(ChoiceError, match=r"cannot be built with these arguments \(.*\)\. Correct"):
        outline(Description("timm", name, kwargs))


@pytest.mark.parametrize(
    ("library", "name", "kwargs"),
    [
        ("torchvision", "resnet18", {"num_classes": 100_000, "in_channels": 1}),
        ("torchvision", "resnet50", {"width_per_group": 100_000}),
        ("timm", "resnet18", {"in_chans": 99_999, "channels": 99_999}),
        ("timm", "vit_tiny_patch16_224", {"embed_dim": 99_999, "num_heads": 1}),
        (
            "timm",
            "vit_base_patch16_rope_reg1_gap_256",
            {"img_size": 60_000},
        ),  # a table of positions, in no file
    ],
)
def test_huge_networks_are_refused_before_memory_is_taken(library, name, kwargs):
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ChoiceError):
        outline(Description(library, name, kwargs))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_a_network_of_endless_layers_is_given_up(monkeypatch):
    assert MAX_TENSORS > 10_000  # more than any network that a library lists by itself
    monkeypatch.setattr("sge.models.size_budget.MAX_TENSORS", 2000)
    with pytest.raises(ChoiceError, match="too many layers"):
        outline(Description("timm", "vit_tiny_patch16_224", {"depth": 5000}))


def test_large_results_have_a_shape_and_no_numbers_and_small_ones_are_as_usual():
    def make():
        row = torch.arange(20_000)
        large = [row[:, None] - row, torch.eye(30_000), torch.linspace(0, 1, 10**8), row.repeat(1000)]
        small = [row[:, None] * 2, torch.linspace(0, 1, 5), row.expand(20_000, -1), torch.stack([row, row])]
        return large, small, [one.item() for one in torch.linspace(0, 1, 3)]

    large, small, numbers = without_memory(make)
    assert all(one.is_meta for one in large)
    assert [tuple(one.shape) for one in large[:2]] == [(20_000, 20_000), (30_000, 30_000)]
    row = torch.arange(20_000)
    for one, wanted in zip(
        small, [row[:, None] * 2, torch.linspace(0, 1, 5), row, torch.stack([row, row])], strict=True
    ):
        assert torch.equal(one[0] if one.shape == (20_000, 20_000) else one, wanted)
    assert numbers == [0, 0.5, 1]
    with pytest.raises(TooLargeError):
        without_memory(lambda: torch.ones(60_000)[:, None] + torch.ones(3, 1, 60_000))


def test_arguments_of_a_class_that_passes_them_to_its_base():
    for name in ("levit_128s", "deit_tiny_distilled_patch16_224"):
        assert outline(Description("timm", name, {"num_classes": 7})).num_classes == 7


def test_an_outline_has_the_shapes_of_the_network_and_leaves_the_random_numbers():
    for description in (
        Description("timm", "test_resnet", {"num_classes": 5, "in_chans": 1}),
        Description("torchvision", "shufflenet_v2_x0_5"),
        Description("torchvision", "regnet_x_400mf"),
        Description("sge", "sge_resnet18", {"num_classes": 3}, groups=32),
    ):
        torch.manual_seed(0)
        state = torch.get_rng_state()
        shapes = {key: value.shape for key, value in outline(description).state_dict().items()}
        real = built(description)
        assert torch.equal(torch.get_rng_state(), state)
        assert shapes == {key: value.shape for key, value in real.state_dict().items()}
        assert not any(value.is_meta for value in [*real.parameters(), *real.buffers()])
        assert not real.training


def test_building_inserts_sge_at_the_sites():
    network = build(Description("timm", "test_resnet", sites=("layer3", "layer4.0"), groups=8))
    assert {name: one.groups for name, one in sge_blocks(network).items()} == {"layer3": 8, "layer4.0": 8}
    with pytest.raises(SGEError, match=r"layer9"):
        build(Description("timm", "test_resnet", sites=("layer9",)))
    with pytest.raises(SGEError, match="7 groups do not divide"):
        build(Description("timm", "test_resnet", groups=7, exact_groups=True))


WORDS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
SCALARS = st.none() | st.booleans() | st.integers(-1000, 1000) | WORDS


@settings(max_examples=30, deadline=None)
@given(
    WORDS,
    st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), SCALARS | st.lists(SCALARS, max_size=3)),
    st.none() | st.lists(WORDS, min_size=1, max_size=3),
    st.integers(1, 1000),
)
def test_a_record_is_read_as_it_was_written(name, kwargs, sites, groups):
    description = Description("timm", name, kwargs, None if sites is None else tuple(sites), groups)
    record = json.loads(json.dumps(description.to_record()))
    assert Description.from_record(record) == description


def test_what_a_text_names():
    def parts(text):
        named = named_network(text)
        assert named is not None
        return named.description, named.file, named.name

    plain = Description("timm", "resnet50")
    assert parts("timm:resnet50") == (plain, None, "resnet50")
    assert parts("timm:resnet50@a/b.pth.tar") == (plain, Path("a/b.pth.tar"), "b")
    chosen = Description(
        "torchvision", "resnet18", {"num_classes": 3, "x": [1, 2]}, ("layer4", "layer3.0"), 32, True
    )
    options = "num_classes=3&x=[1,2]&where=layer4&where=layer3.0&groups=32&exact_groups=true"
    for text in (f"torchvision:resnet18?{options}@x.pth", f"torchvision:resnet18@x.pth?{options}"):
        assert parts(text) == (chosen, Path("x.pth"), "x")
    assert parts("timm:resnet50?where=layer4,layer3")[0].sites == ("layer4", "layer3")
    assert parts("timm:resnet50@dir@home/w?x.pth?groups=8")[1] == Path("dir@home/w?x.pth")  # no such file


def test_a_file_whose_name_has_a_question_mark(tmp_path):
    file = tmp_path / "w?groups=8.pth"
    file.write_bytes(b"x")
    named = named_network(f"timm:resnet50@{file}")
    assert named is not None
    assert (named.file, named.description.groups) == (file, 64)


@pytest.mark.parametrize(
    "text", ["sge_resnet50", "weights.pth", "C:\\weights.pth", "http://x/y", "", "keras:vgg16@x"]
)
def test_texts_that_name_no_network_of_a_library(text):
    assert named_network(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "timm:", "timm:@x", "timm:resnet50@", "timm:resnet50?groups", "timm:resnet50?groups=0", "timm:resnet50?groups=x",
        "timm:resnet50?where=", "timm:resnet50?a=1&a=2", "timm:resnet50?a={}", "timm:resnet50?a=" + "[" * 99999,
        "timm:a/b", "timm:resnet50?a=torch.nn.ReLU", "timm:resnet50?exact_groups=1", "timm:resnet50?a=" + "9" * 5000,
        "timm:resnet50?groups=8&groups=8", "timm:resnet50?groups=100001",
    ],
    ids=range(16),
)  # fmt: skip
def test_texts_that_cannot_be_used(text):
    with pytest.raises(ChoiceError) as error:
        named_network(text)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("a b@c.pth", "a b@c"), (".hidden.pth", "hidden"), (".pth", "pth"), ("..", ".."), ("w\n.pth", r"w\n"),
        ("x/\u202ey.pth", r"\u202ey"), ("C:\\Users\\me\\w.pth", "w"), ("dir.d/w", "w"),
    ],
)  # fmt: skip
def test_a_name_of_a_file_is_printable_and_never_empty(file, name):
    named = named_network(f"timm:resnet50@{file}")
    assert named is not None
    assert named.name == model_name(f"./{file}") == name


def test_two_files_are_one_too_many():
    with pytest.raises(ChoiceError, match="names a file, and another is given"):
        named_network("timm:resnet50@a.pth", "b.pth")


def test_names_are_read_without_torch():
    code = (
        "import sys; from sge.models import named_network, Description\n"
        "assert named_network('timm:resnet50@x.pth').name == 'x'\n"
        "assert not {'torch', 'timm', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
