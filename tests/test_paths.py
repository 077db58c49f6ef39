from __future__ import annotations

from pathlib import Path

from sge import paths


def test_shipped_folders_are_beside_the_package_or_inside_it(tmp_path, monkeypatch):
    assert (paths.shipped("weights") / "sge_efficientnet_lite0.card.json").is_file()
    package = tmp_path / "sge"
    monkeypatch.setattr(paths, "_PACKAGE", package)
    assert paths.shipped("static") == tmp_path / "static"
    (package / "_static").mkdir(parents=True)
    assert paths.shipped("static") == package / "_static"


def test_the_users_models(monkeypatch):
    monkeypatch.setenv("SGE_MODEL_DIR", "~/mine")
    assert paths.model_dir() == Path.home() / "mine"
    monkeypatch.delenv("SGE_MODEL_DIR")
    assert paths.model_dir().name == "models"
