"""Parts by detectors: every runtime gives those of torch, and files without their outputs say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import sge
from sge.analysis import Analysis
from sge.errors import CheckpointError, FinderError
from sge.images import Preprocess
from sge.lens import Lens, Wanted, exhaustive, find_everything
from sge.models import ExportedModel, export_onnx, load_model
from sge.parts import BlockReadout, FacesImage, Finder, block_logits
from tests.lens.backends.conftest import smooth_frames
from tests.lens.networks import Residual, lens_of
from tests.lens.test_part_search import GROUPS, READOUTS, detector, smooth
from tests.nn.foreign_modules import ByViews, Interleaved, network_with
from tests.parts.made_detectors import made_detector

ONLY_PARTS = Wanted((), masks=False, similarity=False, energy=False)
Pair = tuple[Lens, Lens]
Change = Callable[[onnx.ModelProto, dict[str, str]], None]


def torch_lens() -> Lens:
    lens = lens_of(Residual())
    detectors = {"mix": detector(sizes=(64, 96, 128)), "groups": detector(False, seed=1)}
    finder = Finder(READOUTS, lens.model.permutations, detectors=detectors)
    # As the finder of a file has them, with rounded weights.
    lens.model.finder = Finder.from_record(json.loads(json.dumps(finder.to_record())), "the finder")
    return lens


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(torch_lens().model, tmp_path_factory.mktemp("parts") / "parts.onnx").path


@pytest.fixture(scope="module")
def pair(file: Path, backend: str) -> Pair:
    return torch_lens(), Lens(load_model(file), backend=backend, threads=1)


def assert_same_parts(one: Analysis, other: Analysis) -> None:
    assert one.parts
    assert [(p.name, p.face) for p in one.parts] == [(p.name, p.face) for p in other.parts]
    for a, b in zip(one.parts, other.parts, strict=True):
        assert (a.x, a.y) == pytest.approx((b.x, b.y), abs=0.5)
        assert a.score == pytest.approx(b.score, abs=1e-2)
    for part, part_map in one.part_maps.items():
        assert other.part_maps[part].source == part_map.source
        assert other.part_maps[part].terms == part_map.terms
        np.testing.assert_allclose(other.part_maps[part].map, part_map.map, atol=5e-3)


@pytest.mark.parametrize("by", ["mix", "groups"])
@pytest.mark.parametrize("framing", ["whole", "center"])
def test_parts_are_those_of_torch(pair: Pair, by: str, framing: str) -> None:
    for seed in range(2):
        image = smooth(150, 110, seed)
        one, other = (lens.analyze(image, framing, wanted=Wanted(parts_by=by)) for lens in pair)
        assert_same_parts(one, other)
        assert other.model.part_finders == one.model.part_finders == ("mix", "groups")
        assert other.model.notes == one.model.notes


def test_batches_are_those_of_torch(pair: Pair) -> None:
    frames = smooth_frames(pair[0], 3, 5)
    for one, other in zip(*(lens.analyze_frames(frames) for lens in pair), strict=True):
        assert_same_parts(one, other)


def test_what_is_read_is_what_torch_reads(pair: Pair) -> None:
    batch = np.stack([frame.array for frame in smooth_frames(pair[0], 2, 1, 64, 96)])
    for used in pair[0].model.finder.detectors.values():
        expected, found = (lens._backend.part_maps(batch, used).maps for lens in pair)
        assert list(found) == list(expected)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=5e-3)


def test_a_file_states_its_detectors_and_their_differences(file: Path) -> None:
    model = load_model(file)
    assert isinstance(model, ExportedModel)
    assert list(model.detectors) == ["mix", "groups"]
    assert set(model.check["part"]) == {f"{by}/{name}" for by in ("mix", "groups") for name in GROUPS}
    assert max(model.check["part"].values()) < 1e-2


def test_without_parts_no_program_for_parts_is_made(file: Path, backend: str) -> None:
    lens = Lens(load_model(file), backend=backend)
    lens.analyze(smooth(96, 96), wanted=Wanted(parts=False))
    lens.predict(smooth(96, 96))
    assert set(lens._backend._sessions._made) == {"energy", "logits"}
    lens.analyze(smooth(96, 96), size=160, wanted=replace(ONLY_PARTS, parts_by="groups"))
    assert "parts" in lens._backend._sessions._made


def changed(file: Path, folder: Path, change: Change) -> Path:
    """The file with other entries or outputs, and without its checksum."""
    proto = onnx.load(file)
    facts = {entry.key: entry.value for entry in proto.metadata_props if entry.key != "sge.sha256"}
    change(proto, facts)
    onnx.helper.set_model_props(proto, facts)
    path = folder / "changed.onnx"
    onnx.save(proto, path)
    return path


def _older(proto: onnx.ModelProto, facts: dict[str, str]) -> None:
    """As a file of revision 6, which has no outputs of detectors."""
    kept = [output for output in proto.graph.output if not output.name.startswith("part/")]
    del proto.graph.output[:]
    proto.graph.output.extend(kept)
    del facts["sge.detectors"]


@pytest.fixture(scope="module")
def older(file: Path, backend: str, tmp_path_factory: pytest.TempPathFactory) -> Lens:
    return Lens(load_model(changed(file, tmp_path_factory.mktemp("older"), _older)), backend=backend)


def test_an_older_file_reads_groups_from_similarity(older: Lens) -> None:
    reference, image = torch_lens(), smooth(150, 110)
    wanted = Wanted(parts_by="groups")
    found = older.analyze(image, wanted=wanted)
    assert_same_parts(reference.analyze(image, wanted=wanted), found)
    assert (older.part_finders, found.model.notes) == (("groups",), ())


def test_an_older_file_says_that_it_has_no_channels(older: Lens) -> None:
    image = smooth(150, 110)
    found = older.analyze(image)
    (note,) = found.model.notes
    assert "without the outputs for its finder's channels" in note
    assert "read from groups alone" in note
    assert "sge models export" in note
    assert_same_parts(older.analyze(image, wanted=Wanted(parts_by="groups")), found)
    kept, older.model.finder = older.model.finder, replace(older.model.finder, detectors={})
    try:
        assert older.analyze(image).part_maps["nose"].terms == list(READOUTS["nose"].terms)
        older.model.finder = replace(kept, readouts={}, detectors={"mix": kept.detectors["mix"]})
        nothing = older.analyze(image)
        assert (nothing.parts, nothing.part_maps) == ([], {})
        assert "not searched" in nothing.model.notes[0]
    finally:
        older.model.finder = kept


def test_the_command_line_says_once_that_an_older_file_has_no_channels(
    file: Path, sge_command: Callable[..., Any], tmp_path: Path
) -> None:
    paths = [tmp_path / "1.png", tmp_path / "2.png"]
    for path in paths:
        smooth(96, 96).save(path)
    found = sge_command("parts", "find", *paths, "--model", changed(file, tmp_path, _older))
    assert (found.exit_code, found.stderr.count("read from groups alone")) == (0, 1)


def test_nothing_is_measured_with_an_older_file(older: Lens) -> None:
    """Otherwise the finder would be said to miss every part."""
    image = sge.decode(smooth(150, 110))
    kept = older.model.finder
    try:
        older.model.finder = exhaustive(kept, "mix")
        with pytest.raises(FinderError, match="nothing is found by mix"):
            find_everything(older, FacesImage("a.png"), image, "mix")
        for by in ("groups", "readouts"):
            older.model.finder = exhaustive(kept, by)
            assert any(find_everything(older, FacesImage("a.png"), image, by).found.values())
    finally:
        older.model.finder = kept


def test_a_finder_that_is_given_later_is_read_from_similarity(pair: Pair) -> None:
    """Its weights are not those in the file, whatever key it has."""
    lens = pair[1]
    kept, used = lens.model.finder, detector(False, sizes=(64,), seed=7)
    lens.model.finder = replace(kept, detectors={"groups": used})
    try:
        batch = smooth_frames(pair[0], 1, 3, 64, 64)[0].array[None]
        found = lens._backend.part_maps(batch, used).maps
        (analysis,) = lens.analyze_frames(smooth_frames(pair[0], 1, 3, 64, 64), wanted=Wanted(parts=False))
        for one in used.blocks:
            expected = block_logits(one, analysis.similarity[one.block])
            np.testing.assert_allclose(found[one.block][0], expected, atol=1e-4)
        lens.model.finder = replace(kept, detectors={"mix": detector(seed=7)})
        assert lens.part_finders == ()
        for wrong in (made_detector(groups={"first": 5}), made_detector(True, GROUPS, {"second": 9})):
            lens.model.finder = replace(kept, detectors={"mix": wrong})
            with pytest.raises(FinderError, match="this model has"):
                lens.analyze(smooth(96, 96))
    finally:
        lens.model.finder = kept


def test_the_users_finder_of_an_exported_file_is_checked_when_it_is_read(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a service could neither list nor use the model."""
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    (tmp_path / "mine.onnx").write_bytes(file.read_bytes())
    finder = torch_lens().model.finder
    wrong = made_detector(True, GROUPS, {"second": 9})
    replace(finder, detectors={"mix": wrong}).save(tmp_path / "mine.parts.json")
    with pytest.raises(FinderError, match="reads 9 channels of second"):
        load_model("mine")
    finder.save(tmp_path / "mine.parts.json")
    assert load_model("mine").finder == finder


