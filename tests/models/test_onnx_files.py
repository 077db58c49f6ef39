"""Files that are not what ``export_onnx`` writes are refused with a sentence, and nothing in them runs."""

from __future__ import annotations

import contextlib
import json
import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from sge.errors import CheckpointError, ChoiceError, SGEError
from sge.models import import_weights, load_model, load_torch_model, verify_model
from sge.models.onnx_files import is_exported, read_exported
from sge.models.onnx_trial import run_once
from tests.models.exported import exported


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> bytes:
    return exported(tmp_path_factory.mktemp("hostile")).path.read_bytes()


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "small.onnx"


def change(content: bytes, path: Path, edit) -> None:
    proto = onnx.load_model_from_string(content)
    facts = {entry.key: entry.value for entry in proto.metadata_props if entry.key != "sge.sha256"}
    edit(proto, facts)
    helper.set_model_props(proto, facts)
    path.write_bytes(proto.SerializeToString())


def stating(**entries):
    def edit(_proto, facts):
        facts |= {f"sge.{key}": json.dumps(value) for key, value in entries.items()}

    return edit


def block(**fields):
    def edit(_proto, facts):
        blocks = json.loads(facts["sge.blocks"])
        blocks[0] |= fields
        facts["sge.blocks"] = json.dumps(blocks)

    return edit


def raw(key, text):
    return lambda _proto, facts: facts.update({key: text})


def external(proto, _facts):
    tensor = proto.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def half_external(proto, _facts):
    proto.graph.initializer[0].external_data.add(key="location", value="../../etc/passwd")


def external_constant(proto, _facts):
    node = next(node for node in proto.graph.node if node.op_type == "Constant")
    node.attribute[0].t.external_data.add(key="location", value="/dev/zero")


def custom_operator(proto, _facts):
    proto.graph.node[3].domain = "com.evil"


def custom_domain(proto, _facts):
    proto.opset_import.add(domain="com.microsoft", version=1)


def old_opset(proto, _facts):
    proto.opset_import[0].version = 9


def no_opset(proto, _facts):
    del proto.opset_import[:]


def future_opset(proto, _facts):
    proto.opset_import[0].version = 9999


def loop(proto, _facts):
    body = helper.make_graph([], "body", [], [])
    proto.graph.node.append(helper.make_node("Loop", ["", ""], [], body=body))


def function(proto, _facts):
    proto.functions.append(helper.make_function("evil", "f", [], [], [], [helper.make_opsetid("", 18)]))


def sparse(proto, _facts):
    proto.graph.sparse_initializer.add()


def not_finite(proto, _facts):
    tensor = next(one for one in proto.graph.initializer if one.name == "network.fc.weight")
    values = numpy_helper.to_array(tensor).copy()
    values[0, 0] = np.nan
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))


def huge_shape(proto, _facts):
    proto.graph.initializer[0].dims[:] = [2**40, 2**20]


def negative_shape(proto, _facts):
    proto.graph.initializer[0].dims[:] = [-1, 4]


def unknown_dtype(proto, _facts):
    proto.graph.initializer[0].data_type = 777


def renamed_output(proto, _facts):
    proto.graph.output[1].name = "other"


def no_default(proto, _facts):
    (tensor,) = (one for one in proto.graph.initializer if one.name == "keep/first")
    proto.graph.initializer.remove(tensor)


def other_channels(proto, _facts):
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 4


def whole_numbers(proto, _facts):
    proto.graph.input[0].type.tensor_type.elem_type = TensorProto.INT64


def fixed_size(proto, _facts):
    proto.graph.input[0].type.tensor_type.shape.dim[2].dim_value = 224


def more_inputs(proto, _facts):
    proto.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))


def two_images(proto, _facts):
    proto.graph.input.append(proto.graph.input[0])


def empty_graph(proto, _facts):
    proto.ClearField("graph")


def no_finder_block(_proto, facts):
    finder = json.loads(facts["sge.finder"])
    finder["readouts"]["nose"]["terms"][0]["group"] = 99
    facts["sge.finder"] = json.dumps(finder)


GRAPHS = [
    *(
        external,
        half_external,
        external_constant,
        custom_operator,
        custom_domain,
        old_opset,
        no_opset,
        future_opset,
    ),
    *(
        loop,
        function,
        sparse,
        not_finite,
        huge_shape,
        negative_shape,
        unknown_dtype,
        renamed_output,
        no_default,
    ),
    *(other_channels, whole_numbers, fixed_size, more_inputs, two_images, empty_graph),
]
FACTS = {
    "foreign": lambda _proto, facts: facts.clear(),
    "no_card": lambda _proto, facts: facts.pop("sge.card"),
    "version": stating(version="2"),
    "nan": raw("sge.card", '{"version": 2, "title": "a", "sentence": "b", "accuracy": [{"top1": NaN}]}'),
    "infinite": raw("sge.classes", "1e999"),
    "no_json": raw("sge.labels", "[1, 2"),
    "deep": raw("sge.check", "[" * 100_000),
    "few_labels": stating(labels=["a"]),
    "numbers_as_labels": stating(labels=[1, 2, 3]),
    "escape_in_label": stating(labels=["a\x1b[2J", "b", "c"]),
    "classes": stating(classes=-3),
    "bool_classes": stating(classes=True),
    "preprocess": stating(preprocess={"size": 10**9}),
    "std_0": stating(preprocess={"std": [0, 0, 0]}),
    "gray": stating(preprocess={"mean": [0.4], "std": [0.2]}),
    "list_card": stating(card=["title"]),
    "list_title": stating(card={"version": 2, "title": [], "sentence": "b"}),
    "finder": stating(finder={"version": 2}),
    "finder_of_another_group": no_finder_block,
    "finder_of_another_permutation": stating(permutations="00"),
    "no_blocks": stating(blocks=[]),
    "blocks": stating(blocks=[["first"]]),
    "same_blocks": block(name="second"),
    "unprintable_block": block(name="a\nb"),
    "groups_do_not_divide": block(groups=3),
    "no_groups": block(groups=0),
    "kind": block(kind="se"),
    "inactive": block(inactive=9),
    "stride_0": block(stride=0),
    "one_cell": block(cells=[7]),
    "no_cells": block(cells=[0, 7]),
    "many_cells": block(cells=[7, 10**6]),
    "text_as_cells": block(cells="77"),
    "text_for_number": block(stride="8"),
    "name": stating(name="../../x\n"),
    "empty_name": stating(name=""),
    "long_name": stating(name="x" * 10_000),
    "multiple": stating(multiple=0),
    "check": stating(check=[1]),
    "no_results": stating(results=[]),
    "more_results": stating(results=["logits", "output"]),
    "same_results": stating(results=["logits", "logits"]),
    "results_named_otherwise": stating(results=["logits", "mask/first"]),
    "unprintable_results": stating(results=["logits", "output/\x1b[2J"]),
    "numbers_as_results": stating(results=[["logits"]]),
    "text_as_results": stating(results="logits"),
    "no_classes": stating(classes=0),
    "labels_without_classes": stating(classes=0, results=["output"], labels=["a\n"]),
    "size_of_another_graph": stating(size=[224, 224]),
    "one_side": stating(size=[224]),
    "huge_size": stating(size=[10**9, 224]),
    "size_0": stating(size=[0, 224]),
    "text_as_size": stating(size="224"),
    "sha": stating(source_sha256=7),
}


