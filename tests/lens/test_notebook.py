"""The widget: what its element sends is done in the kernel, and what goes wrong is a sentence in it."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import sge
from sge.errors import ChoiceError, ImageError, MissingPackageError
from tests.models.exported import model

pytest.importorskip("anywidget")


@pytest.fixture(scope="module")
def lens():
    return sge.Lens(model())


def png(seed=0, size=(48, 40)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def shown(lens):
    """A widget, and what its element receives of the last message."""
    made = sge.widget(lens)
    sent = []
    made.send = lambda content, buffers=None: sent.append(content)

    def receive(content, *buffers):
        made._received(made, content, list(buffers))
        assert sent.pop() == {"kind": "answered"}

    made.receive = receive
    return made


def test_an_image_from_the_element_is_analyzed_as_by_the_lens(lens, shown):
    assert (shown.report, shown.analysis, shown.ablate("all")) == ("", None, None)
    shown.receive({"kind": "image", "name": "my photo.png"}, memoryview(png()))
    expected = lens.analyze(png())
    assert shown.analysis.predictions == expected.predictions
    assert shown.analysis.image_info.name == "my photo.png"
    assert shown.report.startswith("<iframe ")
    assert shown.message == ""
    assert list(shown.blocks) == ["first", "second"]


def test_a_model_without_classes_offers_no_groups_to_switch_off():
    bare = sge.Lens(replace(model(), labels=None))
    made = sge.widget(bare, png())
    assert (made.blocks, made.analysis.predictions) == ([], [])
    assert made.report


def test_the_framing_is_kept_for_the_next_image(lens, shown):
    shown.receive({"kind": "framing", "framing": "center"})
    shown.receive({"kind": "image", "name": "a"}, png())
    assert shown.analysis.predictions == lens.analyze(png(), "center").predictions
    before = shown.report
    shown.receive({"kind": "framing", "framing": "whole"})
    assert shown.report != before
    assert shown.analysis.geometry.framing == "whole"


def test_groups_are_switched_off_as_by_the_lens(lens, shown):
    shown.show(png())
    shown.receive({"kind": "ablate", "groups": "first:0,2-3"})
    expected = lens.ablate(png(), {"first": [0, 2, 3]}, controls=5)
    np.testing.assert_array_equal(shown.ablation.after, expected.after)
    before = {label: (b, a) for label, b, a, _ in shown.effects}
    assert before == pytest.approx(
        {
            label: pytest.approx((float(b), float(a)))
            for label, b, a in zip(expected.labels, expected.before, expected.after, strict=True)
        }
    )
    shown.show(png(1))
    assert (list(shown.effects), shown.ablation) == ([], None)


@pytest.mark.parametrize(
    ("content", "buffers", "sentence"),
    [
        ({"kind": "image", "name": "no.png"}, [b"no image"], "not an image"),
        ({"kind": "ablate", "groups": "third:0"}, [], "No block"),
        ({"kind": "ablate", "groups": "first:9"}, [], "no group 9"),
        ({"kind": "ablate", "groups": ""}, [], "write BLOCK:NUMBERS"),
        ({"kind": "framing", "framing": "other"}, [], ""),
        ({"kind": "image", "name": 3}, [b""], ""),
        ({"kind": "image", "name": "two"}, [b"", b""], ""),
        ({"kind": "ablate"}, [], ""),
        ("text", [], ""),
        (None, [], ""),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_the_image_stays(shown, content, buffers, sentence):
    kept = shown.show(png())
    shown.receive(content, *buffers)
    assert sentence in shown.message
    assert bool(sentence) == bool(shown.message)
    assert shown.analysis is kept


def test_a_framing_that_cannot_be_run_leaves_the_old_one(shown, monkeypatch):
    kept = shown.show(png())
    for error in (ChoiceError("Another framing, please."), KeyError("unknown")):

        def fail(image, framing, error=error):
            raise error

        monkeypatch.setattr(shown._lens, "analyze", fail)
        with contextlib.suppress(KeyError):
            shown.receive({"kind": "framing", "framing": "center"})
        assert (shown.framing, shown.analysis) == ("whole", kept)
        assert shown.message in (
            "Another framing, please.",
            "KeyError: the log of the kernel says what went wrong. Try another image.",
        )


def test_arguments_have_sentences(lens, monkeypatch):
    assert sge.widget(lens, png(), "center").analysis.geometry.framing == "center"
    with pytest.raises(ChoiceError, match="takes a Lens, and this is Model"):
        sge.widget(lens.model)
    with pytest.raises(ChoiceError, match="framing is 'no'"):
        sge.widget(lens, framing="no")
    for height in (10, 10**6, 1.5, True):
        with pytest.raises(ChoiceError, match="height is"):
            sge.widget(lens, height=height)
    with pytest.raises(ImageError):
        sge.widget(lens, b"no image")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(MissingPackageError, match=r"sge-lens\[notebook\]"):
        sge.widget(lens)
