"""Where a model, an image and a part finder meet."""

from sge.lens.lens import Lens, check_labels
from sge.lens.part_fitting import Example, analyze_examples, find_parts, finder_of_maps, fit_parts

__all__ = [
    "Example",
    "Lens",
    "analyze_examples",
    "check_labels",
    "find_parts",
    "finder_of_maps",
    "fit_parts",
]
