"""Makes the sets of 45 breeds on which ``sge_resnet18_pets`` is trained and measured, from Imagewoof and Oxford-IIIT Pet.

    python -m scripts.models.pets_data OUT [--without-training]

Reads ../shared/data (or SGE_SHARED). One folder stands for each class, named by its label, so that beagles and Samoyeds of
both sources are one class. File names begin with their source: ``sge eval OUT/dev.tar --only woof--`` measures the dogs of
``dogs_dev.tar`` over all 45 classes, and ``--only pets--`` those of ``pets_dev.tar``. The images stay where this command
writes them; none of them may be published.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from scripts.common import DATA

WOOF, PETS, PETS_AGAIN = "woof--", "pets--", "pets2--"
"""What begins the names of Imagewoof's images, of the images of Oxford-IIIT Pet, and of their copies in ``train.tar``."""
TRAIN, DEV, CHOOSING, REST = "train.tar", "dev.tar", "dev_watch.tar", "dev_rest.tar"
STEP = 4
"""Every fourth image of ``dogs_dev.tar`` and all of ``pets_dev.tar`` choose the epoch. The other dogs do not."""

IMAGEWOOF = {
    "n02086240": "Shih-Tzu",
    "n02087394": "Rhodesian ridgeback",
    "n02088364": "beagle",
    "n02089973": "English foxhound",
    "n02093754": "Border terrier",
    "n02096294": "Australian terrier",
    "n02099601": "golden retriever",
    "n02105641": "Old English sheepdog",
    "n02111889": "Samoyed",
    "n02115641": "dingo",
}
"""Folders of ``dogs_*.tar`` (WordNet ids) and their labels."""
OXFORD_PETS = {
    "Abyssinian": "Abyssinian cat",
    "Bengal": "Bengal cat",
    "Birman": "Birman cat",
    "Bombay": "Bombay cat",
    "British_Shorthair": "British Shorthair",
    "Egyptian_Mau": "Egyptian Mau",
    "Maine_Coon": "Maine Coon",
    "Persian": "Persian cat",
    "Ragdoll": "Ragdoll cat",
    "Russian_Blue": "Russian Blue",
    "Siamese": "Siamese cat",
    "Sphynx": "Sphynx cat",
    "american_bulldog": "American bulldog",
    "american_pit_bull_terrier": "American pit bull terrier",
    "basset_hound": "basset hound",
    "beagle": "beagle",
    "boxer": "boxer",
    "chihuahua": "Chihuahua",
    "english_cocker_spaniel": "English cocker spaniel",
    "english_setter": "English setter",
    "german_shorthaired": "German shorthaired pointer",
    "great_pyrenees": "Great Pyrenees",
    "havanese": "Havanese",
    "japanese_chin": "Japanese Chin",
    "keeshond": "keeshond",
    "leonberger": "Leonberger",
    "miniature_pinscher": "miniature pinscher",
    "newfoundland": "Newfoundland",
    "pomeranian": "Pomeranian",
    "pug": "pug",
    "saint_bernard": "Saint Bernard",
    "samoyed": "Samoyed",
    "scottish_terrier": "Scottish terrier",
    "shiba_inu": "Shiba Inu",
    "staffordshire_bull_terrier": "Staffordshire bull terrier",
    "wheaten_terrier": "soft-coated wheaten terrier",
    "yorkshire_terrier": "Yorkshire terrier",
}
"""Folders of ``pets_*.tar`` and their labels; those of cats begin with a capital letter."""
LABELS = sorted({*IMAGEWOOF.values(), *OXFORD_PETS.values()})
"""The 45 classes, in the order of the network's outputs."""
IN_BOTH = sorted({*IMAGEWOOF.values()} & {*OXFORD_PETS.values()})
CATS = sorted(label for folder, label in OXFORD_PETS.items() if folder[0].isupper())
IMAGENET_IDS = {
    *IMAGEWOOF,
    *("n02085620", "n02085782", "n02088238", "n02093256", "n02094433", "n02097298", "n02098105", "n02100236"),
    *("n02100735", "n02102318", "n02107312", "n02108089", "n02109525", "n02110958", "n02111129", "n02111277"),
    *("n02111500", "n02112018", "n02112350", "n02123394", "n02123597", "n02124075"),
}
"""WordNet ids of the ImageNet classes that show one of the 45 breeds; n02124075, Egyptian cat, counts as Egyptian Mau."""

Member = tuple[str, str, bytes]
"""Label, file name, and content."""


def read_members(archive: Path, labels: dict[str, str]) -> Iterator[Member]:
    """The images of an archive, in its order.

    Raises:
        KeyError: A folder has no label.
    """
    with tarfile.open(archive) as opened:
        for member in opened:
            file = opened.extractfile(member) if member.isfile() else None
            if file is not None:
                folder, name = member.name.removeprefix("./").split("/")
                yield labels[folder], name, file.read()


def write_archive(path: Path, members: Iterator[Member]) -> int:
    """Writes an uncompressed archive with members ``LABEL/name``; returns their number."""
    count = 0
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as out:
        for label, name, content in members:
            info = tarfile.TarInfo(f"{label}/{name}")
            info.size, info.mode = len(content), 0o644
            out.addfile(info, io.BytesIO(content))
            count += 1
    return count


def prefixed(prefix: str, members: Iterator[Member]) -> Iterator[Member]:
    """The members, with file names that begin with ``prefix``."""
    for label, name, content in members:
        yield label, prefix + name, content


def build(out: Path, data: Path = DATA, *, training: bool = True) -> dict[str, int]:
    """Writes the sets.

    Args:
        out: Folder of the archives.
        data: Folder of ``dogs_train.tar``, ``dogs_dev.tar``, ``pets_train.tar`` and ``pets_dev.tar``.
        training: Write ``train.tar`` too, in which each image of Oxford-IIIT Pet stands twice, because its breeds have
            about 80 images and those of Imagewoof about 900.

    Returns:
        Name of each archive to its number of images.
    """

    def members(prefix: str, part: str) -> Iterator[Member]:
        source, labels = ("dogs", IMAGEWOOF) if prefix == WOOF else ("pets", OXFORD_PETS)
        return prefixed(prefix, read_members(data / f"{source}_{part}.tar", labels))

    def dogs(chosen: bool) -> Iterator[Member]:
        every = enumerate(members(WOOF, "dev"))
        return (member for number, member in every if (number % STEP == 0) is chosen)

    def chained(*parts: Iterator[Member]) -> Iterator[Member]:
        for part in parts:
            yield from part

    out.mkdir(parents=True, exist_ok=True)
    contents = {
        DEV: chained(members(WOOF, "dev"), members(PETS, "dev")),
        CHOOSING: chained(dogs(True), members(PETS, "dev")),
        REST: dogs(False),
    }
    if training:
        parts = [members(WOOF, "train"), *(members(again, "train") for again in (PETS, PETS_AGAIN))]
        contents[TRAIN] = chained(*parts)
    return {name: write_archive(out / name, content) for name, content in contents.items()}


def main(
    out: Annotated[Path, typer.Argument(help="Folder of the archives.")],
    without_training: Annotated[bool, typer.Option("--without-training")] = False,
) -> None:
    """Writes the sets and prints how many images each has."""
    for name, count in build(out, training=not without_training).items():
        typer.echo(f"{out / name}: {count} images")


if __name__ == "__main__":
    typer.run(main)
