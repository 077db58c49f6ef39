"""Gate tuning by ``scripts.gates``: its network, images, losses, steps, result files, and how a run is shipped."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from scripts.gates import config, tune
from scripts.gates.images import CANVAS, CropSettings, center_crops, load_images, random_crops
from scripts.gates.lite0 import fold, forward
from scripts.gates.losses import FlatnessLoss, mask_std
from scripts.gates.measure import weighted_mean
from scripts.gates.results import Results, read_results
from scripts.gates.sets import choosing_sets, stated_sets, unseen
from scripts.gates.ship import write_run
from scripts.gates.training import GateTraining, Machine
from sge.evaluation import flat_masks
from sge.models import LITE0, TUNED_MODEL, pretrained_model
from sge.models.delta import apply_delta, read_delta
from sge.nn import MaskCapture

NAMES = ("n02086240/n02086240_7", "n02111889/n02111889_8", "Abyssinian/Abyssinian_1", "000_n01440764_tench")
RUN = {"name": "tiny", "steps": 4, "batch": 4, "sizes": [64], "weak_blocks": ["blocks.1.0"], "weak_std": 0.0}
WATCHED = {"dogs": 2, "pets": 2, "others": 2}


def archive(path, sizes=((300, 200), (200, 340), (192, 192), (256, 300))):
    """A ZIP of drawn images: two of each name."""
    draw = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as files:
        for name, (height, width) in zip(NAMES, sizes, strict=True):
            for copy in "12":
                out = io.BytesIO()
                coarse = draw.integers(0, 256, (9, 9, 3), dtype=np.uint8)
                Image.fromarray(coarse).resize((width, height)).save(out, "PNG")
                files.writestr(f"{name}{copy}.png", out.getvalue())
    return path


@pytest.fixture(scope="module")
def start():
    return {key: value.float() for key, value in pretrained_model(LITE0).network().state_dict().items()}


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setattr("scripts.gates.images.MONITORED", WATCHED)
    return load_images([archive(tmp_path / "drawn.zip")], torch.device("cpu"))


def machine(start, images):
    return Machine(start, images, torch.float32, True, lambda: False)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(64, 96), (75, 50)])
def test_the_folded_network_is_the_network(size):
    network = pretrained_model(TUNED_MODEL).network()
    state = {key: value.float() for key, value in network.state_dict().items()}
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        seen = forward(state, fold(state, torch.float32), x)
        with MaskCapture(network) as captured:
            logits = network(x)
        with flat_masks(network):
            flat = network(x)
        assert torch.allclose(seen.logits, logits, atol=1e-4 * float(logits.abs().max()))
        ours = forward(state, fold(state, torch.float32), x, flat=True).logits
        assert torch.allclose(ours, flat, atol=1e-4 * float(flat.abs().max()))
    assert seen.masks.keys() == captured.masks.keys()
    for block, mask in captured.masks.items():
        assert torch.allclose(seen.masks[block], mask, atol=1e-3), block
    inactive = pretrained_model(TUNED_MODEL).network(inactive=True)
    state = inactive.state_dict()
    with torch.no_grad():
        ours = forward(state, fold(state, torch.float32), x, inactive=True)
        assert torch.allclose(ours.logits, inactive(x), atol=1e-4 * float(logits.abs().max()))
    assert not ours.masks


def test_images_that_are_not_learned_from_are_left_out(tmp_path):
    path = archive(tmp_path / "a.zip")
    with zipfile.ZipFile(path, "a") as files:
        content = files.read(f"{NAMES[0]}1.png")
        files.writestr("n02086240/ILSVRC2012_val_00000907.png", content)
        files.writestr(f"again/{NAMES[0].rpartition('/')[2]}1.png", content)
    found = load_images(
        [path, path], torch.device("cpu"), unseen={"000_n01440764_tench2.png", f"{NAMES[2]}2.png"}
    )
    assert len(found.pixels) == 6
    assert {source: len(watched) for source, watched in found.monitored.items()} == {
        "dogs": 1,
        "pets": 1,
        "others": 1,
    }
    assert len(found.learned["dogs"]) == 3
    assert found.labels[found.learned["dogs"]].tolist().count(155) == 1
    assert bool((found.sizes <= CANVAS).all())


def test_a_broken_image_ends_the_program(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as files:
        files.writestr("Abyssinian_1.png", b"no image")
    with pytest.raises(OSError, match="cannot identify"):
        load_images([tmp_path / "a.zip"], torch.device("cpu"))


def test_crops_are_normalized_and_decided_by_the_generator(images):
    settings = CropSettings({"dogs": 0.5, "pets": 0.25, "others": 0.25}, tiled=0.25)
    one, two = (random_crops(images, settings, 4, 64, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert one.shape == (4, 3, 64, 64)
    assert float(one.abs().max()) <= 1
    middle = center_crops(images, images.learned["pets"], 168)
    square = int(images.sizes[images.learned["pets"]][0, 0] * 0.875)
    assert square == 168
    first = images.pixels[images.learned["pets"][0]][:, 12:180, 12:180].float()
    # At its own size, a crop is the image: bicubic samples lie on its pixels.
    assert torch.allclose(middle[0], (first - 127) / 128, atol=2e-3)


def test_flatness_asks_for_variation_where_it_is_wanted():
    run = config.make_run(
        {"name": "a", "weak_blocks": ["weak"], "weak_std": 0.0, "acting_fraction": 0.5}, None
    )
    mask = torch.rand(3, 4, 7, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(mask_std(mask), mask.std((2, 3)).mean(0), atol=1e-6)
    flat = torch.full_like(mask, 0.5)
    half = torch.cat([mask[:, :2], flat[:, :2]], 1)
    for masks, wanted in ((mask, 0.0), (flat, 1.0), (half, 0.0)):
        loss = FlatnessLoss(["acts", "weak"], run, torch.device("cpu"))
        assert float(loss({"acts": masks, "weak": flat}, 1.0)) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.slow
def test_a_run_that_resumes_is_the_same(start, images):
    run = config.make_run(RUN, None)
    whole = GateTraining(machine(start, images), run)
    for step in range(4):
        whole.step(step / 4)
    first = GateTraining(machine(start, images), run)
    for step in range(2):
        first.step(step / 4)
    kept = io.BytesIO()
    torch.save(first.state_dict(), kept)
    second = GateTraining(machine(start, images), run)
    second.load_state_dict(torch.load(io.BytesIO(kept.getvalue()), weights_only=True))
    for step in range(2, 4):
        second.step(step / 4)
    for kept_, again in ((whole.learned, second.learned), (whole.average, second.average)):
        assert all(torch.equal(value, again[key]) for key, value in kept_.items())
    assert all(float(gate.detach().min()) >= 0 for gate in whole.gates)
    with pytest.raises(ValueError, match="of other settings"):
        GateTraining(machine(start, images), config.make_run({"seed": 9}, run)).load_state_dict(
            first.state_dict()
        )


@pytest.mark.slow
def test_a_run_is_tuned_written_continued_and_shipped(tmp_path, start, monkeypatch):
    monkeypatch.setattr("scripts.gates.images.MONITORED", WATCHED)
    drawn = str(archive(tmp_path / "drawn.zip"))
    options = [
        "--device",
        "cpu",
        "--dtype",
        "float32",
        "--threads",
        "1",
        "--processes",
        "1",
        "--images",
        drawn,
    ]
    (tmp_path / "runs.json").write_text(json.dumps({"runs": [RUN | {"compact": False}]}))
    tune.main([str(tmp_path / "runs.json"), str(tmp_path), *options])
    facts, learned = read_results(tmp_path / "gates-1.safetensors", start)["tiny"]
    assert (facts["steps"], facts["images"]) == (4, 16)
    assert facts["settings"]["sizes"] == [64]
    changed = {key for key, value in learned.items() if not torch.equal(value, start[key])}
    assert {"blocks.5.3.se.weight", "bn2.bias", "blocks.1.0.conv_pwl.weight"} <= changed
    assert not any(key.startswith(("classifier", "conv_head", "conv_stem")) for key in learned)

    more = {"name": "more", "base": "tiny", "steps": 1, "file": 2}
    (tmp_path / "more.json").write_text(json.dumps({"runs": [more]}))
    begin = ["--begin", str(tmp_path / "gates-1.safetensors")]
    tune.main([str(tmp_path / "more.json"), str(tmp_path), *options, *begin])
    assert set(read_results(tmp_path / "gates-2.safetensors", start)) == {"more"}

    path = tmp_path / "mine.delta.safetensors"
    write_run(tmp_path / "gates-1.safetensors", "tiny", path)
    network = pretrained_model(LITE0)
    shipped = apply_delta(network.network(), read_delta_without_permutations(path)).state_dict()
    for key, value in learned.items():
        assert torch.allclose(shipped[key], value, atol=1e-6), key


def read_delta_without_permutations(path):
    """The network of ``LITE0`` is permuted already."""
    file = read_delta(path)
    return replace(file, delta=replace(file.delta, permutations={}))


def test_what_a_result_file_rounds(tmp_path):
    noise = torch.randn(6, 5, 1, 1, generator=torch.Generator().manual_seed(0))
    before = {"a.conv_pw.weight": torch.ones(6, 5, 1, 1), "a.se.weight": torch.zeros(1, 6, 1, 1)}
    after = {"a.conv_pw.weight": 1 + noise, "a.se.weight": torch.full((1, 6, 1, 1), 0.3)}
    results = Results(tmp_path, before)
    for name, compact in (("half", False), ("bytes", True)):
        results.put(config.make_run({"name": name, "compact": compact}, None), after, {})
    found = read_results(tmp_path / "gates-1.safetensors", before)
    limits = {
        "half": noise.abs() * 2**-11 + 1e-6,
        "bytes": noise.abs().amax((1, 2, 3), keepdim=True) / 254 + 1e-6,
    }
    for name, limit in limits.items():
        state = found[name][1]
        assert torch.equal(state["a.se.weight"], after["a.se.weight"])
        assert bool(((state["a.conv_pw.weight"] - after["a.conv_pw.weight"]).abs() <= limit).all())
    with pytest.raises(ArithmeticError, match="not finite"):
        results.put(config.make_run({"name": "bad"}, None), {"a.se.weight": torch.tensor(float("nan"))}, {})


def test_the_mean_of_runs():
    runs = {
        "a": ({}, {"x": torch.zeros(2)}),
        "b": ({}, {"x": torch.full((2,), 3.0)}),
        "c": ({}, {"y": torch.ones(2)}),
    }
    assert weighted_mean(runs, "a=2,b")[1]["x"].tolist() == [1.0, 1.0]
    with pytest.raises(ValueError, match="learned different tensors"):
        weighted_mean(runs, "a,c")


@pytest.mark.usefixtures("shared")
def test_what_is_measured_on_is_not_learned_from():
    sets = {"choosing": choosing_sets(), "test": stated_sets()}
    names = {
        (kind, name): {file.name for file in images.files}
        for kind, found in sets.items()
        for name, images in found.items()
    }
    assert [len(found) for found in names.values()] == [400, 235, 500, 150]
    assert len(set().union(*names.values())) == sum(len(found) for found in names.values())
    assert names["test", "others"] <= unseen()
    assert len(names["choosing", "others"] & unseen()) == 100
    assert all(
        len(images.classes) == len(images.files)
        for found in sets.values()
        for images in found.values()
        if images.classes
    )
