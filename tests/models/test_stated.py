"""Labels and preprocessing: given, stated or assumed, and never invented without a note."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from sge.errors import CheckpointError, ChoiceError
from sge.images import Preprocess
from sge.models.labels import imagenet_labels
from sge.models.registry import load_model
from sge.models.stated import checked_labels, given_labels, labels_of, made_preprocess, preprocess_of
from sge.models.stated_labels import as_labels, labels_in

FOUR = ["dog", "größte Katze", "tench, Tinca tinca", "犬"]
USUAL = Preprocess(mean=(0.4, 0.5, 0.6), interpolation="bicubic")


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(FOUR),
        "\r\n".join(FOUR) + "\r\n\r\n",
        "\ufeff" + "\n".join(FOUR),
        json.dumps(FOUR),
        json.dumps(dict(enumerate(FOUR)), ensure_ascii=False),
        json.dumps({label: i for i, label in reversed(list(enumerate(FOUR)))}),
    ],
    ids=["lines", "windows", "bom", "list", "by number", "to number"],
)
def test_labels_of_every_usual_file(tmp_path, text):
    (tmp_path / "labels").write_bytes(text.encode())
    for path in (tmp_path / "labels", str(tmp_path / "labels")):
        assert given_labels(path, 4) == FOUR
    assert given_labels(tuple(FOUR), 4) == FOUR


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (FOUR[:3], "a label for each of its 4 classes: it has 3"),
        ("abcd", "it has no list of them"),
        (None, "it has no list of them"),
        ({"a": 1}, "it has no list of them"),
        (4, "it has no list of them"),
        ([*FOUR[:3], 3], "label 3 is 3, not text"),
        ([*FOUR[:3], None], "label 3 is None, not text"),
        ([*FOUR[:3], ["x"] * 999], "label 3 is .*, not text"),
        ([*FOUR[:3], " "], "label 3 is empty"),
        ([*FOUR[:3], "x" * 1_000_000], "label 3 has 1,000,000 characters"),
        ([*FOUR[:3], "a\nb"], "label 3 has characters that cannot be shown"),
        ([*FOUR[:3], "a\x1b[31mb"], "cannot be shown"),
        ([*FOUR[:3], "a\0"], "cannot be shown"),
        ([*FOUR[:3], "\ud800"], "cannot be shown"),
        ([*FOUR[:3], "a\u202eb"], "cannot be shown"),
    ],
)
def test_labels_that_cannot_be_used(labels, sentence):
    with pytest.raises(CheckpointError, match=f"^x .*{sentence}|^x: .*{sentence}") as error:
        checked_labels(labels, 4, "x")
    assert len(str(error.value)) < 400
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfea\0b\0", "is not text in UTF-8"),
        (b'["a", ', "is no JSON"),
        (b'{"a": 0, "b": 2}', "a label for each"),
        (b"a\n\nb\nc", "label 1 is empty"),
        (b"[" * 5000, "is no JSON"),
        (b"[1, NaN, 3, 4]", "no JSON with finite numbers"),
        (b"", "a label for each"),
    ],
)
def test_label_files_that_cannot_be_used(tmp_path, content, sentence):
    (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(CheckpointError, match=sentence):
        given_labels(tmp_path / "labels.txt", 4)


def test_label_files_that_are_not_there(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path, "nul\0", tmp_path / ("x" * 300)):
        with pytest.raises(CheckpointError, match="cannot be read"):
            given_labels(path, 4)


def test_given_goes_before_stated_before_found_before_assumed():
    found = {"meta.CLASSES": list("abcd")}
    assert labels_of(4, FOUR, list("wxyz"), found, "f") == (FOUR, [])
    assert labels_of(4, None, list("wxyz"), found, "f") == (list("wxyz"), [])
    labels, notes = labels_of(4, None, None, found, "f")
    assert (labels, len(notes)) == (list("abcd"), 1)
    assert "meta.CLASSES" in notes[0]
    labels, notes = labels_of(3, None, None, found, "f")
    assert labels == ["class 0", "class 1", "class 2"]
    assert "meta.CLASSES" in notes[0]
    assert "unknown" in notes[1]
    assert "--labels" in notes[1]
    for case in (
        (["a", "b", "a"], None, {}),
        (None, ["a", "b", "a"], {}),
        (None, None, {"classes": ["a", "b", "a"]}),
    ):
        labels, notes = labels_of(3, *case, "f")
        assert labels == ["a", "b", "a"]
        assert "Several classes share a label (a)" in notes[-1]
    assert labels_of(1000, imagenet_labels(), None, {}, "f") == (imagenet_labels(), [])
    labels, notes = labels_of(1000, None, None, {}, "f")
    assert labels == imagenet_labels()
    assert "taken for ImageNet's" in notes[0]


@pytest.mark.parametrize(
    ("root", "place"),
    [
        ({"classes": list("ab")}, "classes"),
        ({"meta": {"CLASSES": ("a", "b")}}, "meta.CLASSES"),
        ({"meta": {"dataset_meta": {"classes": ["a", "b"]}}}, "meta.dataset_meta.classes"),
        ({"class_to_idx": {"b": 1, "a": 0}}, "class_to_idx"),
        ({"hyper_parameters": {"class_names": ["a", "b"]}}, "hyper_parameters.class_names"),
        ({"names": {0: "a", 1: "b"}}, "names"),
        ({"id2label": {"0": "a", "1": "b"}}, "id2label"),
    ],
)
def test_names_that_trainers_keep_beside_the_weights(root, place):
    assert labels_in({"epoch": 3, **root}) == {place: ["a", "b"]}


@pytest.mark.parametrize(
    "value", [[1, 2], {"a": True}, {"a": 0, "b": 0}, {0: "a", 2: "b"}, {"x": "a"}, [], {}, "ab", None]
)
def test_what_is_no_list_of_names(value):
    assert as_labels(value) is None


@pytest.mark.parametrize(
    ("record", "sentence"),
    [
        ({"zoom": 3}, r"unknown entries \(zoom\)"),
        ([], "no record"),
        ("x", "no record"),
        ({"size": 10**9}, "size"),
        ({"size": "224"}, "size"),
        ({"size": True}, "size"),
        ({"mean": [float("nan")] * 3}, "mean"),
        ({"std": [0, 0, 0]}, "std"),
        ({"std": [0.2, 0.2]}, "std"),
        ({"mean": [0.5]}, "mean"),
        ({"mean": 0.5}, "mean"),
        ({"interpolation": "lanczos"}, "interpolation"),
        ({"whole_temperature": 0}, "whole_temperature"),
        ({"whole": 0}, "whole"),
        ({"resize": -1}, "resize"),
    ],
)
def test_preprocessing_that_cannot_be_used(record, sentence):
    with pytest.raises(CheckpointError, match=rf"^x: .*{sentence}"):
        made_preprocess(record, "x")


def test_preprocessing_is_given_whole_or_in_parts(tmp_path):
    whole = asdict(Preprocess(size=160, resize=184))
    (tmp_path / "p.json").write_text(json.dumps(whole))
    for given in (
        Preprocess(size=160, resize=184),
        whole,
        json.dumps(whole),
        tmp_path / "p.json",
        str(tmp_path / "p.json"),
    ):
        assert preprocess_of(given, asdict(USUAL), USUAL, "Net", "f") == (
            Preprocess(size=160, resize=184),
            [],
        )
    assert preprocess_of(None, asdict(replace(USUAL, size=96)), Preprocess(), "Net", "f") == (
        replace(USUAL, size=96),
        [],
    )
    made, (note,) = preprocess_of({"size": 160}, None, USUAL, "Net", "f")
    assert made == replace(USUAL, size=160, resize=183)
    assert note.startswith("Of the preprocessing, mean, std, resize, interpolation, whole")
    assert "160 px from 183 px" in note
    made, (note,) = preprocess_of(None, None, USUAL, "Net", "f")
    assert made == USUAL
    assert (
        "states no preprocessing; that of Net is assumed: 224 px from 256 px, bicubic, mean 0.400 0.500 0.600"
        in note
    )
    assert "--preprocess" in note


def test_preprocessing_of_a_timm_configuration():
    timm = {
        "architecture": "x",
        "num_classes": 7,
        "pretrained_cfg": {"input_size": [3, 160, 160], "crop_pct": 0.875},
    }
    timm["pretrained_cfg"] |= {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "url": ""}
    made, notes = preprocess_of(json.dumps(timm), None, USUAL, "Net", "f")
    assert made == Preprocess((0.5,) * 3, (0.5,) * 3, 182, 160, "bicubic")
    assert notes == []
    for wrong in ({"input_size": "x"}, {"input_size": []}, {"crop_pct": 0, "input_size": 3}, {"crop_pct": 1}):
        with pytest.raises(CheckpointError):
            preprocess_of(wrong | {"input_size": wrong.get("input_size")}, None, USUAL, "Net", "f")


@pytest.mark.parametrize(
    "given", ["{", "[1]", "no_such_file.json", '{"size": NaN}', '{"size": 1e999}', '{"a": 1}']
)
def test_preprocessing_text_that_cannot_be_used(given):
    with pytest.raises(CheckpointError):
        preprocess_of(given, None, USUAL, "Net", "f")


def test_a_file_without_facts_says_what_is_assumed_and_takes_given_ones(small_file):
    assumed = load_model(small_file)
    assert assumed.labels == [f"class {i}" for i in range(4)]
    assert any("names no labels" in note for note in assumed.card.notes)
    assert any("states no preprocessing" in note for note in assumed.card.notes)
    given = load_model("sge_resnet18", small_file, labels=FOUR, preprocess=asdict(Preprocess(size=160)))
    assert (given.labels, given.preprocess.size, given.card.notes) == (FOUR, 160, ())
    with pytest.raises(ChoiceError, match="has labels and preprocessing of its own"):
        load_model("sge_resnet18_dogs", labels=FOUR)
    with pytest.raises(CheckpointError, match=r"preprocessing is for 1 channels, the network takes 3"):
        load_model(small_file, preprocess=Preprocess(mean=(0.5,), std=(0.5,)))


@pytest.mark.parametrize("size", [{"size": 160}, {"input_size": [3, 160, 160]}])
@pytest.mark.parametrize(("crop", "resize"), [({}, 183), ({"crop_pct": 1.0}, 160), ({"resize": 200}, 200)])
def test_a_size_under_either_name_carries_nothing_that_was_measured_for_another(size, crop, resize):
    usual = replace(USUAL, whole=320, whole_temperature=0.49)
    made, notes = preprocess_of(size | crop, None, usual, "Net", "w.pth")
    assert made == replace(USUAL, size=160, resize=resize, whole=None, whole_temperature=1.0)
    assert f"160 px from {resize} px" in notes[0]
    assumed, notes = preprocess_of(None, None, usual, "Net", "w.pth")
    assert assumed == usual
    assert "whole images at 320 px with temperature 0.49" in notes[0]


@pytest.mark.parametrize(
    "given", [{"mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}, '{"mean": [1.5]}']
)
def test_statistics_of_pixels_that_are_not_divided_by_255(given):
    with pytest.raises(CheckpointError, match=r"Divide mean and std by 255\.|one of each"):
        preprocess_of(given, None, USUAL, "Net", "w.pth")


@pytest.mark.parametrize("given", [5, b'{"size": 160}', ["size", 160]])
def test_preprocessing_of_another_type(given):
    with pytest.raises(CheckpointError, match="no record, JSON text or path"):
        preprocess_of(given, None, USUAL, "Net", "w.pth")


def test_files_without_an_end_and_arrays_of_labels(small_file):
    with pytest.raises(CheckpointError, match="more than 10,000,000 bytes"):
        given_labels("/dev/zero", 4)
    assert given_labels(dict(reversed(list(enumerate(FOUR)))), 4) == FOUR
    with pytest.raises(CheckpointError, match="no list of them"):
        load_model(small_file, labels=np.array(FOUR))
