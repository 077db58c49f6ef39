"""A service of a network of another library, named together with its weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from app.slots import Slot
from sge.models.description import Description
from sge.models.libraries import built
from tests.app.asking import jpeg, post
from tests.app.conftest import API, running


def test_a_network_is_served_under_the_name_of_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.pth"
    torch.save(built(Description("timm", "test_resnet", {"num_classes": 3})).state_dict(), file)
    with running(models=[f"timm:test_resnet?groups=8&where=layer4@{file}"]) as service:
        shown = service.client.get(f"{API}/models/mine").json()
        answer = post(service.client, "analyze", jpeg()).json()
        assert str(tmp_path) not in service.client.get(f"{API}/models").text
    assert [block["name"] for block in shown["blocks"]] == ["layer4"]
    assert shown["card"]["gates"] == "inactive"
    assert len(answer["predictions"]) == 3


def test_a_network_that_the_library_lacks_says_so() -> None:
    slot = Slot("x", "timm:resnet5O@x.pth")
    slot.load("cpu", "float32")
    assert "Did you mean resnet50" in str(slot.error)


@pytest.mark.parametrize("text", ["{}", "timm:test_resnet@{}", "timm:test_resnet@{}?groups=8"])
def test_clients_do_not_learn_the_folder_of_a_file_that_cannot_be_loaded(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "a folder"
    folder.mkdir()
    (folder / "cut.pth").write_bytes(b"PK\x03\x04")
    for file in (folder / "missing.pth", folder / "missing.onnx", folder / "cut.pth"):
        slot = Slot("x", text.format(file))
        slot.load("cpu", "float32")
        assert slot.error is not None
        assert file.name in slot.error
        assert str(tmp_path) not in slot.error
