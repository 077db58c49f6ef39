"""The comparison of attention modules: its training on drawn images, continuing, its table, and the figures kept."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import bootstrap
from torch.nn.functional import avg_pool2d
from typer.testing import CliRunner

from scripts.measure import comparison_images as images
from scripts.measure.compare_attention import Comparison, compare, main
from scripts.measure.comparison_table import FIGURES, PAPER, difference, make_tables, read_correct
from scripts.measure.comparison_training import ComparisonConfig, Contestant, learning_rate_factor
from sge.errors import TrainingError
from tests.drawn_images import noise

CONFIG = ComparisonConfig(epochs=2, batch=4, size=32, eval_size=32, norm_batches=2)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two classes of four images each: noise that is mostly red, and noise that is mostly blue."""
    folder = tmp_path_factory.mktemp("drawn")
    for name, color in (("a", (220, 20, 20)), ("b", (20, 20, 220))):
        (folder / name).mkdir()
        for number in range(4):
            size = (48, 40 + 4 * number)
            Image.blend(Image.new("RGB", size, color), noise(*size, number), 0.3).save(
                folder / name / f"{number}.png"
            )
    return folder


@pytest.fixture(scope="module")
def comparison(drawn):
    sets = images.load_images(drawn), images.load_images(drawn, images.square)
    return Comparison(CONFIG, *sets, CPU, ("none", "sge"))


def test_images_lie_in_the_corner_and_squares_fill_theirs(comparison, drawn):
    train = comparison.train
    assert train.folders == ["a", "b"]
    assert train.targets.tolist() == [0] * 4 + [1] * 4
    assert train.extent[:4].tolist() == [[40, 48], [44, 48], [48, 48], [52, 48]]
    stored = np.asarray(Image.open(drawn / "b" / "1.png"))
    assert (train.pixels[5, :44, :48].numpy() == stored).all()
    assert not train.pixels[5, 44:].any()
    assert comparison.dev.pixels.shape == (8, images.SQUARE, images.SQUARE, 3)


def test_crops_read_nothing_beyond_their_image():
    pixels = torch.zeros(1, 64, 64, 3, dtype=torch.uint8)
    pixels[0, :40, :50] = 255
    one = images.ImageSet(pixels, torch.tensor([[40.0, 50.0]]), torch.tensor([0]), ["a"])
    torch.manual_seed(0)
    crops = images.random_crops(one, torch.zeros(50, dtype=torch.long), 24, (0.05, 1.0))
    assert torch.allclose(crops, torch.ones_like(crops))


def test_crops_are_parts_of_the_image_and_half_are_mirrored():
    ramp = (torch.arange(64) * 4).to(torch.uint8).expand(64, 64)[None, ..., None].expand(1, 64, 64, 3)
    one = images.ImageSet(ramp, torch.tensor([[64.0, 64.0]]), torch.tensor([0]), ["a"])
    torch.manual_seed(0)
    crops = images.random_crops(one, torch.zeros(400, dtype=torch.long), 16, (0.3, 0.6))
    slopes = crops[:, 0, 8, -1] - crops[:, 0, 8, 0]
    assert 0.4 < (slopes < 0).float().mean() < 0.6
    assert slopes.abs().min() > 0.3, "each covers a large part of the width"
    assert slopes.abs().max() < 0.95, "and none all of it"


def test_resizing_agrees_with_the_mean_where_the_factor_is_whole_and_weights_are_even():
    # Bilinear weights of a reduction by two are symmetrical, so that a ramp keeps its values.
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    assert torch.allclose(images.resized(ramp, 16)[..., 2:-2], avg_pool2d(ramp, 2)[..., 2:-2], atol=1e-5)


@pytest.mark.slow
def test_training_learns_and_averages(comparison):
    config = ComparisonConfig(epochs=1, batch=8, size=32, eval_size=32)
    one = Contestant("sge", config, 2, 0, CPU)
    before = [parameter.clone() for parameter in one.network.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(before, one.averaged.parameters(), strict=True))
    torch.manual_seed(0)
    batch = images.normalized(images.center_crops(comparison.dev, torch.arange(8), 32))
    losses = [float(one.step(batch, comparison.dev.targets, step, 12)) for step in range(12)]
    assert losses[0] == pytest.approx(np.log(2), abs=0.35)
    assert losses[-1] < 0.5 * losses[0]
    # The first step has the learning rate 0, and the average lies between the beginning and the end.
    start, end, average = before[0], next(one.network.parameters()), next(one.averaged.parameters())
    assert 0 < (average - start).norm() < (end - start).norm()
    one.measure_norms([batch, batch])
    assert bool(one.correct([batch], comparison.dev.targets).all())


