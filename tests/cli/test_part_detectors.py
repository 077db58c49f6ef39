"""``sge parts fit-detectors`` and ``measure`` with the shipped model on shipped photos."""

from __future__ import annotations

import io
import json
import tarfile

import pytest

from sge.cli.labelled_files import LabelledFiles
from sge.errors import DataError, FinderError
from sge.parts import FacesImage, Finder
from tests.conftest import ROOT

SAMPLES = ROOT / "static" / "samples"
FACES = {
    "shepherd.jpg": {"nose": [405, 217], "left_eye": [372, 160], "right_eye": [423, 157]},
    "chelsea.jpg": {"nose": [262, 243], "left_eye": [199, 165], "right_eye": [323, 160], "kind": "cat"},
}


@pytest.fixture
def labels(tmp_path):
    """One image in a folder, one in an archive, and one of them twice."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "shepherd.jpg").write_bytes((SAMPLES / "shepherd.jpg").read_bytes())
    with tarfile.open(tmp_path / "others.tar", "w") as archive:
        member = tarfile.TarInfo("cats/chelsea.jpg")
        content = (SAMPLES / "chelsea.jpg").read_bytes()
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    images = [
        {"file": "own/shepherd.jpg", "faces": [FACES["shepherd.jpg"]]},
        {"file": "others.tar/cats/chelsea.jpg", "faces": [FACES["chelsea.jpg"]], "held": True},
    ]
    path = tmp_path / "faces.json"
    path.write_text(json.dumps({"images": images}))
    return path


@pytest.mark.parametrize("arguments", [("fit-detectors",), ("evaluate-faces",), ("fit-detectors", "x.json")])
def test_usage_errors_exit_2(sge_command, arguments):
    assert sge_command("parts", *arguments).exit_code == 2


def test_files_in_folders_and_archives(labels, tmp_path):
    files = LabelledFiles(tmp_path)
    there = [FacesImage("own/shepherd.jpg"), FacesImage("others.tar/cats/chelsea.jpg")]
    files.check(there)
    assert [files.open(image).height for image in there] == [
        files.open(FacesImage(str(SAMPLES / name))).height for name in FACES
    ]
    with pytest.raises(
        FinderError, match=r"2 labelled images are not in .*: none\.jpg, others\.tar/none\.jpg"
    ):
        files.check([*there, FacesImage("none.jpg"), FacesImage("others.tar/none.jpg")])
    files.close()


def test_an_archive_that_is_none(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no archive" * 100)
    with pytest.raises(DataError):
        LabelledFiles(tmp_path).check([FacesImage("a.tar/b.jpg")])


@pytest.mark.parametrize("command", [("evaluate-faces",), ("fit-detectors", "-o", "a.parts.json")])
def test_what_cannot_be_read_of_a_folder_without_parts_is_named_first(
    sge_command, labels, tmp_path, command, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "a.jpg").write_bytes((SAMPLES / "shepherd.jpg").read_bytes())
    (tmp_path / "empty" / "more").symlink_to(tmp_path / "gone")
    result = sge_command("parts", *command, labels, "--without", tmp_path / "empty")
    assert result.exit_code == 1
    assert "1 entries of" in str(result.exception)
    assert "empty/more (the link leads nowhere" in str(result.exception)


def test_labels_that_are_not_there(sge_command, tmp_path):
    result = sge_command("parts", "evaluate-faces", tmp_path / "none.json")
    assert result.exit_code == 1
    assert "cannot be read" in str(result.exception)


@pytest.mark.slow
def test_too_few_images_are_named_before_the_fit(sge_command, labels, tmp_path):
    result = sge_command("parts", "fit-detectors", labels, "-o", tmp_path / "a.parts.json")
    assert result.exit_code == 1
    assert "Fewer than 3 images show a sure nose" in str(result.exception)
    assert "1 images are held back for measuring" in result.stderr
    assert not (tmp_path / "a.parts.json").exists()


@pytest.mark.slow
def test_measuring_the_shipped_finder(sge_command, labels):
    result = sge_command(
        "parts", "evaluate-faces", labels, "--model", "sge_efficientnet_lite0", "--by", "readouts", "--json"
    )
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["images"] == {"with_faces": 2, "without": 0}
    assert [row["points"] for row in record["faces"]] == [2, 4]
    held = sge_command("parts", "evaluate-faces", labels, "--held", "--by", "readouts", "--json")
    assert json.loads(held.stdout)["images"]["with_faces"] == 1


@pytest.mark.slow
def test_a_finder_without_what_is_asked_for(sge_command, labels, tmp_path):
    finder = Finder.load(ROOT / "weights" / "sge_efficientnet_lite0.parts.json")
    Finder(finder.readouts, finder.permutations).save(tmp_path / "a.json")
    result = sge_command(
        "parts",
        "evaluate-faces",
        labels,
        "--finder",
        tmp_path / "a.json",
        "--model",
        "sge_efficientnet_lite0",
        "--by",
        "mix",
    )
    assert result.exit_code == 1
    assert "has no mix; it has readouts" in str(result.exception)