@pytest.mark.parametrize("edit", GRAPHS, ids=[edit.__name__ for edit in GRAPHS])
def test_a_graph_that_was_not_written_here_is_refused(content, path, edit):
    change(content, path, edit)
    with pytest.raises(CheckpointError, match=r"small\.onnx .*\.$"):
        read_exported(path)


@pytest.mark.parametrize("case", FACTS)
def test_facts_that_cannot_be_are_refused(content, path, case):
    change(content, path, FACTS[case])
    with pytest.raises(CheckpointError, match=r"small\.onnx") as refused:
        read_exported(path)
    assert len(str(refused.value)) < 500


def test_a_file_that_another_tool_wrote_again_is_read(content, path):
    change(content, path, lambda _proto, _facts: None)
    assert read_exported(path).name == "small"
    assert not is_exported(path)


def test_cut_off_and_damaged_files_are_refused(content, path):
    path.write_bytes(content)
    assert is_exported(path)
    for length in (0, 1, 9, 100, 5000, len(content) // 2, len(content) - 90, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            load_model(path)
    picked = random.Random(0)
    for _ in range(40):
        damaged = bytearray(content)
        damaged[picked.randrange(len(content) - 90)] ^= 1 << picked.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(SGEError):
            load_model(path)


def test_every_mutation_without_a_checksum_is_read_or_refused(content, path):
    change(content, path, lambda _proto, _facts: None)
    whole, picked = path.read_bytes(), random.Random(1)
    for _ in range(120):
        mutated = bytearray(whole)
        for _ in range(picked.randrange(1, 4)):
            mutated[picked.randrange(len(whole))] = picked.randrange(256)
        path.write_bytes(mutated)
        with contextlib.suppress(SGEError):
            read_exported(path)


def test_the_content_tells_the_kind_and_not_the_name(content, tmp_path):
    (tmp_path / "model.bin").write_bytes(content)
    assert load_model(tmp_path / "model.bin").classes == 3
    (tmp_path / "weights.onnx").write_bytes(b"PK\x03\x04 no model")
    with pytest.raises(CheckpointError, match="zip"):
        load_model(tmp_path / "weights.onnx")
    with pytest.raises(CheckpointError, match="no weights file"):
        load_model(tmp_path / "missing.onnx")
    with pytest.raises(ChoiceError, match="exported file, which can be used but not trained"):
        load_torch_model(tmp_path / "model.bin")


def test_import_runs_once_and_the_registry_lists(content, path, tmp_path, monkeypatch):
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "models"))
    path.write_bytes(content)
    assert import_weights(path, "mine") == tmp_path / "models" / "mine.onnx"
    assert load_model("mine").name == "mine"
    assert load_model("mine", finder=False).finder is None
    assert verify_model("mine").against.startswith("the checksum")
    for choice in ({"labels": ["a", "b", "c"]}, {"preprocess": {"size": 32}}, {"maps": {"a": "b"}}):
        with pytest.raises(ChoiceError, match="of its own"):
            import_weights(path, "mine", **choice)
    with pytest.raises(ChoiceError, match="holds its network"):
        import_weights(path, "mine", weights_key="ema")
    with pytest.raises(ChoiceError, match="of its own"):
        load_model(path, weights_key="ema")
    with pytest.raises(ChoiceError, match="comes with SGE Lens"):
        import_weights(path, "sge_efficientnet_lite0")
    (tmp_path / "models" / "other.safetensors").write_bytes(b"")
    with pytest.raises(ChoiceError, match="name of imported weights"):
        import_weights(path, "other")


def test_a_file_that_returns_something_else_than_it_states_is_not_imported(
    content, path, monkeypatch, tmp_path
):
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path / "models"))

    def negated(proto, _facts):
        for node in proto.graph.node:
            if "mask/first" in node.output:
                node.op_type = "Neg"

    change(content, path, negated)
    with pytest.raises(CheckpointError, match="beyond 0 to 1"):
        run_once(read_exported(path))
    with pytest.raises(CheckpointError, match="beyond 0 to 1"):
        import_weights(path, "mine")
    assert not (tmp_path / "models").exists()