@pytest.mark.slow
def test_statistics_of_norms_are_means_over_all_batches():
    one = Contestant("none", CONFIG, 2, 0, CPU)
    batches = [torch.randn(4, 3, 32, 32), 2 + torch.randn(4, 3, 32, 32)]
    one.measure_norms(batches)
    seen = [one.averaged.conv1(batch).mean((0, 2, 3)) for batch in batches]
    assert torch.allclose(one.averaged.bn1.running_mean, (seen[0] + seen[1]) / 2, atol=1e-5)
    assert not one.averaged.training


def test_the_learning_rate_rises_and_falls():
    factors = [learning_rate_factor(done / 1000) for done in range(1001)]
    assert factors[0] == 0
    assert factors[-1] == pytest.approx(0, abs=1e-9)
    assert 45 <= int(np.argmax(factors)) <= 50
    assert max(factors) > 0.98


@pytest.mark.slow
def test_seeds_continue_and_repeat(comparison, tmp_path):
    path = compare(comparison, tmp_path, 1)
    first = json.loads(path.read_text())
    assert list(first["seeds"]) == ["0"]
    assert first["steps"] == 4
    again = json.loads(compare(comparison, tmp_path, 2).read_text())
    assert again["seeds"]["0"] == first["seeds"]["0"]
    assert comparison.run_seed(0) == first["seeds"]["0"], "the seed decides everything"
    assert again["seeds"]["1"] != first["seeds"]["0"]
    found = read_correct(again)
    assert {kind: rows.shape for kind, rows in found.items()} == {"none": (2, 8), "sge": (2, 8)}
    assert found["sge"][1].mean() == pytest.approx(again["seeds"]["1"]["sge"]["top1"])
    other = Comparison(ComparisonConfig(epochs=1, batch=4), comparison.train, comparison.dev, CPU)
    with pytest.raises(TrainingError, match="another comparison: config, kinds, steps differ"):
        compare(other, tmp_path, 1)


def test_sets_that_do_not_fit(comparison):
    some = images.ImageSet(comparison.dev.pixels, comparison.dev.extent, comparison.dev.targets, ["a", "c"])
    with pytest.raises(TrainingError, match="other classes"):
        Comparison(CONFIG, comparison.train, some, CPU)
    with pytest.raises(TrainingError, match="8 images are fewer than a batch of 128"):
        Comparison(ComparisonConfig(), comparison.train, comparison.dev, CPU)


def test_an_unknown_setting(drawn, tmp_path):
    import typer

    app = typer.Typer()
    app.command()(main)
    arguments = ["--train", str(drawn), "--dev", str(drawn), "--out", str(tmp_path), "--set", "epoch=1"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert "no setting 'epoch'" in " ".join(result.output.replace("│", " ").split())


def test_the_interval_of_one_seed_is_that_of_scipy():
    generator = np.random.default_rng(1)
    first, second = (generator.integers(0, 2, (1, 400)).astype(np.float32) for _ in range(2))
    ours = difference(first, second)
    wanted = bootstrap(
        (100 * (first - second)[0],), np.mean, n_resamples=10_000, method="percentile", rng=generator
    ).confidence_interval
    assert (ours["low"], ours["high"]) == pytest.approx((wanted.low, wanted.high), abs=0.3)


def test_seeds_that_disagree_widen_the_interval():
    right, wrong = np.ones((1, 200), np.float32), np.zeros((1, 200), np.float32)
    mixed = np.concatenate([right, wrong])
    ours = difference(mixed, np.zeros_like(mixed))
    assert ours == {"value": 50.0, "low": 0.0, "high": 100.0}


@pytest.mark.slow
def test_the_kept_tables_follow_from_the_kept_result():
    record = json.loads(FIGURES.read_text("utf-8"))
    assert make_tables(record["result"]) == record["tables"]
    config = ComparisonConfig(**{**record["result"]["config"], "scale": (0.3, 1.0)})
    assert config == ComparisonConfig(), "the command of the document repeats the measured protocol"
    for seed in record["result"]["seeds"].values():
        for kind, run in seed.items():
            assert run["parameters"] == sum(
                p.numel() for p in Contestant(kind, config, 10, 0, CPU).network.parameters()
            )
        break
    assert set(PAPER) == set(record["result"]["kinds"])
