"""ONNX files of others: what cannot be shown is refused with a sentence, and the rest has the maps that were named."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sge.arrays import Array
from sge.errors import CheckpointError, ChoiceError, SGEError
from sge.images import Preprocess
from sge.models import ExportedModel, import_weights, load_model
from sge.models.foreign_trial import drawn_images
from tests.models.foreign_files import CLASSES, FLOAT, GROUPS, foreign, saved

MAPS = {"layer1": "att/\u00e4"}
Edit = Callable[[onnx.ModelProto], None]


def imported(path: Path, folder: Path, **choices: object) -> ExportedModel:
    model = load_model(import_weights(path, "theirs", folder / "models", **{"maps": MAPS} | choices))  # type: ignore[arg-type]
    assert isinstance(model, ExportedModel)
    return model


def run(path: Path, feed: Array, *names: str) -> list[Array]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    return list(session.run(list(names), {image.name: feed}))


def custom_operator(proto: onnx.ModelProto) -> None:
    proto.graph.node[2].domain = "com.evil"
    proto.opset_import.add(domain="com.evil", version=1)


def outside(proto: onnx.ModelProto) -> None:
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


def huge_weights(proto: onnx.ModelProto) -> None:
    proto.graph.initializer[0].dims[:] = [2**40, 2**20]


def loop(proto: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    proto.graph.node.append(helper.make_node("Loop", ["", ""], ["x"], body=body))


def function(proto: onnx.ModelProto) -> None:
    proto.functions.append(helper.make_function("evil", "f", [], [], [], [helper.make_opsetid("", 17)]))


def two_inputs(proto: onnx.ModelProto) -> None:
    proto.graph.input.append(helper.make_tensor_value_info("mask", FLOAT, [1]))


def no_input(proto: onnx.ModelProto) -> None:
    del proto.graph.input[:]


def opset(version: int) -> Edit:
    def edit(proto: onnx.ModelProto) -> None:
        proto.opset_import[0].version = version

    return edit


def no_text(proto: onnx.ModelProto) -> None:
    proto.metadata_props.add(key="names", value="x")


def enlarged(proto: onnx.ModelProto) -> None:
    """Maps of 1120 x 1120 cells."""
    sizes = numpy_helper.from_array(np.array([1, 1, 40, 40], np.float32), "sizes")
    proto.graph.initializer.append(sizes)
    proto.graph.node[2].output[0] = "small"
    proto.graph.node.append(helper.make_node("Resize", ["small", "", "sizes"], ["att/\u00e4"]))


def not_a_number(proto: onnx.ModelProto) -> None:
    proto.graph.node[2].op_type = "Log"


def cyclic(proto: onnx.ModelProto) -> None:
    proto.graph.node[0].input[0] = "att/\u00e4"


def without_shape(proto: onnx.ModelProto) -> None:
    proto.graph.input[0].type.tensor_type.ClearField("shape")


BROKEN: dict[str, tuple[Edit, str]] = {
    "custom operator": (custom_operator, "com.evil"),
    "weights outside": (outside, "weights in other files"),
    "huge weights": (huge_weights, "not of their shape"),
    "loop": (loop, "loop or a choice"),
    "function": (function, "functions"),
    "two inputs": (two_inputs, r"2 inputs \(pixels, mask\)"),
    "no input": (no_input, "0 inputs"),
    "opset too new": (opset(9999), "beyond versions"),
    "opset too old": (opset(3), "beyond versions"),
    "maps that are too large": (enlarged, "4 maps of 1120 x 1120 cells"),
    "not a number": (not_a_number, "not finite|values from"),
    "cyclic": (cyclic, "cannot be run|fails"),
    "input without a shape": (without_shape, "it must be"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_hostile_files_are_refused_with_a_sentence(what: str, tmp_path: Path) -> None:
    edit, said = BROKEN[what]
    proto = foreign(image=(1, 3, 32, 32) if what != "maps that are too large" else (1, 3, 224, 224))
    edit(proto)
    with pytest.raises(CheckpointError, match=said) as refused:
        imported(saved(proto, tmp_path), tmp_path)
    assert str(refused.value).endswith(".")
    assert not (tmp_path / "models").exists()


SHAPES = {
    "channels last": (("n", 32, 32, 3), FLOAT, "channels come last"),
    "four channels": (("n", 4, 32, 32), FLOAT, "RGB or gray"),
    "several images": ((8, 3, 32, 32), FLOAT, "several images only"),
    "one side fixed": (("n", 3, 32, "w"), FLOAT, "one side is fixed"),
    "huge sides": (("n", 3, 10**6, 10**6), FLOAT, "sides are 1 to"),
    "no height": (("n", 3, 0, 32), FLOAT, "sides are 1 to"),
    "three axes": ((3, 32, 32), FLOAT, "it must be"),
    "bytes": (("n", 3, 32, 32), TensorProto.UINT8, "of type uint8"),
}


@pytest.mark.parametrize("what", SHAPES)
def test_other_inputs_are_refused_with_a_sentence(what: str, tmp_path: Path) -> None:
    shape, element, said = SHAPES[what]
    proto = foreign(image=shape)
    proto.graph.input[0].type.tensor_type.elem_type = element
    with pytest.raises(CheckpointError, match=said):
        imported(saved(proto, tmp_path), tmp_path)


CHOICES = {
    "unknown output": ({"a": "nothing"}, ChoiceError, "no output and no tensor 'nothing'.*scores"),
    "no equals sign": (["layer1"], ChoiceError, "write NAME=OUTPUT"),
    "no name": (["=scores"], ChoiceError, "write NAME=OUTPUT"),
    "a name with a slash": ({"a/b c": "att/\u00e4"}, ChoiceError, "such as a_b_c="),
    "twice": (["a=before", "a=att/\u00e4"], ChoiceError, "twice"),
    "similarity alone": ({"similarity/a": "before"}, ChoiceError, "has no mask"),
    "two axes": ({"a": "scores"}, CheckpointError, r"shape \(1, 3\)"),
    "beyond 0 to 1": ({"a": "before"}, CheckpointError, r"values from -.*a=sigmoid\(before\)"),
    "energy of another shape": ({"a": "att/\u00e4", "energy/a": "scores"}, CheckpointError, "shape"),
    "nothing": ([], CheckpointError, "does not say"),
}


@pytest.mark.parametrize("what", CHOICES)
def test_other_maps_are_refused_with_a_sentence(what: str, tmp_path: Path) -> None:
    maps, kind, said = CHOICES[what]
    with pytest.raises(kind, match=said):
        imported(saved(foreign(image=(1, 3, 32, 32)), tmp_path), tmp_path, maps=maps)


def test_outputs_that_could_be_maps_are_proposed(tmp_path: Path) -> None:
    proto = foreign(image=(1, 3, 32, 48))
    path = saved(proto, tmp_path)
    with pytest.raises(
        CheckpointError,
        match=r"could be maps: 'att/\u00e4' \(1, 4, 4, 6\), 'before' .* beyond 0 to 1.*'layer4=att/\u00e4'",
    ):
        imported(path, tmp_path, maps=None)
    with pytest.raises(CheckpointError, match=r"--maps NAME=OUTPUT"):
        load_model(path)
    del proto.graph.output[1:]
    with pytest.raises(CheckpointError, match=r"a sigmoid makes: 'att/\u00e4' \(1, 4, 4, 6\)"):
        imported(saved(proto, tmp_path), tmp_path, maps=None)
    swish = onnx.ModelProto()
    swish.CopyFrom(proto)
    swish.graph.node.append(helper.make_node("Mul", ["att/\u00e4", "before"], ["scaled"]))
    with pytest.raises(CheckpointError, match="no maps that could be shown"):
        imported(saved(swish, tmp_path), tmp_path, maps=None)
    proto.graph.node[2].op_type = "Relu"
    with pytest.raises(CheckpointError, match="no maps that could be shown"):
        imported(saved(proto, tmp_path), tmp_path, maps=None)


@pytest.mark.parametrize("element", [FLOAT, TensorProto.FLOAT16])
@pytest.mark.parametrize("size", [("h", "w"), (32, 48)])
def test_the_maps_are_those_of_the_file(size: tuple[object, object], element: int, tmp_path: Path) -> None:
    path = saved(foreign(image=("n", 3, *size), element=element), tmp_path, "their net.onnx")
    model = imported(path, tmp_path, maps=MAPS | {"second": "sigmoid(before)", "similarity/second": "before"})
    assert [(block.name, block.groups, block.outputs) for block in model.blocks] == [
        ("layer1", GROUPS, ("mask",)),
        ("second", GROUPS, ("similarity", "mask")),
    ]
    assert (model.size, model.rows, model.classes) == (size if size[0] == 32 else None, None, CLASSES)
    image = drawn_images(2, 3, 32, 48)
    feed = image.astype(helper.tensor_dtype_to_np_dtype(element))
    expected = run(path, feed, "att/\u00e4", "scores", "before")
    found = run(model.path, image, "mask/layer1", "logits", "similarity/second", "mask/second")
    near = 1e-6 if element == FLOAT else 1e-3
    np.testing.assert_allclose(found[0], expected[0], atol=near)
    np.testing.assert_allclose(found[1], expected[1], atol=near)
    np.testing.assert_allclose(found[3], found[0], atol=1e-3)
    before = expected[2].astype(np.float64)
    np.testing.assert_allclose(
        found[2],
        (before - before.mean((2, 3), keepdims=True)) / before.std((2, 3), keepdims=True),
        atol=1e-4 if element == FLOAT else 2e-2,
    )


def test_maps_of_which_each_row_is_a_group(tmp_path: Path) -> None:
    """As in the usual code of SGE, where the groups of all images are rows."""
    proto = foreign()
    shape = numpy_helper.from_array(np.array([-1, 1, 0, 0], np.int64), "shape")
    proto.graph.initializer.append(shape)
    proto.graph.node.append(helper.make_node("Reshape", ["att/\u00e4", "shape"], ["rows"]))
    path = saved(proto, tmp_path)
    model = imported(path, tmp_path, maps={"layer1": "rows"})
    assert (model.blocks[0].groups, model.rows) == (GROUPS, None)
    image = drawn_images(2, 3, 64, 32)
    np.testing.assert_array_equal(run(model.path, image, "mask/layer1")[0], run(path, image, "att/\u00e4")[0])


def test_a_file_that_takes_one_image_although_it_says_otherwise(tmp_path: Path) -> None:
    proto = foreign()
    proto.graph.node[2].output[0] = "gate"
    first = [numpy_helper.from_array(np.array([at], np.int64), f"at{at}") for at in (0, 1)]
    proto.graph.initializer.extend(first)
    proto.graph.node.append(helper.make_node("Slice", ["gate", "at0", "at1", "at0"], ["att/\u00e4"]))
    assert imported(saved(proto, tmp_path), tmp_path).rows == 1


def test_a_file_that_takes_one_size_although_it_says_otherwise(tmp_path: Path) -> None:
    proto = foreign()
    proto.graph.initializer.append(numpy_helper.from_array(np.array([-1, GROUPS, 28, 28], np.int64), "sides"))
    proto.graph.node.append(helper.make_node("Reshape", ["att/\u00e4", "sides"], ["fixed"]))
    path = saved(proto, tmp_path)
    model = imported(path, tmp_path, maps={"layer1": "fixed"})
    assert (model.size, model.preprocess.fixed) == ((224, 224), (224, 224))
    assert any("224 x 224 pixels alone" in note for note in model.card.notes)
    with pytest.raises(CheckpointError, match=r"fails on an image of 64 x 64 pixels.*--preprocess"):
        imported(path, tmp_path, maps={"layer1": "fixed"}, preprocess={"size": 64})


def test_old_files_list_their_weights_as_inputs(tmp_path: Path) -> None:
    proto = foreign(image=(1, 3, 32, 32), opset=9)
    proto.ir_version = 3
    proto.graph.input.extend(
        helper.make_tensor_value_info(one.name, FLOAT, one.dims) for one in proto.graph.initializer
    )
    model = imported(saved(proto, tmp_path), tmp_path)
    assert (model.size, model.rows) == ((32, 32), 1)


def test_outputs_that_are_named_as_ours(tmp_path: Path) -> None:
    proto = foreign(image=(1, 3, 32, 32))
    for output, name in zip(
        proto.graph.output, ("logits", "mask/layer 1/sge", "similarity/layer 1/sge"), strict=True
    ):
        for node in proto.graph.node:
            node.output[:] = [name if one == output.name else one for one in node.output]
            node.input[:] = [name if one == output.name else one for one in node.input]
        output.name = name
    (block,) = imported(saved(proto, tmp_path), tmp_path, maps=None).blocks
    assert (block.name, block.outputs) == ("layer_1_sge", ("similarity", "mask"))


def test_probabilities_become_logits_and_scores_of_each_class_none(tmp_path: Path) -> None:
    image = drawn_images(1, 3, 64, 64)
    path = saved(foreign(end="Softmax"), tmp_path)
    model = imported(path, tmp_path)
    logits, expected = run(model.path, image, "logits")[0], run(path, image, "scores")[0]
    np.testing.assert_allclose(np.exp(logits), expected, rtol=1e-5)
    assert any("probabilities" in note for note in model.card.notes)
    model = imported(saved(foreign(end="Sigmoid"), tmp_path), tmp_path)
    assert (model.classes, model.results) == (0, ())
    assert any("a score of its own" in note for note in model.card.notes)


def test_labels_and_preprocessing(tmp_path: Path) -> None:
    proto = foreign(image=("n", 3, 32, 64))
    path = saved(proto, tmp_path)
    labels, preprocess = ["a", "b", "c"], {"mean": [0.5] * 3, "std": [0.5] * 3}
    model = imported(path, tmp_path, labels=labels, preprocess=preprocess)
    assert (model.labels, model.preprocess.mean, model.preprocess.fixed) == (labels, (0.5,) * 3, (32, 64))
    assert model.preprocess.size == 32
    with pytest.raises(CheckpointError, match="each of its 3 classes"):
        imported(path, tmp_path, labels=["a"])
    with pytest.raises(CheckpointError, match=r"64 x 32 pixels alone.*Give size 32"):
        imported(path, tmp_path, preprocess={"size": 224})
    with pytest.raises(CheckpointError, match="for 1 channels"):
        imported(path, tmp_path, preprocess=Preprocess(mean=(0.5,), std=(0.5,), size=32, resize=32))
    with pytest.raises(ChoiceError, match="holds its network"):
        imported(path, tmp_path, network="timm:resnet18")
    proto.metadata_props.add(key="names", value="""{0: 'it\\'s', 1: "b, c: d", 2: 'c'}""")
    assert imported(saved(proto, tmp_path), tmp_path).labels == ["it's", "b, c: d", "c"]


@pytest.mark.parametrize(
    "names",
    ["__import__('os')", "{0: open('x')}", "{" * 10**5, "{0: 'a'}", "{0: 'a' 1: 'b'}", "{-1: 'a'}", ""],
)
def test_names_that_are_none_are_left_out(names: str, tmp_path: Path) -> None:
    proto = foreign(image=(1, 3, 32, 32))
    proto.metadata_props.add(key="names", value=names)
    assert imported(saved(proto, tmp_path), tmp_path).labels == ["class 0", "class 1", "class 2"]


def test_what_an_imported_file_states_is_checked(tmp_path: Path) -> None:
    content = imported(saved(foreign(), tmp_path), tmp_path).path.read_bytes()
    for key, wrong in (
        ("rows", 2),
        ("rows", True),
        ("size", [0, 5]),
        ("blocks", [{"outputs": ["energy"]}]),
        ("blocks", [{"kind": "sge"}]),
        ("results", ["evil"]),
    ):
        proto = onnx.load_model_from_string(content)
        facts = {entry.key: entry.value for entry in proto.metadata_props if entry.key != "sge.sha256"}
        stated = json.loads(facts[f"sge.{key}"])
        facts[f"sge.{key}"] = json.dumps([stated[0] | wrong[0]] if key == "blocks" else wrong)  # type: ignore[index]
        helper.set_model_props(proto, facts)
        with pytest.raises(SGEError):
            load_model(saved(proto, tmp_path, "changed.onnx"))
