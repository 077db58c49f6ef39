"""Lists images of folders and tar archives, reads those that a caller has, decodes them once, and batches them."""

from sge.datasets.archives import open_archive
from sge.datasets.batching import batches_of_one_shape, normalize_batch
from sge.datasets.checked import Checked, check_files
from sge.datasets.decoded_cache import (
    DecodedCache,
    ImageFiles,
    Prepare,
    Progress,
    cache_key,
    evaluation_crop,
    shrink,
    write_cache,
)
from sge.datasets.entries import ImageFile, Listing, Skipped, class_of
from sge.datasets.foreign import made_by_systems
from sge.datasets.given import GivenImages, Images, images_to_crop, normalized_images
from sge.datasets.imagenet import class_indices
from sge.datasets.labelled import (
    LabelledSet,
    decode_file,
    decode_files,
    find_images,
    find_labelled,
    list_images,
    no_images,
    why_no_image,
)
from sge.datasets.record_file import RecordFile, RecordWriter, index_path

__all__ = [
    "Checked",
    "DecodedCache",
    "GivenImages",
    "ImageFile",
    "ImageFiles",
    "Images",
    "LabelledSet",
    "Listing",
    "Prepare",
    "Progress",
    "RecordFile",
    "RecordWriter",
    "Skipped",
    "batches_of_one_shape",
    "cache_key",
    "check_files",
    "class_indices",
    "class_of",
    "decode_file",
    "decode_files",
    "evaluation_crop",
    "find_images",
    "find_labelled",
    "images_to_crop",
    "index_path",
    "list_images",
    "made_by_systems",
    "no_images",
    "normalize_batch",
    "normalized_images",
    "open_archive",
    "shrink",
    "why_no_image",
    "write_cache",
]
