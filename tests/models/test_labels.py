from __future__ import annotations

from sge.models.labels import imagenet_labels


def test_the_labels_are_imagenets_in_the_order_of_the_logits():
    labels = imagenet_labels()
    assert len(labels) == 1000
    assert (labels[0], labels[207], labels[999]) == ("tench", "golden retriever", "toilet tissue")
