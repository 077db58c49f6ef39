from __future__ import annotations

from PIL import Image

from sge.training.synthetic import COLORS, IMAGES, SIDE, make_shapes_dataset


def test_both_folders_hold_every_class(tmp_path):
    for folder, count in zip(make_shapes_dataset(tmp_path), IMAGES.values(), strict=True):
        assert sorted(path.name for path in folder.iterdir()) == sorted(COLORS)
        assert all(len(list(class_folder.iterdir())) == count for class_folder in folder.iterdir())
    assert Image.open(tmp_path / "dev" / "cross" / "00.png").size == (SIDE, SIDE)


def test_the_seed_decides_the_images(tmp_path):
    names = ("first", "second", "other")
    for name, seed in zip(names, (0, 0, 1), strict=True):
        make_shapes_dataset(tmp_path / name, seed)
    first, second, other = ((tmp_path / name / "dev/circle/00.png").read_bytes() for name in names)
    assert first == second
    assert first != other
