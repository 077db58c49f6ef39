"""Labels of a trained network, and the teacher's maps that several trainings share."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from types import SimpleNamespace

import pytest

from sge.errors import DataError
from sge.files import locked
from sge.training import run
from sge.training.result import _labels


@pytest.mark.parametrize(
    ("classes", "labels"),
    [
        (["n02086240", "n02088364"], ["Shih-Tzu", "beagle"]),
        (["circle", "square"], ["circle", "square"]),
        (["n02086240", "circle"], ["n02086240", "circle"]),
        (["0", "1"], ["0", "1"]),
    ],
)
def test_labels(classes, labels):
    assert _labels(classes) == labels


def test_trainings_that_share_a_cache_wait_for_the_teachers_maps(tmp_path, monkeypatch):
    made = []

    def read(path, key):
        if not made:
            raise DataError("There are no maps.")
        return made[0]

    monkeypatch.setattr(run, "maps_key", lambda *_: {})
    monkeypatch.setattr(run, "TeacherMaps", read)
    monkeypatch.setattr(run, "write_maps", lambda *_: made.append("maps"))
    data = SimpleNamespace(images=None)
    with ThreadPoolExecutor(2) as pool:
        with locked(tmp_path / "teacher.maps.lock"):
            futures = [
                pool.submit(run._maps, tmp_path / "teacher.maps", None, data, (), (), None) for _ in range(2)
            ]
            wait(futures, timeout=0.3)
            assert not made
        assert [future.result(timeout=60) for future in futures] == ["maps", "maps"]
    assert made == ["maps"]
