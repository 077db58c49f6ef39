"""Draws folders of images as they are found on disks: with what systems and tools leave there, and with damage."""

from __future__ import annotations

import random
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

from tests.drawn_images import encoded, noise

DROPPINGS = (
    "Thumbs.db",
    "desktop.ini",
    ".DS_Store",
    "._{image}",
    "{image}:Zone.Identifier",
    ".hidden.jpg",
    "Icon\r",
)
FOLDERS = (
    "__MACOSX",
    "lost+found",
    "@eaDir",
    ".ipynb_checkpoints",
    "$RECYCLE.BIN",
    "System Volume Information",
)
FOREIGN = (
    "labels.csv",
    "README.txt",
    "meta.json",
    "SHA256SUMS",
    "clip.mp4",
    "{image}.md5",
    "{image}.part",
    "empty",
)


@dataclass
class Drawn:
    """What a tree holds, as paths below it."""

    good: set[str] = field(default_factory=set)
    broken: set[str] = field(default_factory=set)
    skipped: set[str] = field(default_factory=set)


def draw_tree(root: Path, seed: int, classes: tuple[str, ...] = ("a", "b"), images: int = 4) -> Drawn:
    """Makes a labelled set whose classes have ``images`` good images each, among foreign and broken files."""
    choose, drawn = random.Random(seed), Drawn()

    def write(name: str, content: bytes) -> str:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        return name

    for number, label in enumerate(classes):
        below = choose.choice(["", "", "deep/"])
        for i in range(images):
            # The first bytes tell an image whose name does not.
            ending, kind = choose.choice([(".jpg", "JPEG"), (".PNG", "PNG"), ("", "PNG"), (".jfif", "JPEG")])
            image = encoded(noise(40 + i, 40, 100 * number + 10 * seed + i), kind)
            drawn.good.add(write(f"{label}/{below}{i}{ending}", image))
        for name in choose.sample(DROPPINGS, 3) + choose.sample(FOREIGN, 3):
            name = name.format(image="0.jpg")
            drawn.skipped.add(
                write(f"{label}/{below}{name}", b"" if name == "empty" else b"text, not pixels")
            )
        whole = encoded(noise(64, 64, number), "JPEG")
        for name, content in (
            ("cut.jpg", whole[: len(whole) // 2]),
            ("void.png", b""),
            ("text.webp", b"text"),
        ):
            if choose.random() < 0.6:
                drawn.broken.add(write(f"{label}/{name}", content))
    for folder in choose.sample(FOLDERS, 3):
        top = choose.choice(["", f"{classes[0]}/"])
        write(f"{top}{folder}/x/{classes[0]}/1.jpg", encoded(noise(8, 8)))
        drawn.skipped.add(f"{top}{folder}")
    drawn.skipped |= {write("classes.txt", b"a b"), write("cover.jpg", encoded(noise(8, 8)))}
    return drawn


def archive_of(folder: Path, path: Path, mode: str = "w") -> Path:
    """A tar archive of a folder's entries."""
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for entry in sorted(folder.iterdir()):
            archive.add(entry, entry.name)
    return path
