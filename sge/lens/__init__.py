"""Where a model, an image and a part finder meet."""

from sge.lens.lens import Lens, check_labels
from sge.lens.part_fitting import Example, analyze_examples, finder_of_maps

__all__ = [
    "Example",
    "Lens",
    "analyze_examples",
    "check_labels",
    "finder_of_maps",
]
