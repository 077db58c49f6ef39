"""Parts that a lens finds with detectors: in which passes, and the same ones in every batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import sge
from sge.analysis import Analysis
from sge.errors import ChoiceError, FinderError
from sge.images import Preprocess, scaled_frame
from sge.lens import Lens, Wanted
from sge.parts import BlockReadout, Detector, Finder, PartLogits, combined, detect
from sge.parts.finder import GroupWeight, Readout
from tests.drawn_images import noise
from tests.lens.networks import Residual, lens_of
from tests.nn.foreign_modules import KINDS, network_with
from tests.parts.made_detectors import made_detector
from tests.parts.test_scales import plain_block

GROUPS, CHANNELS = {"first": 4, "second": 2}, {"second": 8}
READOUTS = {"nose": Readout((GroupWeight("first", 1, 1.0),), 2.0, 1.0, 0.5)}
ONLY_PARTS = Wanted((), masks=False, similarity=False, energy=False)


def detector(channels: bool = True, sizes: tuple[int, ...] = (64, 128), seed: int = 0) -> Detector:
    made = made_detector(channels, GROUPS, CHANNELS, sizes, seed)
    return replace(made, bias=(0.0, 0.0), shown=0.05, sure=0.5)


def lens_with(preprocess: Preprocess | None = None, **detectors: Detector) -> Lens:
    lens = lens_of(Residual())
    lens.model.finder = Finder(READOUTS, lens.model.permutations, detectors=detectors)
    if preprocess is not None:
        lens.model.preprocess = preprocess
    return lens


@pytest.fixture
def lens() -> Lens:
    return lens_with(mix=detector(), groups=detector(channels=False))


@contextmanager
def counted(lens: Lens) -> Iterator[list[tuple[int, ...]]]:
    """Shapes of the inputs of all passes inside."""
    shapes: list[tuple[int, ...]] = []
    handle = lens.network.register_forward_pre_hook(lambda _, inputs: shapes.append(tuple(inputs[0].shape)))
    try:
        yield shapes
    finally:
        handle.remove()


def smooth(width: int, height: int, seed: int = 0) -> Image.Image:
    return noise(8, 8, seed).resize((width, height), Image.Resampling.BICUBIC)


def assert_same_parts(one: Analysis, other: Analysis, within: float = 1e-3) -> None:
    assert [(p.name, p.face, p.sure) for p in one.parts] == [(p.name, p.face, p.sure) for p in other.parts]
    for a, b in zip(one.parts, other.parts, strict=True):
        assert (a.x, a.y, a.score) == pytest.approx((b.x, b.y, b.score), abs=within)
    for part, part_map in one.part_maps.items():
        np.testing.assert_allclose(part_map.map, other.part_maps[part].map, atol=within)


def test_what_is_read_is_the_definition(lens: Lens) -> None:
    """Beside the features that plain torch gives, and the definition of a readout in plain numbers."""
    frame = lens.frame(smooth(96, 96))
    seen: dict[str, np.ndarray] = {}
    for name in GROUPS:
        module = lens.network.get_submodule(name).sge
        module.register_forward_pre_hook(
            lambda _, inputs, name=name: seen.__setitem__(name, inputs[0][0].detach().clone().numpy())
        )
    with torch.no_grad():
        lens.network(torch.from_numpy(frame.array[None]))
    similarity = lens.analyze_frames([frame]).pop().similarity
    used = lens.model.finder.detectors["mix"]
    found = lens._backend.part_maps(frame.array[None], used).maps
    assert list(found) == ["first", "second"]
    for one in used.blocks:
        expected = plain_block(one, similarity[one.block], seen[one.block])
        np.testing.assert_allclose(found[one.block][0], expected, atol=1e-3)


@pytest.mark.parametrize("by", ["mix", "groups"])
@pytest.mark.parametrize("framing", ["whole", "center"])
def test_parts_are_those_of_all_sizes(lens: Lens, by: str, framing: str) -> None:
    used = lens.model.finder.detectors[by]
    frame = lens.frame(smooth(200, 140), framing)
    sizes = []
    for size in used.sizes:
        at_size = scaled_frame(frame, size)
        maps = lens._backend.part_maps(at_size.array[None], used).maps
        logits = combined(used, {name: values[0] for name, values in maps.items()})
        sizes.append(PartLogits(logits, at_size.geometry))
    maps, parts = detect(used, sizes)
    (found,) = lens.analyze_frames([frame], wanted=Wanted(parts_by=by))
    assert found.parts
    assert found.parts == parts
    for part, part_map in found.part_maps.items():
        assert part_map.source == used.source == ("groups" if by == "groups" else "groups and channels")
        np.testing.assert_array_equal(part_map.map, maps[part].map)


def test_a_size_that_the_frame_has_is_not_computed_again() -> None:
    lens = lens_with(mix=detector(sizes=(64, 96, 160)))
    image = smooth(96, 96)
    with counted(lens) as shapes:
        found = lens.analyze(image)
    assert [shape[2:] for shape in shapes] == [(96, 96), (64, 64), (160, 160)]
    own = lens_with(mix=detector(sizes=(96,)))
    with counted(own) as shapes:
        own.analyze(image, wanted=ONLY_PARTS)
    assert len(shapes) == 1
    again = lens_with(mix=detector(sizes=(64, 96, 160)))
    frame = again.frame(image)
    sizes = []
    for size in (64, 96, 160):
        at_size = scaled_frame(frame, size)
        maps = again._backend.part_maps(at_size.array[None], again.model.finder.detectors["mix"]).maps
        logits = combined(again.model.finder.detectors["mix"], {name: m[0] for name, m in maps.items()})
        sizes.append(PartLogits(logits, at_size.geometry))
    assert found.parts == detect(again.model.finder.detectors["mix"], sizes)[1]


def test_without_parts_nothing_more_is_computed(lens: Lens, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("called")

    monkeypatch.setattr(lens._backend, "part_maps", refuse)
    with counted(lens) as shapes:
        found = lens.analyze(smooth(96, 96), wanted=Wanted(parts=False))
        lens.predict(smooth(96, 96))
    assert len(shapes) == 2
    assert (found.parts, found.part_maps) == ([], {})
    assert found.model.part_finders == ("mix", "groups")
    with pytest.raises(AssertionError, match="called"):
        lens.analyze(smooth(96, 96))


def test_a_batch_gives_what_single_frames_give(lens: Lens) -> None:
    """Images of other aspects have the same input, and other ones at further sizes."""
    frames = [
        lens.frame(smooth(width, 100, seed), size=96) for seed, width in enumerate((100, 114, 90, 101, 88))
    ]
    assert len({frame.array.shape for frame in frames}) == 1
    assert len({scaled_frame(frame, 128).array.shape for frame in frames}) > 1
    for one, together in zip(frames, lens.analyze_frames(frames), strict=True):
        assert_same_parts(lens.analyze_frames([one])[0], together)


def test_the_frames_of_a_batch_share_their_passes(lens: Lens) -> None:
    frames = [lens.frame(smooth(96, 96, seed)) for seed in range(6)]
    with counted(lens) as shapes:
        lens.analyze_frames(frames)
    assert [shape[0] for shape in shapes[:2]] == [6, 6]
    # A pass at a larger size has no more pixels than that of the frames.
    assert all(rows * height * width <= 6 * 96 * 96 for rows, _, height, width in shapes)
    assert sum(shape[0] for shape in shapes if shape[2] == 128) == 6


def test_a_network_of_one_size_looks_at_that_one() -> None:
    lens = lens_with(Preprocess(resize=96, size=96, fixed=(96, 128)), mix=detector())
    for framing in ("whole", "center"):
        with counted(lens) as shapes:
            found = lens.analyze(smooth(300, 100), framing)
        assert [shape[2:] for shape in shapes] == [(96, 128)]
        assert found.part_maps["nose"].map.shape == (48, 64)
        assert all(0 <= part.y <= 100 for part in found.parts)
    assert lens.passes() == 1


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (1, 400), (700, 2), (33, 31)])
@pytest.mark.parametrize("framing", ["whole", "center"])
def test_tiny_and_narrow_images(lens: Lens, size: tuple[int, int], framing: str) -> None:
    found = lens.analyze(smooth(*size), framing)
    assert list(found.part_maps) == ["nose", "eye"]
    for part in found.parts:
        assert 0 <= part.x <= size[0]
        assert 0 <= part.y <= size[1]
    assert all(np.isfinite(part_map.map).all() for part_map in found.part_maps.values())


def test_which_detector_answers() -> None:
    image = smooth(96, 96)
    only = {by: lens_with(**{by: detector(by == "mix")}) for by in ("mix", "groups")}
    for by, lens in only.items():
        assert lens.part_finders == (by,)
        for asked in ("mix", "groups"):
            found = lens.analyze(image, wanted=Wanted(parts_by=asked))
            assert found.part_maps["nose"].source == ("groups" if by == "groups" else "groups and channels")
            assert found.model.notes == ()
    readouts = lens_with()
    assert readouts.part_finders == ()
    assert list(readouts.analyze(image).part_maps) == ["nose"]
    with pytest.raises(ChoiceError, match="parts_by is 'best'"):
        Wanted(parts_by="best")


def test_a_choice_without_a_finder_has_a_note() -> None:
    lens, image = lens_of(Residual()), smooth(96, 96)
    assert lens.analyze(image).model.notes == ()
    assert lens.analyze(image, wanted=Wanted(parts=False, parts_by="groups")).model.notes == ()
    (note,) = lens.analyze(image, wanted=Wanted(parts_by="groups")).model.notes
    assert "has no part finder, so that parts_by=groups has no effect" in note


def test_a_detector_of_another_network_is_refused() -> None:
    wrong = {
        "groups of first": made_detector(groups={"first": 5}),
        "groups of third": made_detector(groups={"third": 2}),
        "channels of second": made_detector(True, GROUPS, {"second": 9}, sizes=(64, 96)),
    }
    for said, one in wrong.items():
        with pytest.raises(FinderError, match=said):
            lens_with(mix=one).analyze(smooth(96, 96))


@pytest.mark.parametrize("kind", KINDS)
def test_channels_at_modules_of_other_people(kind: type[nn.Module]) -> None:
    """Also of one that works in place: what is read is the input as it came."""
    network = network_with(kind())
    model = sge.Model("mine", network, list("abcde"), preprocess=Preprocess(size=32, resize=32))
    lens = Lens(model, "cpu")
    groups = lens.groups["2"]
    blocks = (BlockReadout("2", np.ones((2, groups), np.float32), np.eye(2, 16, dtype=np.float32)),)
    used = replace(made_detector(sizes=(32, 64)), blocks=blocks, bias=(0.0, 0.0))
    model.finder = Finder({}, model.permutations, detectors={"mix": used})
    frame = lens.frame(smooth(48, 40))
    found = lens._backend.part_maps(frame.array[None], used).maps["2"][0]
    with torch.no_grad():
        features = network[:2](torch.from_numpy(frame.array[None]))[0].numpy()
    similarity = lens.analyze_frames([frame], wanted=Wanted(parts=False)).pop().similarity["2"]
    np.testing.assert_allclose(found, plain_block(blocks[0], similarity, features), atol=1e-3)
    assert lens.analyze_frames([frame])[0].part_maps


def test_passes_count_the_pixels_of_all_inputs(lens: Lens) -> None:
    image = smooth(96, 96)
    for framing in ("whole", "center"):
        with counted(lens) as shapes:
            lens.analyze(image, framing)
        pixels = sum(shape[2] * shape[3] for shape in shapes) / (96 * 96)
        assert lens.passes(framing) == pytest.approx(pixels)
    assert lens.passes(wanted=Wanted(parts=False)) == 1
    assert lens_with().passes() == 1
    cropped = lens_with(Preprocess(resize=128, size=96), mix=detector(sizes=(128, 256)))
    with counted(cropped) as shapes:
        cropped.analyze(image, "center")
    pixels = sum(shape[2] * shape[3] for shape in shapes) / (96 * 96)
    assert cropped.passes("center") == pytest.approx(pixels)
