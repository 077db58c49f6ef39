"""Lists images of folders and tar archives, decodes them once, and batches them."""

from sge.datasets.batching import batches_of_one_shape, normalize_batch
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
from sge.datasets.imagenet import class_indices
from sge.datasets.labelled import ImageFile, LabelledSet, decode_files, find_images, find_labelled
from sge.datasets.record_file import RecordFile, RecordWriter, index_path

__all__ = [
    "DecodedCache",
    "ImageFile",
    "ImageFiles",
    "LabelledSet",
    "Prepare",
    "Progress",
    "RecordFile",
    "RecordWriter",
    "batches_of_one_shape",
    "cache_key",
    "class_indices",
    "decode_files",
    "evaluation_crop",
    "find_images",
    "find_labelled",
    "index_path",
    "normalize_batch",
    "shrink",
    "write_cache",
]