def test_a_network_reads_in_torch_what_its_file_does_not_give(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SGE_MODEL_DIR", str(tmp_path))
    made = torch_lens()
    lens = Lens(
        sge.Model("parts", made.network, made.model.labels, preprocess=made.model.preprocess), backend=backend
    )
    lens.model.finder = made.model.finder
    assert lens.part_finders == ("mix", "groups")
    assert_same_parts(made.analyze(smooth(120, 96)), lens.analyze(smooth(120, 96)))


def _set(key: str, value: object) -> Change:
    return lambda _, facts: facts.__setitem__(f"sge.{key}", json.dumps(value))


def _in_finder(change: Callable[[dict[str, Any]], object]) -> Change:
    def changed_finder(_: onnx.ModelProto, facts: dict[str, str]) -> None:
        finder = json.loads(facts["sge.finder"])
        change(finder["detectors"]["mix"])
        facts["sge.finder"] = json.dumps(finder)

    return changed_finder


def _rename_output(proto: onnx.ModelProto, _facts: dict[str, str]) -> None:
    next(one for one in proto.graph.output if one.name.startswith("part/")).name = "part/best/first"


HOSTILE = {
    "detectors that are a text": _set("detectors", "mix"),
    "an unknown detector": _set("detectors", ["best"]),
    "a detector twice": _set("detectors", ["mix", "mix"]),
    "a detector that is a list": _set("detectors", [["mix"]]),
    "a detector without outputs": _set("detectors", []),
    "another order": _set("detectors", ["groups", "mix"]),
    "no finder": _set("finder", None),
    "a block that is not there": _in_finder(lambda one: one["blocks"][0].update(block="third")),
    "other groups": _in_finder(lambda one: one["blocks"][0].update(groups=[[1.0], [1.0]])),
    "other channels": _in_finder(lambda one: one["blocks"][1].update(channels=[[1.0], [1.0]])),
    "weights that are texts": _in_finder(lambda one: one["blocks"][0].update(groups=[["a"], ["b"]])),
    "a renamed output": _rename_output,
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_is_refused(file: Path, tmp_path: Path, change: Change) -> None:
    with pytest.raises(CheckpointError, match=r"changed\.onnx"):
        load_model(changed(file, tmp_path, change))


class ByKeyword(nn.Module):
    """Calls the module with named features."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = ByViews()

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.inner(x=features)
        return found


@pytest.mark.parametrize("kind", [ByViews, Interleaved, ByKeyword])
def test_modules_of_other_people_are_exported_with_their_channels(
    kind: type[nn.Module], backend: str, tmp_path: Path
) -> None:
    model = sge.Model("mine", network_with(kind()), list("abcde"), preprocess=Preprocess(size=64, resize=64))
    lens = Lens(model, "cpu")
    ((name, groups),) = lens.groups.items()
    blocks = (BlockReadout(name, np.ones((2, groups), np.float32), np.eye(2, 16, dtype=np.float32)),)
    used = replace(detector(), blocks=blocks, bias=(-1.0, -1.0))
    model.finder = Finder({}, model.permutations, detectors={"mix": used})
    exported = Lens(export_onnx(model, tmp_path / "mine.onnx"), backend=backend)
    batch = np.stack([frame.array for frame in smooth_frames(lens, 2, 1, 64, 96)])
    expected, found = (one._backend.part_maps(batch, used).maps[name] for one in (lens, exported))
    np.testing.assert_allclose(found, expected, atol=5e-3)
