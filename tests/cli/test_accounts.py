"""The same tree through every command: each names the same broken images and counts the same files that are none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sge.cli import ablate, analyze, evaluate, evaluate_faithfulness, evaluate_gates, parts, tune_gates
from sge.cli.accounts import MAX_LINES, say_notes, say_skipped
from sge.images.framing import Preprocess
from sge.models.checkpoint import read_weights
from tests.lens.test_lens import model
from tests.trees import archive_of, draw_tree


@pytest.fixture
def tree(tmp_path):
    return tmp_path / "set", draw_tree(tmp_path / "set", 5, images=4)


@pytest.fixture
def small(monkeypatch):
    labels = ["a", "b", *"cdefg"]
    made = replace(model(), labels=labels, preprocess=Preprocess(size=64, resize=64))
    for module in (ablate, analyze, evaluate, evaluate_faithfulness, evaluate_gates, parts):
        loader = "loaded_model" if hasattr(module, "loaded_model") else "loaded_torch_model"
        monkeypatch.setattr(module, loader, lambda name, finder=True: made)
    return made


def named(stderr: str, root: Path) -> set[str]:
    """Names below the tree of all entries that the messages list."""
    lines = (line.strip() for line in stderr.splitlines())
    return {line.partition(": ")[0].removeprefix(f"{root}/") for line in lines if line.startswith(f"{root}/")}


def escaped(names: set[str]) -> set[str]:
    return {name.replace("\r", "\\r") for name in names}


@pytest.mark.parametrize(
    "command",
    [("predict",), ("analyze", "-o", "{out}"), ("ablate", "--groups", "0:0", "--controls", 1)],
    ids=lambda command: command[0],
)
def test_commands_on_single_images(sge_command, small, tree, tmp_path, command):
    root, drawn = tree
    arguments = [str(argument).format(out=tmp_path / "out") for argument in command]
    result = sge_command(*arguments, root, "--json")
    assert result.exit_code == 1, result.output
    done = {json.loads(line)["path"].removeprefix(f"{root}/") for line in result.stdout.splitlines()}
    outside = {"cover.jpg"}  # an image all the same where there are no classes
    assert done == drawn.good | outside
    assert named(result.stderr, root) == escaped(drawn.broken | drawn.skipped - outside)
    assert f"{len(done)} done, {len(drawn.broken)} failed:" in result.stderr


@pytest.mark.parametrize(
    ("command", "archived"), [("", False), ("", True), ("gates", True), ("faithfulness", False)]
)
def test_commands_that_measure_sets(sge_command, small, tree, tmp_path, command, archived):
    root, drawn = tree
    source = archive_of(root, tmp_path / "set.tar") if archived else root
    boxes = tmp_path / "boxes.json"
    boxes.write_text(json.dumps({name: [0, 0, 20, 20] for name in drawn.good}))
    few = ("--no-curves", "--boxes", boxes, "--randomized", 0) if command == "faithfulness" else ()
    result = sge_command(*("eval", command) if command else ("eval",), source, *few, "--json")
    assert result.exit_code == 1, result.output
    record = json.loads(result.stdout)
    labelled = command != "faithfulness"
    assert record["images"] == len(drawn.good) + (not labelled)
    assert {path.removeprefix(f"{source}/") for path in record["broken"]} == drawn.broken
    skipped = drawn.skipped if labelled else drawn.skipped - {"cover.jpg"}
    assert {path.removeprefix(f"{source}/") for path in record["not_images"]} == skipped
    assert named(result.stderr, source) == escaped(drawn.broken | skipped)


def test_gate_tuning_lists_the_same(tree, tmp_path, capsys):
    root, drawn = tree
    images = tune_gates._decoded(tmp_path / "x.images", [root], None)
    assert len(images) == len(drawn.good) + 1
    assert named(capsys.readouterr().err, root) == escaped(drawn.broken | drawn.skipped - {"cover.jpg"})


def test_parts_are_fitted_without_the_broken_images(sge_command, small, tree, tmp_path):
    root, drawn = tree
    labels = tmp_path / "labels.json"
    entries = [{"file": name, "nose": [8 + 3 * i, 20]} for i, name in enumerate(sorted(drawn.good))]
    broken = [{"file": name, "nose": [1, 1]} for name in sorted(drawn.broken)]
    labels.write_text(json.dumps({"images": [*broken, *entries]}))
    (tmp_path / "labels").symlink_to(root)
    out = tmp_path / "nose.parts.json"
    result = sge_command("parts", "fit", labels, "-o", out, "--without", root, "--no-measure")
    assert result.exit_code == 1, result.output
    assert out.is_file(), result.exception
    assert named(result.stderr, root) == escaped(drawn.broken | drawn.skipped - {"cover.jpg"})
    assert named(result.stderr, tmp_path / "labels") == drawn.broken
    assert f"{2 * len(drawn.good) + 1} done" in result.stderr


def test_trainings_of_both_ways_of_decoding_are_the_same(sge_command, tree, tmp_path):
    root, drawn = tree
    settings = ("--depth", 18, "--attention", "none", "--epochs", 1, "--batch", 4, "--device", "cpu")
    digests = set()
    for decode in ("ahead", "each"):
        out = tmp_path / decode
        arguments = ("train", "smoke", "--train", root, "--dev", root, "--out", out, *settings)
        result = sge_command(*arguments, "--decode", decode)
        assert result.exit_code == 0, result.exception
        assert named(result.stderr, root) == escaped(drawn.skipped)
        for name in ("train", "dev"):
            assert f"{len(drawn.broken)} {name} images cannot be read and are left out:" in result.stderr
        assert all(result.stderr.count(f"  {name}: ") == 2 for name in drawn.broken)
        digests.add(read_weights(out / "best.safetensors").digest)
    assert len(digests) == 1
    # The folder has a class of which nothing can be read any more.
    for image in (root / "b").rglob("*"):
        if image.is_file():
            image.write_bytes(b"no image")
    for decode in ("ahead", "each"):
        out = tmp_path / f"{decode}2"
        arguments = ("train", "smoke", "--train", root, "--dev", root, "--out", out, *settings)
        result = sge_command(*arguments, "--decode", decode)
        assert result.exit_code == 1
        assert "No image of b" in str(result.exception)
        assert not (out / "best.safetensors").exists()


def test_long_lists_are_counted(capsys):
    say_skipped({f"{i}.txt": "text" for i in range(MAX_LINES + 5)})
    say_notes({"a.jpg": ["The end is missing.", "The profile is damaged."]})
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"{MAX_LINES + 5} entries that are no images are left out:"
    assert lines[-4:] == [
        f"  {MAX_LINES - 1}.txt: text",
        "  and 5 more",
        "1 image has a note:",
        "  a.jpg: The end is missing. The profile is damaged.",
    ]
