"""Answers of the service with parts at positions that a test chooses, as a model with a part finder gives them."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

import numpy as np

from sge.analysis import ATLAS_MEDIA_TYPE, pack_atlases, unpack_atlases
from sge.analysis.atlas import atlas_record

GRID = 36
"""Number of cells of a part map on each side."""
READOUTS = {
    "nose": [("blocks.5.3", 47, 0.6), ("blocks.4.2", 3, 0.385), ("blocks.5.0", 9, 0.015)],
    "eye": [
        ("blocks.5.0", 9, 0.7),
        ("blocks.5.0", 11, 0.29),
        ("blocks.3.2", 5, 0.006),
        ("blocks.4.2", 8, 0.004),
    ],
}
FACE = (("nose", 0.69, 0.365, 0.97), ("left_eye", 0.63, 0.275, 0.93), ("right_eye", 0.71, 0.28, 0.9))
"""The parts of the sample: name, position as fractions of width and height, score."""
NOTHING_FOUND = "No nose or eyes found; the finder learned on 484 images of dogs and people."
"""The sentence of the placed finder, which is fitted to nothing."""
ANALYSES = re.compile(r"/api/v1/analyze|/samples/\w+/analysis")


def place(record, parts, *, stray=(), side=0.05, peak=None):
    """Puts parts and their maps into the record of an analysis.

    A part may also state its face, and that it is unsure (``sure`` false): name, x, y, score, face, sure. ``stray``
    lists positions with a peak in the maps but no part; ``peak`` replaces the height of all peaks.
    """
    width, height = record["geometry"]["image"]
    record["model"] |= {"no_parts": NOTHING_FOUND, "part_finders": []}
    record["parts"] = [
        {
            "name": name,
            "x": x * width,
            "y": y * height,
            "score": score,
            "box": [(x - side) * width, (y - side) * height, (x + side) * width, (y + side) * height],
        }
        | dict(zip(("face", "sure"), rest, strict=False))
        for name, x, y, score, *rest in parts
    ]
    record["part_maps"] = {
        kind: atlas_record(part_map([part for part in parts if part[0].endswith(kind)], stray, peak)[None])
        | {
            "threshold": 0.4,
            "terms": [dict(zip(("block", "group", "weight"), term, strict=True)) for term in terms],
        }
        for kind, terms in READOUTS.items()
    }
    return record


def part_map(parts, stray, peak):
    """A map with a Gaussian peak at each part, as high as its score; (GRID, GRID), float32."""
    y, x = (np.mgrid[:GRID, :GRID] + 0.5) / GRID
    values = np.zeros((GRID, GRID), np.float32)
    for px, py, top in [
        *((px, py, peak or score) for _, px, py, score, *_ in parts),
        *((*position, 0.9) for position in stray),
    ]:
        values = np.maximum(values, top * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 0.03**2)))
    return values.astype(np.float32)


def change(page, edit, where=ANALYSES):
    """Changes each answer of the service by ``edit``, a function of the record."""

    def answer(route):
        response = route.fetch()
        kind = response.headers["content-type"]
        if response.status != 200 or kind not in (ATLAS_MEDIA_TYPE, "application/json"):
            route.fulfill(response=response)
        elif kind == ATLAS_MEDIA_TYPE:
            fulfill(route, edit(unpack_atlases(response.body())))
        else:
            route.fulfill(json=edit(response.json()))

    page.route(where, answer)


def fulfill(route, record):
    """Answers a request of the page with a record."""
    route.fulfill(body=pack_atlases(record), content_type=ATLAS_MEDIA_TYPE)


def with_parts(parts=FACE, **options):
    """For ``open_page(before=...)``: a model that finds these parts in every image."""
    return lambda page: change(page, lambda record: place(record, parts, **options))


LARGEST = [
    (f"blocks.{block}", group, 0.05 - 0.005 * group) for block in ("4.2", "5.0", "5.3") for group in range(4)
]
"""Twelve groups with a part of the positive weights."""
LARGEST_ALONE = [(block.replace("4.2", "4.1"), group, weight) for block, group, weight in LARGEST]
"""As many that are read where groups are read alone, some of another block."""


def by_detector(record, parts=FACE, *, source="groups and channels", finders=("mix", "groups"), **options):
    """``place`` for a model that finds parts at several sizes by groups and channels, or by groups alone."""
    place(record, parts, **options)
    record["model"]["part_finders"] = list(finders)
    terms = LARGEST_ALONE if source == "groups" else LARGEST
    for part_map in record["part_maps"].values():
        part_map["source"] = source
        part_map["terms"] = [dict(zip(("block", "group", "weight"), term, strict=True)) for term in terms]
    return record


def with_choice(parts=FACE, **options):
    """For ``open_page(before=...)``: a model with both finders, which finds these parts by either."""

    def prepare(page):
        def answer(route):
            by_groups = parse_qs(urlsplit(route.request.url).query).get("parts_by") == ["groups"]
            source = "groups" if by_groups else "groups and channels"
            # The service need not know the choice.
            response = route.fetch(url=route.request.url.replace("&parts_by=groups", ""))
            fulfill(route, by_detector(unpack_atlases(response.body()), parts, source=source, **options))

        page.route(ANALYSES, answer)

    return prepare


def without_finder(page):
    """For ``open_page(before=...)``: a model without a part finder."""
    change(
        page,
        lambda record: {key: value for key, value in record.items() if key != "part_maps"} | {"parts": []},
    )
